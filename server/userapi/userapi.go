// Package userapi is what a user's authentication device talks to: its pairing,
// the requests that wait for it, its answers, and the socket on which it hears
// of them.
//
// # Why
//
// Every call but the first of a pairing is made by a session, and every id in a
// path is looked up through it: what is another's is answered like what is not
// there, word for word.
package userapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push/websocket"
	"github.com/mitome-ciba/mitome/server/limit"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
)

// Handler serves the device API. All exported fields are needed.
type Handler struct {
	Sessions  *session.Keeper
	Pairings  Pairings
	People    People
	Devices   Devices
	Addresses Addresses
	Channels  Channels
	Codes     Codes
	Approvals Approvals
	UserCodes UserCodes
	Quiet     QuietHours
	NotMe     Disowning
	Locks     Locks
	Unlocks   Unlocks
	Refusals  Refusals
	Sockets   Sockets
	Keys      func() ([]byte, error) // the JWKS by which evidence is verified, as JSON
	Version   string                 // for the OpenAPI document

	claims, unlocks, tests, denials limit.Network
	waiting                         waiters
}

// Pairings is what this API needs of device.Service to pair a phone.
type Pairings interface {
	Claim(ctx context.Context, c device.Claim) (device.Enrollment, error)
	ClaimedBy(ctx context.Context, id device.EnrollmentID, session string) (device.Enrollment, error)
	BeginPasskey(ctx context.Context, id device.EnrollmentID, session string) (json.RawMessage, error)
	FinishPasskey(ctx context.Context, p device.NewPasskey) (device.Device, error)
}

// People is what it needs to know of users and their devices.
type People interface {
	User(ctx context.Context, id device.UserID) (device.User, error)
	Device(ctx context.Context, id device.DeviceID) (device.Device, error)
}

// Approvals is what it needs of approval.Service.
type Approvals interface {
	Pending(ctx context.Context, w approval.Who) ([]approval.Request, error)
	Show(ctx context.Context, id approval.RequestID, w approval.Who, locale string) (approval.Shown, error)
	Challenge(ctx context.Context, id approval.RequestID, w approval.Who, locale string) (approval.ToSign, error)
	Decide(ctx context.Context, a approval.Answer) (approval.Request, error)
	DenyBy(ctx context.Context, id approval.RequestID, c approval.Secret, who device.Actor) (approval.Request, error)
	History(ctx context.Context, w approval.Who, limit int, locale string) ([]approval.Shown, error)
}

// Unlocks is what it needs of device.Service to sign in by passkey.
type Unlocks interface {
	BeginUnlock(ctx context.Context) (id string, options json.RawMessage, err error)
	Unlock(ctx context.Context, id string, assertion []byte) (device.Device, device.Assertion, error)
}

// Sockets takes over a call that becomes a WebSocket. Package push/websocket
// implements it.
type Sockets interface {
	Accept(w http.ResponseWriter, r *http.Request, c websocket.Client) error
	// Redeem returns who presents r's ticket, if a good one came with it.
	Redeem(r *http.Request) (websocket.Client, bool)
	// Join lets a session's open sockets hear of one device more.
	Join(session, device string)
	// Leave closes a session's open sockets.
	Leave(session string)
}

