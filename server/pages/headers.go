package pages

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/server/web"
)

// policy is what a page may do. Nothing may frame one that approves (a click
// could be stolen), nothing comes from elsewhere, and no text becomes a script:
// with Trusted Types a slip like innerHTML does not run but fails. The one policy
// of that kind is push.js's own, which passes the address of the service worker.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types mitome; report-uri /csp"

// permissions leaves a page its passkeys and nothing else of the device.
const permissions = "publickey-credentials-get=(self), publickey-credentials-create=(self), " +
	"accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), " +
	"microphone=(), midi=(), payment=(), serial=(), usb=()"

// Headers sets what every page carries, over what web.Headers set.
func Headers() gin.HandlerFunc {
	return func(c *gin.Context) {
		h := c.Writer.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Permissions-Policy", permissions)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Vary", "Accept-Language, Cookie, Sec-Fetch-Site")
		c.Next()
	}
}

// static sends a file that is the same for everybody.
func (h *Handler) static(c *gin.Context) {
	f, current, ok := h.UI.Static(c.Param("hash"), strings.TrimPrefix(c.Param("file"), "/"))
	if !ok {
		web.Fail(c, web.ErrNotFound)
		return
	}
	if current {
		c.Header("Cache-Control", "public, max-age=31536000, immutable")
	}
	c.Header("Cross-Origin-Resource-Policy", "same-origin")
	c.Data(http.StatusOK, f.Type, f.Body)
}

// maxReport is how much of a browser's report is read.
const maxReport = 8 << 10

// report takes what a browser says about a page that broke its policy. Anybody
// can send one, so it is bounded, believed in nothing, and answered alike
// whatever it holds; of its addresses only the names of our files are logged.
func (h *Handler) report(c *gin.Context) {
	body, err := io.ReadAll(io.LimitReader(c.Request.Body, maxReport))
	var in struct {
		Report struct {
			Directive string `json:"effective-directive"`
			Violated  string `json:"violated-directive"`
			Line      int    `json:"line-number"`
		} `json:"csp-report"`
	}
	if err == nil && json.Unmarshal(body, &in) == nil {
		d := directive(in.Report.Directive + in.Report.Violated)
		h.Log.WarnContext(c.Request.Context(), "page broke its policy", "directive", d, "line", in.Report.Line)
		if h.Violation != nil {
			h.Violation(d)
		}
	}
	c.Status(http.StatusNoContent)
}

// directive names the part of the policy that a report is about, in words of our
// own: what a stranger wrote must not become a line of the log or a metric.
func directive(said string) string {
	for part := range strings.SplitSeq(policy, ";") {
		name, _, _ := strings.Cut(strings.TrimSpace(part), " ")
		if strings.HasPrefix(said, name) {
			return name
		}
	}
	return "other"
}
