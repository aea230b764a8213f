package keycloak

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/device"
)

// Bounds of a body. Keycloak itself forwards at most five further parameters of
// 200 characters.
const (
	maxBody       = 64 << 10
	maxExtras     = 16
	maxExtraName  = 64
	maxExtraValue = 4 << 10
)

// hintUsername is the kind of hint that Keycloak gives: the user name, whatever
// the client itself sent.
const hintUsername = "username"

// Receive implements op.Adapter. It looks at the body only once the token has
// proved that Keycloak sent it.
func (a *Adapter) Receive(r *http.Request) (approval.Ask, error) {
	if !a.knowsSecret(r) {
		return approval.Ask{}, fmt.Errorf("%w: wrong request secret", op.ErrUnauthentic)
	}
	bearer, c, err := a.authenticate(r)
	if err != nil {
		return approval.Ask{}, err
	}
	ask, err := readBody(r)
	if err != nil {
		return approval.Ask{}, fmt.Errorf("%w: %w", op.ErrMalformed, err)
	}
	ask.Ref, ask.Handle = c.ID, approval.Secret(bearer)
	ask.Subject.Sub, ask.ClientID = c.Subject, c.Client
	ask.ExpiresAt, ask.Guard, ask.ReportsRefusals = a.deadline(c), a.cfg.Guard, true
	if !ask.ExpiresAt.After(a.now()) {
		return approval.Ask{}, fmt.Errorf("%w: its time is over already", op.ErrMalformed)
	}
	return ask, nil
}

// knowsSecret compares hashes, so that neither content nor length can be found
// out by timing.
func (a *Adapter) knowsSecret(r *http.Request) bool {
	if a.cfg.RequestSecret == "" {
		return true
	}
	got := sha256.Sum256([]byte(r.URL.Query().Get("token")))
	want := sha256.Sum256([]byte(a.cfg.RequestSecret))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// readBody reads what Keycloak says besides its token.
func readBody(r *http.Request) (approval.Ask, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return approval.Ask{}, errors.New("body is not JSON")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return approval.Ask{}, errors.New("body broke off")
	case len(body) > maxBody:
		return approval.Ask{}, errors.New("body is too large")
	case !utf8.Valid(body): // encoding/json would replace what it cannot read, and the user would read that
		return approval.Ask{}, errors.New("body is not UTF-8")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return approval.Ask{}, errors.New("body is not a JSON object")
	}
	return readFields(body, fields)
}

// readFields takes Keycloak's own fields out of fields; what remains are the
// client's own parameters, kept as they came.
func readFields(body []byte, fields map[string]json.RawMessage) (approval.Ask, error) {
	var hint, scope, acr string
	ask := approval.Ask{Body: body}
	// Keycloak trusts us to have shown the scopes when it asks for consent. They
	// are always shown, so whether it asks makes no difference.
	var consent bool
	for name, into := range map[string]any{
		"login_hint": &hint, "scope": &scope, "acr_values": &acr,
		"binding_message": &ask.BindingMessage, "is_consent_required": &consent,
	} {
		raw, ok := fields[name]
		delete(fields, name)
		if ok && json.Unmarshal(raw, into) != nil { // null leaves the zero value
			return approval.Ask{}, fmt.Errorf("%s is of the wrong type", name)
		}
	}
	if err := checkExtras(fields); err != nil {
		return approval.Ask{}, err
	}
	if hint != "" {
		ask.Subject.Hint = device.Hint{Kind: hintUsername, Value: hint}
	}
	ask.Scope, ask.ACRValues = strings.Fields(scope), strings.Fields(acr)
	if len(fields) > 0 {
		ask.Context = fields
	}
	return ask, nil
}

// checkExtras refuses what is too much. Dropping it in silence would have the
// user approve something that was not shown.
func checkExtras(extras map[string]json.RawMessage) error {
	if len(extras) > maxExtras {
		return errors.New("too many parameters")
	}
	for name, raw := range extras {
		if name == "" || len(name) > maxExtraName || len(raw) > maxExtraValue {
			return errors.New("a parameter is too long")
		}
		if bytes.ContainsFunc([]byte(name), func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return errors.New("a parameter has a name that cannot be shown")
		}
	}
	return nil
}

// Reply implements op.Adapter. Keycloak takes 201 for a yes and everything else
// for a fault of its device; the bodies are for whoever reads its log.
func (a *Adapter) Reply(w http.ResponseWriter, _ approval.Ask, _ approval.Request, err error) {
	switch {
	case err == nil:
		// Said expressly, because a flush would otherwise begin a chunked body
		// whose end leaves only with the handler's.
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusCreated)
	case errors.Is(err, op.ErrUnauthentic):
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		refuse(w, http.StatusUnauthorized, "invalid_token")
	case errors.Is(err, op.ErrMalformed):
		refuse(w, http.StatusBadRequest, "invalid_request")
	case errors.Is(err, approval.ErrRefReused):
		refuse(w, http.StatusConflict, "invalid_request")
	default:
		refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable")
	}
}

// refuse writes an error in the manner of RFC 6749 §5.2. The word is all it says.
func refuse(w http.ResponseWriter, status int, word string) {
	body := `{"error":"` + word + `"}`
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	io.WriteString(w, body) // whoever asked hears it or does not; the caller looks at the flush
}
