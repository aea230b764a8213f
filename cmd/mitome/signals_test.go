package main_test

import (
	"bytes"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// risk is the event of CAEP that says it.
const risk = "https://schemas.openid.net/secevent/caep/event-type/risk-level-change"

// TestNotMeToTheEnd: a user says that she did not start a request. Its OP hears no,
// the client's other request ends, it may not ask again and learns nothing from
// that, and the operator is told by both ways, however often it takes.
func TestNotMeToTheEnd(t *testing.T) {
	t.Parallel()
	w := newSignalWorld(t)
	alice := w.pair(t, "s-1", "alice")
	w.to.set("/set", true)
	first, second := w.asks(t, "corp", "s-1", "till"), w.asks(t, "corp", "s-1", "till")
	other := w.asks(t, "corp", "s-1", "bank")
	alice.do(t, "deny", first, "--not-me")
	for request, want := range map[string]string{
		first: "denied not_started_by_user", second: "denied not_started_by_user", other: "pending",
	} {
		check(t, "the OP hears", w.hears(t, request), want)
	}
	w.unknown(t, "corp", "s-1", "till")
	w.asks(t, "corp", "s-1", "bank")

	e := w.to.posted(t, w.to.taken(t, "/hook", 1)[0])
	if d := e.Data; e.Type != "request.not_started_by_user" || d.OP != "corp" || d.Sub != "s-1" || d.RequestID != first ||
		d.ClientID != "till" || d.By != "user" || d.FrozenUntil == "" {
		t.Errorf("the operator hears %+v", e)
	}
	lasting(t, w, first)
	await(t, "the audit log", patience, func() bool { return w.words(t)["request.barred"] == 1 })
	if n := w.words(t); n["client.frozen"] != 1 || n["request.denied"] != 2 {
		t.Errorf("the audit log says %v", n)
	}
	w.run(t, "audit", "verify")
}

// lasting: what the receiver did not take is not lost with the process, and comes
// once it does.
func lasting(t *testing.T, w *signalWorld, request string) {
	await(t, "a signal to be put off", patience, func() bool {
		b, err := os.ReadFile(w.log())
		return err == nil && bytes.Contains(b, []byte(`"kind":"signal"`)) && bytes.Contains(b, []byte(`"outcome":"again"`))
	})
	w.kill()
	w.to.set("/set", false)
	w.start(t)
	s := w.token(t, w.to.taken(t, "/set", 1)[0])
	if s.Issuer != w.devices || s.Aud != "https://soc.example" || s.Txn != request || s.Sub != nil || s.Exp != nil ||
		s.Subject["iss"] != "https://op.example" || s.Subject["sub"] != "s-1" ||
		s.Events[risk]["risk_reason"] != "request.not_started_by_user" || s.Events[risk]["initiating_entity"] != "user" {
		t.Errorf("the receiver is told %+v", s)
	}
	for _, c := range w.to.calls("/set") {
		if again := w.token(t, c); again.ID != s.ID {
			t.Errorf("told again as %q, not %q", again.ID, s.ID)
		}
	}
}

// TestFreezeEnds: after its time, and not before, the client may ask again; and an
// administrator may end it.
func TestFreezeEnds(t *testing.T) {
	t.Parallel()
	w := newSignalWorld(t)
	alice := w.pair(t, "s-1", "alice")
	w.run(t, "user", "add", "brief", "b-1", "--name", "ben")
	ben := w.another(t, "ben")
	r := w.asks(t, "brief", "b-1", "till")
	ben.do(t, "deny", r, "--not-me")
	until := w.request(t, r).Decision.FrozenUntil
	await(t, "the client to be let in again", patience, func() bool {
		asked := time.Now()
		a := w.askOf(t, "brief", map[string]any{"sub": "b-1", "client_id": "till"})
		if early := time.Until(until) > 0; a.Status == http.StatusCreated && (until.IsZero() || early) {
			t.Fatalf("it asked at %v, and is frozen until %v", asked, until)
		}
		return a.Status == http.StatusCreated
	})
	alice.do(t, "deny", w.asks(t, "corp", "s-1", "till"), "--not-me")
	w.unknown(t, "corp", "s-1", "till")
	w.run(t, "user", "unlock", "s-1")
	w.asks(t, "corp", "s-1", "till")
}

// TestStopEverything: a user, or an administrator for her, has everything stopped:
// what waits is denied, nobody learns that she is there, and the operator is told
// whose doing it is. Nobody else is touched.
func TestStopEverything(t *testing.T) {
	t.Parallel()
	w := newSignalWorld(t)
	alice, bob := w.pair(t, "s-1", "alice"), w.pair(t, "s-2", "bob")
	his := w.asks(t, "corp", "s-2", "till")
	for i, stop := range []struct {
		by string
		do func()
	}{
		{"user", func() { alice.run(t, "lock") }},
		{"admin", func() { w.run(t, "user", "lock", "s-1") }},
	} {
		waiting := []string{w.asks(t, "corp", "s-1", "till"), w.asks(t, "corp", "s-1", "bank")}
		stop.do()
		for _, r := range waiting {
			check(t, "the OP hears", w.hears(t, r), "denied user_locked")
			alice.mustNot(t, "approve", r)
		}
		for _, client := range []string{"till", "bank", "new"} {
			w.unknown(t, "corp", "s-1", client)
		}
		e := w.to.posted(t, w.to.taken(t, "/hook", i+1)[i])
		if e.Type != "user.locked" || e.Data.Sub != "s-1" || e.Data.By != stop.by {
			t.Errorf("the operator hears %+v", e)
		}
		s := w.token(t, w.to.taken(t, "/set", i+1)[i])
		if s.Events[risk]["risk_reason"] != "user.locked" || s.Events[risk]["initiating_entity"] != stop.by {
			t.Errorf("the receiver is told %+v", s)
		}
		w.run(t, "user", "unlock", "s-1")
		alice.do(t, "deny", w.asks(t, "corp", "s-1", "till"))
	}
	check(t, "another user's", w.hears(t, his), "pending")
	bob.do(t, "approve", his)
	await(t, "the audit log", patience, func() bool { return w.words(t)["request.barred"] == 6 })
	if log, err := os.ReadFile(w.log()); err != nil || slices.Contains(strings.Fields(string(log)), "bearer-of-the-receiver") || bytes.Contains(log, []byte(w.to.secret)) {
		t.Errorf("a secret stands in the log (%v)", err)
	}
}
