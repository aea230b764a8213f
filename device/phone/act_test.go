package phone_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/mitome-ciba/mitome/device/phone"
)

// toSign is what a server has a passkey sign: a hash of what was prefixed, beside
// a statement.
func toSign(statement, prefixed string) map[string]any {
	sum := sha256.Sum256([]byte(prefixed))
	return map[string]any{"statement": statement, "options": map[string]any{
		"publicKey": map[string]any{"challenge": base64.RawURLEncoding.EncodeToString(append(make([]byte, 32), sum[:]...))},
	}}
}

// TestLockSignsNothingElse: a server that asks for the passkey that stops everything
// may have something else in mind.
func TestLockSignsNothingElse(t *testing.T) {
	const honest = `{"action":"user.lock","by":{"id":"d1"}}`
	for name, tt := range map[string]struct{ statement, signed string }{
		"another act":        {`{"action":"device.lost","by":{"id":"d1"}}`, "mitome/act/v1\x00" + `{"action":"device.lost","by":{"id":"d1"}}`},
		"by another device":  {`{"action":"user.lock","by":{"id":"d2"}}`, "mitome/act/v1\x00" + `{"action":"user.lock","by":{"id":"d2"}}`},
		"another statement":  {honest, "mitome/act/v1\x00" + `{"action":"device.lost"}`},
		"a request's prefix": {honest, "mitome/tx/v1\x00" + honest},
	} {
		f := newFake(t)
		p := f.paired()
		f.route("POST /v1/devices/d1/lock/challenge", func(w http.ResponseWriter, _ *http.Request) {
			f.answer(w, 200, toSign(tt.statement, tt.signed))
		})
		if err := p.Lock("d1"); !errors.Is(err, phone.ErrChallenge) {
			t.Errorf("%s: got %v, want ErrChallenge", name, err)
		}
	}
}

// TestNotMeDeniesAnyway: whatever comes between the user and her passkey, the
// request is denied, and nothing is signed but that she did not start it.
func TestNotMeDeniesAnyway(t *testing.T) {
	const yes = `{"action":"request.approve","request":"r1"}`
	for name, challenge := range map[string]func(f *fake, w http.ResponseWriter){
		"out of order":     func(f *fake, w http.ResponseWriter) { f.answer(w, 503, map[string]any{"type": "urn:mitome:internal"}) },
		"another act":      func(f *fake, w http.ResponseWriter) { f.answer(w, 200, toSign(yes, "mitome/act/v1\x00"+yes)) },
		"what was a yes":   func(f *fake, w http.ResponseWriter) { f.answer(w, 200, toSign(yes, "mitome/tx/v1\x00"+yes)) },
		"no passkey to it": func(f *fake, w http.ResponseWriter) { f.answer(w, 200, map[string]any{}) },
	} {
		f := newFake(t)
		p := f.paired()
		f.route("POST /v1/requests/r1/not-me/challenge", func(w http.ResponseWriter, _ *http.Request) { challenge(f, w) })
		var sent map[string]any
		f.route("POST /v1/requests/r1/decision", func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			_ = json.Unmarshal(b, &sent)
			f.answer(w, 200, map[string]any{"id": "r1", "state": "denied"})
		})
		state, err := p.NotMe("r1")
		if state != "denied" || !errors.Is(err, phone.ErrDeniedOnly) {
			t.Errorf("%s: %q, %v", name, state, err)
		}
		if sent["verdict"] != "deny" || sent["not_me"] != true || sent["assertion"] != nil {
			t.Errorf("%s: sent %v", name, sent)
		}
	}
}
