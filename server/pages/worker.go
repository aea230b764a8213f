package pages

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/server/web"
)

// workerPolicy is what the service worker may do: call Mitome. It lives longer
// than any page, so it loads no script, not even one of ours.
const workerPolicy = "default-src 'none'; connect-src 'self'; img-src 'self'; require-trusted-types-for 'script'; report-uri /csp"

// workerWords are what the service worker says by itself. What a push says comes
// with its words.
var workerWords = map[string]string{
	"waiting": "notice.waiting", "look": "notice.look", "deny": "notice.deny", "open": "notice.open",
	"over": "notice.over", "unsent": "notice.unsent", "refused": "notice.refused",
}

// worker sends the service worker. It stands at the top, because a worker rules
// no page above itself, and takes its language from its address: browsers ask for
// it again by themselves, with headers of their own, and take an answer that
// differs by a byte for a new version.
func (h *Handler) worker(c *gin.Context) error {
	f, _, ok := h.UI.Static("", "js/sw.js")
	if !ok {
		return web.ErrNotFound
	}
	in := h.UI.Speak(c.Query("lang"))
	words := map[string]string{"lang": in.Lang(), "icon": h.UI.Path("icon-192.png")}
	for name, key := range workerWords {
		var err error
		if words[name], err = in.Say(key); err != nil {
			return err
		}
	}
	said, err := json.Marshal(words) // which also escapes what could end a script
	if err != nil {
		return fmt.Errorf("words of the worker: %w", err)
	}
	c.Header("Content-Security-Policy", workerPolicy)
	c.Header("Cross-Origin-Resource-Policy", "same-origin")
	c.Header("Cache-Control", "no-cache")
	c.Data(http.StatusOK, f.Type, fmt.Appendf(nil, "const words = %s;\n%s", said, f.Body))
	return nil
}
