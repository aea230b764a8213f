package userapi_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
)

// denyBy is a call without session, cookie or proof, as it comes from an app's
// extension or from a browser that has signed out.
func (w *world) denyBy(id approval.RequestID, body any) answer {
	w.t.Helper()
	return w.newPhone().send(call{method: "POST", path: "/v1/requests/" + string(id) + "/deny", body: body, header: http.Header{}})
}

// capability is what a push to p's device would hold.
func (p *phone) capability(r approval.Request) map[string]any {
	p.w.t.Helper()
	c := must(p.w.approvals.Capability(r.ID, p.device.ID))(p.w.t)
	return map[string]any{"capability": string(c)}
}

// TestDenyByCapability: a notification can be answered with no where there is no
// session any more, once, and nothing else follows from it.
func TestDenyByCapability(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	u := p.pair("corp", "alice")
	r, second := w.ask(u, ""), w.ask(u, "")
	good := p.capability(r)
	w.secrets = append(w.secrets, good["capability"].(string))
	p.do("DELETE", "/v1/session", nil)

	w.denyBy(second.ID, good).wantProblem(t, 404, "request_not_found")
	notMe := p.capability(r)
	notMe["not_me"] = true
	w.denyBy(r.ID, notMe).wantProblem(t, 422, "invalid_request")
	for _, path := range []string{"", "/challenge", "/decision"} {
		h := http.Header{"Authorization": {"Bearer " + good["capability"].(string)}}
		a := p.send(call{method: map[bool]string{true: "GET", false: "POST"}[path == ""], path: "/v1/requests/" + string(r.ID) + path, header: h})
		if a.status != 401 {
			t.Errorf("%s: got %s, want 401", path, a)
		}
	}
	var out struct{ ID, State string }
	w.denyBy(r.ID, good).want(t, 200, &out)
	if out.ID != string(r.ID) || out.State != "denied" {
		t.Errorf("got %+v", out)
	}
	w.denyBy(r.ID, good).wantProblem(t, 409, "request_settled")
	if still, err := w.db.Request(t.Context(), second.ID); err != nil || still.State != approval.Pending {
		t.Errorf("the other request is %s, %v", still.State, err)
	}
	if got, err := w.db.Request(t.Context(), r.ID); err != nil || got.Decision.Device != p.device.ID || got.Decision.Reason != approval.ReasonUser {
		t.Errorf("stored %+v, %v", got.Decision, err)
	}
	if bytes.Contains([]byte(w.log.String()), []byte(good["capability"].(string))) {
		t.Error("the capability is in the log")
	}
}

// TestDenyByWhatIsNone: what does not hold is answered like a request that is not
// there, word for word, and too much of it is not answered; who holds the real
// thing is let through all the same.
func TestDenyByWhatIsNone(t *testing.T) {
	w := newWorld(t)
	p, mallory := w.newPhone(), w.newPhone()
	r := w.ask(p.pair("corp", "alice"), "")
	mallory.pair("corp", "mallory")
	nothing := w.denyBy("NOSUCHREQUEST", p.capability(r))
	for name, body := range map[string]any{
		"made up":          map[string]string{"capability": "a.b.c"},
		"another device's": mallory.capability(r),
	} {
		if got := w.denyBy(r.ID, body); got.status != 404 || got.String() != nothing.String() {
			t.Errorf("%s: got %s, want %s", name, got, nothing)
		}
	}
	for _, body := range []any{"{}", map[string]string{"capability": ""}, map[string]string{"capability": strings.Repeat("a", 129)}} {
		if got := w.denyBy(r.ID, body); got.status != 422 {
			t.Errorf("%v: got %s, want 422", body, got)
		}
	}
	slow := answer{}
	for range 30 {
		slow = w.denyBy(r.ID, map[string]string{"capability": "a.b.c"})
	}
	slow.wantProblem(t, 429, "rate")
	w.denyBy(r.ID, p.capability(r)).want(t, 200, nil)
}

// TestDenyByRevoked: with the device ends what was sent to it.
func TestDenyByRevoked(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	r := w.ask(p.pair("corp", "alice"), "")
	body := p.capability(r)
	if err := w.devices.Revoke(t.Context(), p.device.ID, device.Mitome); err != nil {
		t.Fatal(err)
	}
	w.denyBy(r.ID, body).wantProblem(t, 404, "request_not_found")
}
