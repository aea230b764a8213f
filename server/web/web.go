// Package web is the little that Mitome's handler packages share: handlers that
// return their error, and the one table that turns an error into an RFC 9457
// problem document.
package web

import (
	"context"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/gin-gonic/gin"
)

// MaxBody is the largest request body that an API of ours reads, in bytes.
const MaxBody = 64 << 10

// Handle adapts a plain Gin handler that returns its error. A handler writes a
// response or returns an error, never both; so it cannot forget to return after
// a failure and go on to answer twice.
func Handle(h func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			Fail(c, err)
		}
	}
}

// Fail answers c with the problem that err stands for.
func Fail(c *gin.Context, err error) {
	write(c, ProblemFor(c.Request.Context(), err))
}

// Refuse answers c with p.
func Refuse(c *gin.Context, p *Problem) { write(c, p) }

func write(c *gin.Context, p *Problem) {
	for k, v := range p.headers {
		c.Header(k, v)
	}
	c.Header("Content-Type", "application/problem+json")
	c.AbortWithStatusJSON(p.Status, p)
}

// NewAPI makes a huma API on a Gin group, hardened: no links built from the Host
// header, no pages that load scripts from elsewhere, no unknown query
// parameters, and no error that echoes what was sent.
func NewAPI(engine *gin.Engine, group *gin.RouterGroup, title, version string) huma.API {
	cfg := huma.DefaultConfig(title, version)
	return newAPI(engine, group, cfg)
}

// ShareAPI makes an API on another group, say one behind a guard, that writes
// into the same OpenAPI document as api.
func ShareAPI(api huma.API, engine *gin.Engine, group *gin.RouterGroup) huma.API {
	cfg := huma.DefaultConfig("", "")
	cfg.OpenAPI = api.OpenAPI()
	return newAPI(engine, group, cfg)
}

func newAPI(engine *gin.Engine, group *gin.RouterGroup, cfg huma.Config) huma.API {
	harden()
	cfg.CreateHooks = nil
	cfg.DocsPath, cfg.OpenAPIPath, cfg.SchemasPath = "", "", ""
	cfg.RejectUnknownQueryParameters = true
	api := humagin.NewWithGroup(engine, group, cfg)
	api.UseMiddleware(onlyJSON)
	return api
}

// harden sets huma's globals, once: they are read by every call.
var harden = sync.OnceFunc(func() {
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError { return newError(status, msg, errs...) }
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := newError(status, msg, errs...)
		if speaksCIBA(ctx.Operation()) {
			p = p.InCIBA()
		}
		return p
	}
})

// onlyJSON refuses a body that does not say it is JSON. Huma takes a body
// without a type for JSON, and that is what a form on a stranger's page can send
// without asking (CORS calls it a simple request).
func onlyJSON(ctx huma.Context, next func(huma.Context)) {
	if ctx.Operation().RequestBody != nil {
		kind, params, err := mime.ParseMediaType(ctx.Header("Content-Type"))
		charset, ok := params["charset"]
		if err != nil || kind != "application/json" || ok && !strings.EqualFold(charset, "utf-8") {
			p := ProblemFor(ctx.Context(), ErrMediaType)
			if speaksCIBA(ctx.Operation()) {
				p = p.InCIBA()
			}
			write(humagin.Unwrap(ctx), p)
			return
		}
	}
	next(ctx)
}

// Register declares one operation whose handler returns domain errors.
func Register[I, O any](api huma.API, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = MaxBody
	}
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			p := ProblemFor(ctx, err)
			if speaksCIBA(&op) {
				p = p.InCIBA()
			}
			if len(p.headers) == 0 {
				return nil, p
			}
			h := http.Header{}
			for k, v := range p.headers {
				h.Set(k, v)
			}
			return nil, huma.ErrorWithHeaders(p, h)
		}
		return out, nil
	})
	if speaksCIBA(&op) {
		delete(op.Responses, strconv.Itoa(http.StatusUnprocessableEntity)) // see CIBA
	}
}

// newError is what huma itself answers: a body or parameter that does not fit.
// It names places, never values, which may be codes or tokens.
func newError(status int, _ string, errs ...error) *Problem {
	p := &Problem{Type: "urn:mitome:invalid_request", Title: "The request is not well formed.", Status: status}
	switch {
	case status == http.StatusRequestEntityTooLarge:
		p.Type, p.Title = "urn:mitome:too_large", "The request is too large."
	case status == http.StatusUnsupportedMediaType:
		p.Type, p.Title = "urn:mitome:unsupported_media_type", "The body must be application/json."
	case status >= http.StatusInternalServerError:
		slog.Error("request failed", "status", status, "errs", len(errs))
		p.Type, p.Title = "about:blank", "Something went wrong."
	}
	for _, err := range errs {
		if d, ok := err.(huma.ErrorDetailer); ok {
			p.Errors = append(p.Errors, faultOf(d.ErrorDetail()))
		}
	}
	return p
}

// faultOf is d without what the caller chose: of a field or parameter that we do
// not know even the name is the caller's, and might be a misplaced token.
func faultOf(d *huma.ErrorDetail) Fault {
	f := Fault{Location: d.Location, Message: d.Message}
	if f.Message == validation.MsgUnexpectedProperty || f.Message == "unknown query parameter" {
		f.Location, _, _ = strings.Cut(f.Location, ".")
	}
	return f
}
