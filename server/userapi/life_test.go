package userapi_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// TestPairing is a pairing as the phone sees it, from the QR code to the device.
func TestPairing(t *testing.T) {
	w := newWorld(t)
	_, offer := w.offer("corp", "alice")
	p := w.newPhone()
	c := p.claim(offer)
	if c.State != "claimed" || len(c.MatchCode) != 6 || c.TokenType != "DPoP" || len(c.AccessToken) != 43 ||
		!c.ExpiresAt.After(w.now()) || c.ExpiresAt.Location() != time.UTC {
		t.Errorf("claim: %+v", c)
	}
	path := "/v1/pairings/" + c.ID
	p.do("POST", path+"/passkey/options", nil).wantProblem(t, 409, "pairing_step")
	p.do("POST", path+"/passkey", map[string]any{"credential": map[string]any{}}).wantProblem(t, 409, "pairing_step")

	by := device.Actor{Kind: device.ActorAdmin, ID: "root"}
	if _, err := w.devices.Confirm(t.Context(), device.EnrollmentID(c.ID), c.MatchCode, by); err != nil {
		t.Fatal(err)
	}
	var state claimed
	p.do("GET", path, nil).want(t, 200, &state)
	if state.State != "confirmed" || state.MatchCode != c.MatchCode || state.AccessToken != "" {
		t.Errorf("state: %+v", state)
	}
	out := p.finish("corp", c.ID)
	if out.Device.Name != "Pixel" || out.Device.OP != "corp" || out.Device.UserName != "ALICE" {
		t.Errorf("device: %+v", out)
	}
	p.do("POST", path+"/passkey/options", nil).wantProblem(t, 410, "pairing_over")
	var list struct{ Devices []json.RawMessage }
	p.do("GET", "/v1/devices", nil).want(t, 200, &list)
	if len(list.Devices) != 1 || !strings.Contains(string(list.Devices[0]), out.Device.ID) {
		t.Errorf("devices: %s", list.Devices)
	}
	// The secret is spent: whoever saw the QR code comes too late.
	w.newPhone().do("POST", "/v1/pairings/claim", map[string]string{"secret": string(offer.Secret), "device_name": "x"}).
		wantProblem(t, 404, "pairing_not_found")
}

// TestClaimMakesNoSessionInVain: trying secrets fills no table.
func TestClaimMakesNoSessionInVain(t *testing.T) {
	w := newWorld(t)
	before := w.dump()
	w.newPhone().do("POST", "/v1/pairings/claim", map[string]string{"secret": "AAAA", "device_name": "x"}).
		wantProblem(t, 404, "pairing_not_found")
	if after := w.dump(); after != before {
		t.Errorf("something was stored:\n%s", after)
	}
}

// TestSeveralConnections: one session stands for a device at each of two OPs.
func TestSeveralConnections(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	alice := p.pair("corp", "alice")
	token := p.token
	bob := p.pair("bank", "bob")
	if p.token != token {
		t.Error("the second claim made another session")
	}
	var list struct {
		Devices []struct {
			OP string `json:"op"`
		} `json:"devices"`
	}
	if err := json.Unmarshal(p.do("GET", "/v1/devices", nil).body, &list); err != nil || len(list.Devices) != 2 {
		t.Errorf("devices: %v %+v", err, list)
	}
	one, two := w.ask(alice, ""), w.ask(bob, "")
	if got, want := p.list(), sorted(one.ID, two.ID); !slices.Equal(got, want) {
		t.Errorf("requests: %v, want %v", got, want)
	}
	p.approve(one.ID, "corp", "").want(t, 200, nil)
	p.approve(two.ID, "bank", "").want(t, 200, nil)
}

func sorted(ids ...approval.RequestID) (out []string) {
	for _, id := range ids {
		out = append(out, string(id))
	}
	return slices.Sorted(slices.Values(out))
}

// approve does what an honest phone does.
func (p *phone) approve(id approval.RequestID, op, code string, lies ...devicetest.Lie) answer {
	p.w.t.Helper()
	var o options
	path := "/v1/requests/" + string(id)
	p.do("POST", path+"/challenge", nil).want(p.w.t, 200, &o)
	in := map[string]any{"verdict": "approve", "assertion": json.RawMessage(p.passkeys[op].Get(p.w.t, o.Options, lies...))}
	if code != "" {
		in["user_code"] = code
	}
	return p.do("POST", path+"/decision", in)
}