// Mount adds every route to group, and returns the API for its document.
func (h *Handler) Mount(engine *gin.Engine, group *gin.RouterGroup) huma.API {
	open := web.NewAPI(engine, group.Group("", h.claimant), "Mitome device API", h.Version)
	secure(open.OpenAPI())
	web.Register(open, tokenless(created("/v1/pairings/claim", "claim-pairing", "Claim an offered pairing")), h.claim)

	door := web.ShareAPI(open, engine, group.Group("", h.atDoor))
	web.Register(door, tokenless(act("/v1/session/challenge", "begin-sign-in", "Begin to sign in by passkey")), h.beginUnlock)
	web.Register(door, tokenless(act("/v1/session", "sign-in", "Sign in by passkey")), witnessed(h, "sign_in", h.unlock))

	web.Register(web.ShareAPI(open, engine, group.Group("", h.holder)), denyByCapability, h.denyBy)

	guarded := group.Group("", session.Require(h.Sessions, web.Fail))
	api := web.ShareAPI(open, engine, guarded)
	web.Register(api, read("/v1/pairings/{id}", "get-pairing", "Where a pairing stands"), h.pairing)
	web.Register(api, act("/v1/pairings/{id}/passkey/options", "begin-passkey", "Begin to make the passkey"), h.beginPasskey)
	web.Register(api, created("/v1/pairings/{id}/passkey", "finish-passkey", "Register the passkey"), witnessed(h, "pair", h.finishPasskey))
	web.Register(api, read("/v1/requests", "list-requests", "Requests that wait for the caller"), h.listRequests)
	web.Register(api, read("/v1/requests/{id}", "get-request", "One request"), h.request)
	web.Register(api, act("/v1/requests/{id}/challenge", "begin-approval", "Begin to approve"), h.challenge)
	web.Register(api, act("/v1/requests/{id}/decision", "decide", "Approve or deny"), h.decide)
	web.Register(api, read("/v1/history", "list-history", "The last requests that are over"), h.history)
	web.Register(api, operation(http.MethodDelete, "/v1/session", "sign-out", "End this session"), h.signOut)
	web.Register(web.ShareAPI(open, engine, guarded.Group("", patient)),
		read("/v1/requests/wait", "wait-for-requests", "Wait until what waits for the caller changes"), h.wait)
	h.mountDevices(api)
	h.mountUserCodes(api)
	h.mountQuiet(api)
	h.mountAddresses(api)
	h.mountCodes(api)
	h.mountGuards(api)

	group.Group("", arrived, h.returning, session.Require(h.Sessions, web.Fail)).GET("/v1/socket", web.Handle(h.socket))
	group.GET("/.well-known/jwks.json", web.Handle(h.jwks))
	return open
}

// read, act and created say what kind of operation stands at a path.
func read(path, id, summary string) huma.Operation {
	return operation(http.MethodGet, path, id, summary)
}

func act(path, id, summary string) huma.Operation {
	return operation(http.MethodPost, path, id, summary)
}

func created(path, id, summary string) huma.Operation {
	op := act(path, id, summary)
	op.DefaultStatus = http.StatusCreated
	return op
}

func operation(method, path, id, summary string) huma.Operation {
	return huma.Operation{
		Method: method, OperationID: id, Path: path, Summary: summary,
		Security: []map[string][]string{{"dpop": {}}},
	}
}

// tokenless is op for those who have no session yet; the document must not say
// that they need one.
func tokenless(op huma.Operation) huma.Operation {
	op.Security = []map[string][]string{}
	return op
}

// secure says in the document how callers prove who they are.
func secure(doc *huma.OpenAPI) {
	if doc.Components.SecuritySchemes == nil {
		doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{}
	}
	doc.Components.SecuritySchemes["dpop"] = &huma.SecurityScheme{
		Type: "http", Scheme: "DPoP",
		Description: "RFC 9449: Authorization: DPoP <token>, and a DPoP header with a proof (ES256, with ath). " +
			"The claim of a pairing needs the proof only.",
	}
}

// who is the caller in the words of package approval.
func who(ctx context.Context) approval.Who {
	s, _ := session.From(ctx)
	return approval.Who{Devices: s.Devices, Actor: device.Actor{IP: web.IP(ctx)}}
}

// phone is the caller in the course of pairing.
func phone(ctx context.Context) device.Actor {
	return device.Actor{Kind: device.ActorPhone, IP: web.IP(ctx)}
}

// sessionID is the caller's session.
func sessionID(ctx context.Context) string {
	s, _ := session.From(ctx)
	return string(s.ID)
}

// jwks publishes the keys of evidence. It is the one answer that may be kept:
// auditors fetch it, and no secret is in it.
func (h *Handler) jwks(c *gin.Context) error {
	keys, err := h.Keys()
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "public, max-age=300")
	c.Data(http.StatusOK, "application/jwk-set+json", keys)
	return nil
}
