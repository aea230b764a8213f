package approval_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
)

// caller is where a call by a capability comes from: nobody by name.
var caller = device.Actor{IP: netip.MustParseAddr("192.0.2.7")}

// capability is what the notification of request r on p would hold.
func (w *world) capability(t *testing.T, r approval.Request, p phone) approval.Secret {
	t.Helper()
	c, err := w.Capability(r.ID, p.ID)
	fatal(t, err)
	return c
}

// TestDenyBy: a capability denies its request as its device, once.
func TestDenyBy(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	u := w.user(t, "aiko")
	p, other := w.pair(t, u), w.pair(t, u)
	r := w.accept(t, w.asks("aiko"))
	w.jobs(t, r.ID)
	c := w.capability(t, r, p)
	if again := w.capability(t, r, p); again != c {
		t.Error("a retry of the push brings another capability")
	}
	if text := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(text, string(p.ID)) {
		t.Errorf("it prints as %s", text)
	}
	got, err := w.DenyBy(t.Context(), r.ID, c, caller)
	fatal(t, err)
	d := got.Decision
	if got.State != approval.Denied || d.Reason != approval.ReasonUser || d.Device != p.ID || !d.ByCapability || w.state(t, r.ID) != approval.Denied {
		t.Errorf("got %s, %+v", got.State, d)
	}
	if jobs := w.jobs(t, r.ID); jobs["report"] != 1 || jobs["clear"] != 2 {
		t.Errorf("jobs %v, want the OP told and both phones cleared", jobs)
	}
	if st := w.statement(t, r.ID); st.Device.ID != p.ID || !st.Decision.ByCapability || st.Assertion != nil {
		t.Errorf("evidence says %+v", st.Decision)
	}
	for name, c := range map[string]approval.Secret{"the same": c, "the other phone's": w.capability(t, r, other)} {
		_, err = w.DenyBy(t.Context(), r.ID, c, caller)
		is(t, name+" afterwards", err, approval.ErrSettled)
	}
}

// TestDenyByNothingElse: whatever is not the capability of this request, and of a
// device that may decide now, is no right to anything.
func TestDenyByNothingElse(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	u, stranger := w.user(t, "aiko"), w.user(t, "mallory")
	p, other, revoked, theirs := w.pair(t, u), w.pair(t, u), w.pair(t, u), w.pair(t, stranger)
	fatal(t, w.people.Revoke(t.Context(), revoked.ID, device.Mitome))
	r, second := w.accept(t, w.asks("aiko")), w.accept(t, w.asks("aiko"))
	good := string(w.capability(t, r, p))
	parts := strings.Split(good, ".")
	change := func(i int, to string) approval.Secret {
		n := append([]string{}, parts...)
		n[i] = to
		return approval.Secret(strings.Join(n, "."))
	}
	flipped := map[bool]string{true: "B", false: "A"}[parts[2][0] == 'A'] + parts[2][1:]
	for name, c := range map[string]approval.Secret{
		"nothing":                        "",
		"of the other request":           w.capability(t, second, p),
		"of a revoked device":            w.capability(t, r, revoked),
		"of another user's device":       w.capability(t, r, theirs),
		"in her other device's name":     change(0, string(other.ID)),
		"in a stranger's device's name":  change(0, string(theirs.ID)),
		"in nobody's name":               change(0, ""),
		"under no key":                   change(1, ""),
		"under an unknown key":           change(1, "zzzzzzzz"),
		"one bit off":                    change(2, flipped),
		"cut short":                      change(2, parts[2][:20]),
		"without its MAC":                change(2, ""),
		"not base64":                     change(2, "****"),
		"too long":                       approval.Secret(good + ".more"),
		"the id of the request":          approval.Secret(r.ID),
		"the id of the request as a MAC": change(2, string(r.ID)),
	} {
		got, err := w.DenyBy(t.Context(), r.ID, c, caller)
		is(t, name, err, approval.ErrNotFound)
		if got.State != "" || w.state(t, r.ID) != approval.Pending {
			t.Errorf("%s: the request is %q, said %q", name, w.state(t, r.ID), got.State)
		}
	}
	_, err := w.DenyBy(t.Context(), "NOSUCH", w.capability(t, approval.Request{ID: "NOSUCH"}, p), caller)
	is(t, "a request that is not there", err, approval.ErrNotFound)
	w.now = w.now.Add(time.Hour)
	_, err = w.DenyBy(t.Context(), r.ID, approval.Secret(good), caller)
	is(t, "a request that has expired", err, approval.ErrExpired)
}

// TestDenyByRevoked: a capability ends with its device, whatever others there are.
func TestDenyByRevoked(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	u := w.user(t, "aiko")
	p := w.pair(t, u)
	r := w.accept(t, w.asks("aiko"))
	c := w.capability(t, r, p)
	fatal(t, w.people.Revoke(t.Context(), p.ID, device.Mitome))
	w.pair(t, u)
	_, err := w.DenyBy(t.Context(), r.ID, c, caller)
	is(t, "revoked after the push", err, approval.ErrNotFound)
}
