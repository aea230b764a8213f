package op

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// contextKey is where a request's request_context travels to the hook.
type contextKey struct{}

func contextOf(ctx context.Context) map[string]any {
	c, _ := ctx.Value(contextKey{}).(map[string]any)
	return c
}

// frontBackchannel looks at what go-oidc does not, and goes on.
func (o *OP) frontBackchannel(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		fail(w, "invalid_request", "the body is not a form")
		return
	}
	if fault := amiss(r.PostForm); fault != "" {
		fail(w, "invalid_request", fault)
		return
	}
	if raw := contextOfForm(r.PostForm); raw != "" {
		object, ok := contextObject([]byte(raw))
		if !ok {
			fail(w, "invalid_request", "request_context is not a JSON object")
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), contextKey{}, object))
	}
	o.oidc.ServeHTTP(w, r)
}

// contextObject reads a request_context, which some clients write as a string
// that holds the object.
func contextObject(raw []byte) (object map[string]any, ok bool) {
	var inside string
	if json.Unmarshal(raw, &inside) == nil {
		raw = []byte(inside)
	}
	err := json.Unmarshal(raw, &object)
	return object, err == nil && object != nil
}

// frontToken refuses a client that is pushed to, and slows down one that asks too
// often, after go-oidc has found that it is this client's to ask, so that nobody
// slows down another. Calls take turns, because go-oidc would redeem the same
// auth_req_id for each of two that come together.
func (o *OP) frontToken(w http.ResponseWriter, r *http.Request) {
	id := r.PostFormValue("auth_req_id")
	o.desk.turn.Lock()
	defer o.desk.turn.Unlock()
	answer := &heldAnswer{header: http.Header{}}
	o.oidc.ServeHTTP(answer, r)
	switch pending := answer.says("authorization_pending"); {
	case pending && o.pushes(r.Context(), id): // for go-oidc it is one more that waits
		fail(w, "unauthorized_client", "tokens are pushed to this client")
	case pending && o.desk.tooFast(id, time.Now()):
		fail(w, "slow_down", "asked again before the interval was over")
	default:
		answer.send(w)
	}
}

// pushes says whether the client that made a request is one in push mode, which
// may not ask for tokens (CIBA Core §11).
func (o *OP) pushes(ctx context.Context, authReqID string) bool {
	s, err := o.desk.SessionByAuthReqID(ctx, authReqID)
	return err == nil && slices.ContainsFunc(o.conf.Clients, func(c Client) bool {
		return c.ID == s.ClientID && c.Mode == rp.Push
	})
}

// heldAnswer is an answer that is looked at before it goes out.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *heldAnswer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *heldAnswer) WriteHeader(status int) { a.status = cmp.Or(a.status, status) }

// Write implements http.ResponseWriter.
func (a *heldAnswer) Write(p []byte) (int, error) { return a.body.Write(p) }

// says reports whether the answer is this error of OAuth.
func (a *heldAnswer) says(code string) bool {
	var body struct {
		Error string `json:"error"`
	}
	return a.status >= http.StatusBadRequest && json.Unmarshal(a.body.Bytes(), &body) == nil && body.Error == code
}

func (a *heldAnswer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(cmp.Or(a.status, http.StatusOK))
	_, _ = w.Write(a.body.Bytes())
}

// fail answers as OAuth does.
func fail(w http.ResponseWriter, code, description string) {
	body, _ := json.Marshal(map[string]string{"error": code, "error_description": description}) // strings always marshal
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(body)
}
