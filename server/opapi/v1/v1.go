// Package v1 is our own API for OpenID Providers: ask, look, take back. It is
// for every OP that speaks no dialect of its own; docs/any-op.md leads through it.
//
// # Why
//
// It says the same as any dialect and no more, so there is one way by which a
// request is judged. Its words are CIBA's, so that an OP can hand on what its
// client sent, and give back the error that its client must hear.
//
// As with every OP the answer is on its way before a decision can be: who holds
// an answer of ours knows the request that a webhook speaks of. What another kind
// of OP needs and this one does not is the taking back of a request whose answer
// was not heard. Here the OP asks again under the same Idempotency-Key.
package v1

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/limit"
	"github.com/mitome-ciba/mitome/server/web"
)

// Handler serves the API. All exported fields but Networks, Observe and Log are needed.
type Handler struct {
	Connections map[string]*webhook.Adapter // by the connection's name
	Networks    web.Networks                // from where each may be called
	Assertions  Assertions
	Requests    Requests
	Hints       Hints
	SignHint    func(payload []byte) (string, error) // a login hint, by Mitome's published key
	People      People
	About       func(context.Context, approval.Request) (op.About, error)
	// Delivered returns at how many addresses a request was taken, by channel.
	Delivered func(context.Context, approval.Request) (map[string]int, error)
	Acks      *op.Acks
	Now       func() time.Time
	Version   string // for the OpenAPI document
	// Observe, if set, is told what came of each ask, in opapi's words, for
	// metrics.
	Observe func(op, result string)
	Log     *slog.Logger // of who was refused; may be nil

	waiting waiters
	guesses limit.Tries
}

// Requests is what this package needs of approval.Service.
type Requests interface {
	Accept(ctx context.Context, a approval.Ask, by device.Actor) (approval.Request, error)
	Recall(ctx context.Context, id approval.RequestID, by device.Actor) (approval.Request, error)
	Asked(ctx context.Context, id approval.RequestID, op string) (approval.Request, error)
}

// Mount adds every route to group, and returns the API for its document.
func (h *Handler) Mount(engine *gin.Engine, group *gin.RouterGroup) huma.API {
	guarded := group.Group("", h.require, h.whole)
	api := web.NewAPI(engine, guarded, "Mitome OP API", h.Version)
	describe(api.OpenAPI())
	h.mountHints(api, web.ShareAPI(api, engine, group.Group("", h.require, h.till)))
	h.mountUsers(api)
	web.Register(api, operation(http.MethodPost, base+"/{id}/cancel", "cancel-request", "Take a request back"), h.cancel)
	ask := operation(http.MethodPost, base, "create-request", "Put a request to a user")
	web.Register(web.ShareAPI(api, engine, guarded.Group("", release)), ask, h.create)
	ask.Responses["200"].Content = ask.Responses["201"].Content
	describeWebhook(api.OpenAPI())
	web.Register(web.ShareAPI(api, engine, guarded.Group("", patient)),
		operation(http.MethodGet, base+"/{id}", "get-request", "Where a request stands; with wait, as soon as it is final"), h.get)
	return api
}

const base = "/op/{name}/v1/requests"

func operation(method, path, id, summary string) huma.Operation {
	op := huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary,
		Security: []map[string][]string{{"key": {}}, {"certificate": {}}},
		Errors:   []int{http.StatusBadRequest, http.StatusUnauthorized},
	}
	switch id {
	case "create-request":
		op.DefaultStatus = http.StatusCreated
		op.Errors = append(op.Errors, http.StatusForbidden, http.StatusConflict)
		op.Responses = map[string]*huma.Response{"200": {Description: "The request that an earlier call under this Idempotency-Key made"}}
	case "resolve-login-hint-token", "exchange-login-hint-token":
		op.Errors = append(op.Errors, http.StatusTooManyRequests)
	case "resolve-user", "reach-user", "verify-user-code":
	case "cancel-request":
		op.Errors = append(op.Errors, http.StatusNotFound, http.StatusConflict)
	default:
		op.Errors = append(op.Errors, http.StatusNotFound)
	}
	if method == http.MethodPost && id != "cancel-request" { // those have a body
		op.Errors = append(op.Errors, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return web.CIBA(op)
}

// describe says in the document how callers prove who they are.
func describe(doc *huma.OpenAPI) {
	doc.Info.Description = "For OpenID Providers. Errors are RFC 9457 problems whose member error is the CIBA code for your client. " +
		"Decisions are sent as Standard Webhooks whose data is the same object that GET returns."
	if doc.Components.SecuritySchemes == nil {
		doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{}
	}
	doc.Components.SecuritySchemes["key"] = &huma.SecurityScheme{
		Type: "http", Scheme: "bearer", Description: "The API key that mitome op key printed, or a JWT that the OP signs for this one call (RFC 7523: iss, sub, aud, exp, jti)",
	}
	doc.Components.SecuritySchemes["certificate"] = &huma.SecurityScheme{Type: "mutualTLS", Description: "A client certificate of the connection"}
}

// describeWebhook says in the document what is posted to the OP.
func describeWebhook(doc *huma.OpenAPI) {
	text := func(says string) *huma.Param {
		return &huma.Param{Name: says, In: "header", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	doc.Webhooks = map[string]*huma.PathItem{"request.decided": {Post: &huma.Operation{
		OperationID: "request-decided", Summary: "A request came to its end (Standard Webhooks 1.0.0)",
		Description: "Repeated under the same webhook-id until answered with 2xx. Verify the signature over the raw body.",
		Parameters:  []*huma.Param{text("webhook-id"), text("webhook-timestamp"), text("webhook-signature")},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {
			Schema: doc.Components.Schemas.Schema(reflect.TypeFor[webhook.Event](), true, "Event"),
		}}},
		Responses: map[string]*huma.Response{"204": {Description: "Taken"}},
	}}}
}

// oneOut is a request as its OP sees it.
type oneOut struct{ Body webhook.Representation }

// represent is r with what is known of it beside.
func (h *Handler) represent(ctx context.Context, r approval.Request) (*oneOut, error) {
	delivered, err := h.Delivered(ctx, r)
	if err != nil {
		return nil, err
	}
	return h.representAs(ctx, r, delivered)
}

// representNew is represent of a request that was made a moment ago: there is
// nothing to count yet, and the OP waits.
func (h *Handler) representNew(ctx context.Context, r approval.Request) (*oneOut, error) {
	return h.representAs(ctx, r, nil)
}

func (h *Handler) representAs(ctx context.Context, r approval.Request, delivered map[string]int) (*oneOut, error) {
	about, err := h.About(ctx, r)
	if err != nil {
		return nil, err
	}
	about.DeliveredTo = delivered
	return &oneOut{webhook.Represent(r, about)}, nil
}