func TestDecision(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	alice := p.pair("corp", "alice")
	tests := []struct {
		name    string
		decide  func(id approval.RequestID) answer
		state   string
		verdict string
		reason  approval.Reason
		how     string
	}{
		{"approve", func(id approval.RequestID) answer { return p.approve(id, "corp", "") }, "approved", "approve", "", "passkey"},
		{"deny", func(id approval.RequestID) answer {
			return p.do("POST", "/v1/requests/"+string(id)+"/decision", map[string]any{"verdict": "deny"})
		}, "denied", "deny", approval.ReasonUser, "device"},
		{"not me", func(id approval.RequestID) answer {
			return p.do("POST", "/v1/requests/"+string(id)+"/decision", map[string]any{"verdict": "deny", "not_me": true})
		}, "denied", "deny", approval.ReasonNotMe, "device"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := w.ask(alice, "")
			path := "/v1/requests/" + string(r.ID)
			if !slices.Contains(p.list(), string(r.ID)) {
				t.Error("it is not on the list")
			}
			var state struct{ ID, State string }
			tt.decide(r.ID).want(t, 200, &state)
			if state.ID != string(r.ID) || state.State != tt.state {
				t.Errorf("got %+v, want %s", state, tt.state)
			}
			if slices.Contains(p.list(), string(r.ID)) {
				t.Error("it is still on the list")
			}
			var one request
			p.do("GET", path, nil).want(t, 200, &one)
			if one.State != tt.state || one.Decision == nil || one.Decision.Verdict != tt.verdict || one.Decision.DeviceName != "Pixel" {
				t.Errorf("shown as %+v", one)
			}
			if d := one.Decision; d.How != tt.how || d.Reason != string(tt.reason) || !d.This {
				t.Errorf("decided as %+v, want %s by this device", d, tt.how)
			}
			stored := must(w.db.Request(t.Context(), r.ID))(t)
			if stored.Decision.Reason != tt.reason || stored.Decision.Device != p.device.ID {
				t.Errorf("stored %+v", stored.Decision)
			}
			p.do("POST", path+"/decision", map[string]any{"verdict": "deny"}).wantProblem(t, 409, "request_settled")
			p.do("POST", path+"/challenge", nil).wantProblem(t, 409, "request_settled")
		})
	}
}

// TestView: what is listed, shown and to be signed is the same text, to the
// byte, in the language that was asked for.
func TestView(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	r := w.ask(p.pair("corp", "alice"), "")
	for lang, locale := range map[string]string{"ja-JP,ja;q=0.9,en;q=0.5": "ja", "de": "en", "": "en", "x;q=;;": "en"} {
		get := func(method, path string) answer {
			h := p.headers(method, path)
			h.Set("Accept-Language", lang)
			return p.send(call{method: method, path: path, header: h})
		}
		var list requests
		get("GET", "/v1/requests").want(t, 200, &list)
		var one request
		get("GET", "/v1/requests/"+string(r.ID)).want(t, 200, &one)
		var o options
		get("POST", "/v1/requests/"+string(r.ID)+"/challenge").want(t, 200, &o)
		var view struct{ Locale, Request string }
		if err := json.Unmarshal([]byte(one.View), &view); err != nil || view.Locale != locale || view.Request != string(r.ID) {
			t.Errorf("%q: %v %+v", lang, err, view)
		}
		if len(list.Requests) != 1 || list.Requests[0].View != one.View || o.View != one.View {
			t.Errorf("%q: the views differ", lang)
		}
	}
}

