package userapi_test

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// shown is a code as a device is given it.
type shown struct {
	Token     string    `json:"login_hint_token"`
	SVG       string    `json:"svg"`
	ExpiresAt time.Time `json:"expires_at"`
	NextIn    int       `json:"next_in"`
}

// unlockCodes does what an honest phone does to show codes.
func (p *phone) unlockCodes(lies ...devicetest.Lie) answer {
	p.w.t.Helper()
	var o struct {
		Statement string          `json:"statement"`
		Options   json.RawMessage `json:"options"`
	}
	p.do("POST", p.path("/hint-tokens/challenge"), nil).want(p.w.t, 200, &o)
	if !strings.Contains(o.Statement, string(p.device.ID)) || !strings.Contains(o.Statement, "code.show") {
		p.w.t.Errorf("statement %s", o.Statement)
	}
	return p.do("POST", p.path("/hint-tokens/unlock"), map[string]json.RawMessage{"assertion": p.passkeys["corp"].Get(p.w.t, o.Options, lies...)})
}

func TestTillCode(t *testing.T) {
	w := newWorld(t)
	p, spare := w.newPhone(), w.newPhone()
	alice := p.pair("corp", "alice")
	spare.pairOwn(alice)
	spare.do("POST", spare.path("/hint-tokens/challenge"), nil).wantProblem(t, 403, "device_cooling")
	p.do("POST", spare.path("/confirm"), nil).want(t, 200, nil)

	p.do("POST", p.path("/hint-tokens"), nil).wantProblem(t, 403, "unlock_first")
	p.unlockCodes(devicetest.WithoutUV()).wantProblem(t, 403, "passkey_failed")
	p.do("POST", p.path("/hint-tokens"), nil).wantProblem(t, 403, "unlock_first")
	var grant struct {
		ExpiresAt time.Time `json:"expires_at"`
	}
	p.unlockCodes().want(t, 200, &grant)
	if left := grant.ExpiresAt.Sub(w.now()); left <= 0 || left > 5*time.Minute {
		t.Errorf("unlocked for %v", left)
	}
	var code shown
	a := p.do("POST", p.path("/hint-tokens"), nil)
	a.want(t, 201, &code)
	if len(code.Token) != 20 || code.NextIn != 30 || !strings.HasPrefix(code.SVG, "<svg ") || strings.Contains(code.SVG, code.Token) ||
		a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %+v, %v", code, a.header)
	}
	if left := code.ExpiresAt.Sub(w.now()); left <= 0 || left > time.Minute {
		t.Errorf("good for %v", left)
	}
	for _, other := range []*phone{spare, w.newPhone()} {
		if other.token == "" {
			other.pair("corp", "bob")
		}
		other.do("POST", p.path("/hint-tokens/challenge"), nil).wantProblem(t, 404, "device_not_found")
		other.do("POST", p.path("/hint-tokens"), nil).wantProblem(t, 404, "device_not_found")
	}

	r := must(w.approvals.Accept(t.Context(), approval.Ask{
		ID: approval.NewRequestID(), OP: "corp", Ref: "by code", Body: []byte("x"), HintToken: device.Secret(code.Token),
		ClientID: "till", BindingMessage: "3 EUR", ExpiresAt: w.now().Add(time.Minute),
	}, device.Actor{Kind: device.ActorOP, ID: "corp"}))(t)
	var list struct {
		Requests []struct {
			ID     string
			ByCode bool `json:"by_code"`
		}
	}
	if err := json.Unmarshal(p.do("GET", "/v1/requests", nil).body, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Requests) != 1 || list.Requests[0].ID != string(r.ID) || !list.Requests[0].ByCode {
		t.Errorf("the phone that showed it sees %+v", list)
	}
	if got := spare.list(); len(got) != 0 {
		t.Errorf("another phone sees %v", got)
	}
	spare.do("GET", "/v1/requests/"+string(r.ID), nil).wantProblem(t, 404, "request_not_found")
	spare.do("POST", "/v1/requests/"+string(r.ID)+"/decision", map[string]any{"verdict": "deny"}).wantProblem(t, 404, "request_not_found")

	w.advance(5 * time.Minute)
	p.do("POST", p.path("/hint-tokens"), nil).wantProblem(t, 403, "unlock_first")
	if logged := w.log.String(); strings.Contains(logged, code.Token) {
		t.Error("the code is in the log")
	}
	sum := sha256.Sum256([]byte(code.Token))
	if n := must(count(w, `SELECT COUNT(*) FROM hint_tokens WHERE hash = $1`, sum[:]))(t); n != 0 {
		t.Error("the code is kept as a hash that anybody can make")
	}
}

func count(w *world, query string, args ...any) (n int, err error) {
	return n, w.raw.QueryRowContext(w.t.Context(), query, args...).Scan(&n)
}

// TestCodeEndsWithSession: who signed out shows nothing more.
func TestTillCodeEndsWithSession(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	p.pair("corp", "alice")
	p.unlockCodes().want(t, 200, nil)
	if n := must(count(w, `SELECT COUNT(*) FROM hint_grants`))(t); n != 1 {
		t.Fatalf("%d grants", n)
	}
	p.do("DELETE", "/v1/session", nil)
	if n := must(count(w, `SELECT COUNT(*) FROM hint_grants`))(t); n != 0 {
		t.Errorf("%d grants are left", n)
	}
}
