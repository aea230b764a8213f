package phone_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
)

func TestCode(t *testing.T) {
	m := newMitome(t)
	p := must(phone.Open(must(softkey.Open(filepath.Join(t.TempDir(), "keys")))(t), m.url))(t)
	t.Cleanup(p.Close)
	p.Hurry()
	u := m.pair(p, "corp")
	id := must(p.Devices())(t).Get(0).ID
	if _, err := p.NextCode(id); phone.ProblemOf(err) == nil || phone.ProblemOf(err).Type != "urn:mitome:unlock_first" {
		t.Errorf("before it was unlocked: %v", err)
	}
	until := must(time.Parse(time.RFC3339, must(p.UnlockCodes(id))(t)))(t)
	if left := time.Until(until); left <= 0 || left > device.HintGrantLife {
		t.Errorf("unlocked for %v", left)
	}
	c := must(p.NextCode(id))(t)
	if !regexp.MustCompile(`^[0-9]{20}$`).MatchString(c.Digits) || c.NextIn != 30 || c.ExpiresAt == "" {
		t.Errorf("got %+v", *c)
	}
	if text := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(text, c.Digits) {
		t.Errorf("it prints as %s", text)
	}
	r := must(m.approvals.Accept(t.Context(), approval.Ask{
		ID: approval.NewRequestID(), OP: u.OP, Ref: "r", Body: []byte("r"), HintToken: device.Secret(c.Digits),
		ClientID: "till", BindingMessage: "3 EUR", ExpiresAt: time.Now().Add(time.Hour),
	}, device.Actor{Kind: device.ActorOP, ID: u.OP}))(t)
	if l := must(p.List())(t); l.Len() != 1 || l.Get(0).ID != string(r.ID) || !l.Get(0).ByCode {
		t.Errorf("it sees %d requests", l.Len())
	}
	if state := must(p.Approve(string(r.ID), ""))(t); state != "approved" {
		t.Errorf("it is %s", state)
	}
	for _, other := range []string{"none", "../devices"} {
		if _, err := p.UnlockCodes(other); phone.ProblemOf(err) == nil || phone.ProblemOf(err).Status != 404 {
			t.Errorf("%s: %v", other, err)
		}
	}
}

// TestCodeSignsNothingElse: a server that asks for a code's passkey may have
// something else in mind.
func TestCodeSignsNothingElse(t *testing.T) {
	const honest = `{"action":"code.show","device":{"id":"d1"}}`
	for name, tt := range map[string]struct{ statement, signed string }{
		"another act":        {`{"action":"device.lost","device":{"id":"d1"}}`, "mitome/act/v1\x00" + `{"action":"device.lost","device":{"id":"d1"}}`},
		"another device":     {`{"action":"code.show","device":{"id":"d2"}}`, "mitome/act/v1\x00" + `{"action":"code.show","device":{"id":"d2"}}`},
		"no statement":       {"", "mitome/act/v1\x00"},
		"another statement":  {honest, "mitome/act/v1\x00" + `{"action":"device.lost"}`},
		"a request's prefix": {honest, "mitome/tx/v1\x00" + honest},
	} {
		f := newFake(t)
		p := f.paired()
		f.route("POST /v1/devices/d1/hint-tokens/challenge", func(w http.ResponseWriter, _ *http.Request) {
			sum := sha256.Sum256([]byte(tt.signed))
			f.answer(w, 200, map[string]any{"statement": tt.statement, "options": map[string]any{
				"publicKey": map[string]any{"challenge": base64.RawURLEncoding.EncodeToString(append(make([]byte, 32), sum[:]...))},
			}})
		})
		if _, err := p.UnlockCodes("d1"); !errors.Is(err, phone.ErrChallenge) {
			t.Errorf("%s: got %v, want ErrChallenge", name, err)
		}
	}
}