func TestCode(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	alice := p.pair("corp", "alice")
	r := w.ask(alice, "483920")
	path := "/v1/requests/" + string(r.ID) + "/decision"
	p.approve(r.ID, "corp", "").wantProblem(t, 400, "user_code_missing")
	wrong := p.approve(r.ID, "corp", "000000")
	wrong.wantProblem(t, 403, "user_code_wrong")
	if !strings.Contains(string(wrong.body), `"tries_left":4`) {
		t.Errorf("got %v, want 4 tries left", wrong)
	}
	// An approval that could not be right is refused before it costs a try.
	p.do("POST", path, map[string]any{"verdict": "approve", "user_code": "000000"}).wantProblem(t, 422, "invalid_request")
	if tries := must(w.db.Request(t.Context(), r.ID))(t).Code.Tries; tries != 1 {
		t.Errorf("%d tries charged, want 1", tries)
	}
	p.approve(r.ID, "corp", "483-920").want(t, 200, nil)
	var one request
	p.do("GET", "/v1/requests/"+string(r.ID), nil).want(t, 200, &one)
	if d := one.Decision; d == nil || d.How != "passkey_and_code" {
		t.Errorf("decided as %+v", d)
	}
	last := w.ask(alice, "111111")
	for range approval.MaxCodeTries - 1 {
		p.approve(last.ID, "corp", "222222").wantProblem(t, 403, "user_code_wrong")
	}
	p.approve(last.ID, "corp", "222222").wantProblem(t, 403, "user_code_locked")
	var locked request
	p.do("GET", "/v1/requests/"+string(last.ID), nil).want(t, 200, &locked)
	if d := locked.Decision; d == nil || d.How != "mitome" || d.DeviceName != "" || d.This {
		t.Errorf("locked, and decided as %+v", d)
	}
	late := p.approve(w.ask(alice, "333333").ID, "corp", "333333")
	late.wantProblem(t, 429, "user_code_wait")
	if late.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// TestNothingIsACapability: knowing a request's id, or even its challenge and
// view, approves nothing without the passkey of the right device.
func TestNothingIsACapability(t *testing.T) {
	w := newWorld(t)
	p, mallory := w.newPhone(), w.newPhone()
	alice := p.pair("corp", "alice")
	mallory.pair("corp", "mallory")
	r := w.ask(alice, "")
	path := "/v1/requests/" + string(r.ID)
	var o options
	p.do("POST", path+"/challenge", nil).want(t, 200, &o)
	theirs := json.RawMessage(mallory.passkeys["corp"].Get(t, o.Options))
	mallory.do("POST", path+"/decision", map[string]any{"verdict": "approve", "assertion": theirs}).
		wantProblem(t, 404, "request_not_found")
	mallory.do("POST", path+"/decision", map[string]any{"verdict": "deny"}).wantProblem(t, 404, "request_not_found")
	p.do("POST", path+"/decision", map[string]any{"verdict": "approve", "assertion": theirs}).
		wantProblem(t, 403, "passkey_failed")
	p.do("POST", path+"/decision", map[string]any{"verdict": "approve", "assertion": map[string]any{}}).
		wantProblem(t, 403, "passkey_failed")
	p.approve(r.ID, "corp", "", devicetest.WithoutUV()).wantProblem(t, 403, "passkey_failed")
	if got := must(w.db.Request(t.Context(), r.ID))(t).State; got != approval.Pending {
		t.Fatalf("state %s", got)
	}
	p.approve(r.ID, "corp", "").want(t, 200, nil)
}

func TestExpired(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	r := w.ask(p.pair("corp", "alice"), "")
	w.advance(61 * time.Minute)
	path := "/v1/requests/" + string(r.ID)
	p.do("POST", path+"/challenge", nil).wantProblem(t, 410, "request_expired")
	p.do("POST", path+"/decision", map[string]any{"verdict": "deny"}).wantProblem(t, 410, "request_expired")
	var one request
	p.do("GET", path, nil).want(t, 200, &one)
	if one.State != "expired" || one.Decision != nil || len(p.list()) != 0 {
		t.Errorf("got %+v", one)
	}
}

// TestRevokedDevice: a revocation holds from the next call on.
func TestRevokedDevice(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	r := w.ask(p.pair("corp", "alice"), "")
	if err := w.devices.Revoke(t.Context(), p.device.ID, device.Actor{Kind: device.ActorAdmin}); err != nil {
		t.Fatal(err)
	}
	if got := p.list(); len(got) != 0 {
		t.Errorf("still listed: %v", got)
	}
	path := "/v1/requests/" + string(r.ID)
	p.do("GET", path, nil).wantProblem(t, 404, "request_not_found")
	p.do("POST", path+"/decision", map[string]any{"verdict": "deny"}).wantProblem(t, 404, "request_not_found")
	p.do("GET", "/v1/socket", nil).wantProblem(t, 403, "no_device")
	if got := must(w.db.Request(t.Context(), r.ID))(t).State; got != approval.Pending {
		t.Errorf("state %s", got)
	}
}

// TestActor: the log of a decision says where the call came from.
func TestActor(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	r := w.ask(p.pair("corp", "alice"), "")
	p.do("POST", "/v1/requests/"+string(r.ID)+"/decision", map[string]any{"verdict": "deny"}).want(t, 200, nil)
	var decided bool
	for _, line := range w.rows(`SELECT * FROM audit`) {
		decided = decided || strings.Contains(line, "request.denied") && strings.Contains(line, "127.0.0.1") &&
			strings.Contains(line, string(p.device.ID))
	}
	if !decided {
		t.Error("no row of the log names the device and its address")
	}
}

// TestClaimRate: one network may try only so often, paired or not.
func TestClaimRate(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	var a answer
	for range 25 {
		if a = p.do("POST", "/v1/pairings/claim", map[string]string{"secret": "AAAA", "device_name": "x"}); a.status == 429 {
			break
		}
	}
	a.wantProblem(t, 429, "rate")
	if a.header.Get("Retry-After") != "3" {
		t.Errorf("Retry-After %q, want 3", a.header.Get("Retry-After"))
	}
	w.advance(4 * time.Second)
	if a = p.do("POST", "/v1/pairings/claim", map[string]string{"secret": "AAAA", "device_name": "x"}); a.status != http.StatusNotFound {
		t.Errorf("after the wait: %v", a)
	}
}
