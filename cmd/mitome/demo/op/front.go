package op

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// contextKey is where a request's request_context travels to the hook.
type contextKey struct{}

func contextOf(ctx context.Context) map[string]any {
	c, _ := ctx.Value(contextKey{}).(map[string]any)
	return c
}

// frontBackchannel reads what go-oidc does not, and goes on.
func (o *OP) frontBackchannel(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	raw := r.PostFormValue("request_context")
	if signed := r.PostFormValue("request"); signed != "" {
		raw = contextInside(signed)
	}
	if raw != "" {
		var object map[string]any
		if err := json.Unmarshal([]byte(raw), &object); err != nil || object == nil {
			fail(w, "invalid_request", "request_context is not a JSON object")
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), contextKey{}, object))
	}
	o.oidc.ServeHTTP(w, r)
}

// contextInside reads the request_context of a signed request. It is not
// verified here: go-oidc does that before it calls the hook, which is where the
// value is used.
func contextInside(signed string) string {
	parts := strings.Split(signed, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Context json.RawMessage `json:"request_context"`
	}
	_ = json.Unmarshal(payload, &claims) // go-oidc refuses what this cannot read
	return string(claims.Context)
}

// frontToken slows down a client that asks too often. It goes by auth_req_id
// alone, which nobody but the client has. Calls take turns, because go-oidc would
// redeem the same auth_req_id for each of two that come together.
func (o *OP) frontToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if id := r.PostFormValue("auth_req_id"); id != "" && o.desk.tooFast(id, time.Now()) {
		fail(w, "slow_down", "asked again before the interval was over")
		return
	}
	o.desk.turn.Lock()
	defer o.desk.turn.Unlock()
	o.oidc.ServeHTTP(w, r)
}

// fail answers as OAuth does.
func fail(w http.ResponseWriter, code, description string) {
	body, _ := json.Marshal(map[string]string{"error": code, "error_description": description}) // strings always marshal
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(body)
}
