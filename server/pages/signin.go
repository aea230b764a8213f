package pages

import (
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/server/web"
	"github.com/mitome-ciba/mitome/webui"
)

// signIn lets a user choose the OP that knows her.
func (h *Handler) signIn(c *gin.Context) error {
	var view webui.SignIn
	for _, o := range h.OPs {
		if o.SignIn {
			view.OPs = append(view.OPs, webui.SignInOP{Title: o.title(), Href: "/signin/" + url.PathEscape(o.Name)})
		}
	}
	return h.send(c, screen{name: "signin", title: "signin.title", page: webui.Page{View: view}})
}

// SignedIn is the page after a sign-in at the OP: it goes on to the pairing from
// our own origin, because only then does the browser bring the desk's cookie.
func (h *Handler) SignedIn(c *gin.Context) {
	Headers()(c)
	h.handle(func(c *gin.Context) error {
		return h.send(c, screen{name: "bounce", title: "bounce.title", page: webui.Page{
			Scripts: []string{"bounce"}, View: webui.Bounce{Href: "/pair/new"},
		}})
	})(c)
}

// failures is what is said of a sign-in that came to nothing: the words under
// signin.fail.<says>, and the status. Package server/signin gives the codes. What
// an OP got wrong is one thing to a user, however many there are to its operator.
var failures = map[string]struct {
	says   string
	status int
}{
	"unknown_op":  {"unknown", http.StatusNotFound},
	"rate":        {"rate", http.StatusTooManyRequests},
	"unreachable": {"unreachable", http.StatusBadGateway},
	"no_state":    {"again", http.StatusBadRequest},
	"refused":     {"refused", http.StatusForbidden},
	"op_error":    {"op", http.StatusBadGateway},
	"token":       {"op", http.StatusBadGateway},
	"stale":       {"weak", http.StatusForbidden},
	"acr":         {"weak", http.StatusForbidden},
	"internal":    {"internal", http.StatusInternalServerError},
}

// SignInFailed shows why a sign-in at the OP came to nothing, and the way back. A
// code that it does not know is a fault of ours.
func (h *Handler) SignInFailed(c *gin.Context, code string) {
	Headers()(c)
	f, ok := failures[code]
	if !ok {
		f = failures["internal"]
	}
	h.handle(func(c *gin.Context) error {
		in, view := h.speaker(c), webui.Error{Glyph: "!", Link: &webui.Link{Href: "/signin"}}
		err := fill(in, []text{
			{&view.Heading, "signin.fail." + f.says + ".title"}, {&view.Text, "signin.fail." + f.says + ".text"},
			{&view.Link.Text, "signin.fail.link"},
		})
		if err != nil {
			return err
		}
		if f.status == http.StatusTooManyRequests {
			c.Header("Retry-After", web.ProblemFor(c.Request.Context(), web.ErrRate).Header("Retry-After"))
		}
		return h.send(c, screen{status: f.status, name: "error", page: webui.Page{Title: view.Heading, View: view}})
	})(c)
}

// text is a place for the words under key.
type text struct {
	into *string
	key  string
}

func fill(in *webui.Speaker, texts []text) (err error) {
	for _, t := range texts {
		if *t.into, err = in.Say(t.key); err != nil {
			return err
		}
	}
	return nil
}
