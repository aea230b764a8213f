package op

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"
)

// taken is a desk with one request that Mitome has.
func taken(t *testing.T) *desk {
	t.Helper()
	d := newDesk(5 * time.Second)
	d.begin()
	s := &goidc.AuthnSession{
		ID: "s", AuthReqID: "req-1", ExpiresAt: int(time.Now().Add(time.Minute).Unix()),
		Store: map[string]any{storeMitome: "m-1"},
	}
	if err := d.SaveSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestTooFast: each slow_down makes the interval five seconds longer.
func TestTooFast(t *testing.T) {
	d := taken(t)
	now := time.Now()
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{
		{0, false}, {5 * time.Second, false}, {4600 * time.Millisecond, false}, // a little early is forgiven
		{2 * time.Second, true},                             // from here on ten
		{6 * time.Second, true},                             // fifteen
		{14 * time.Second, true}, {20 * time.Second, false}, // twenty
	} {
		now = now.Add(step.after)
		if got := d.tooFast("req-1", now); got != step.want {
			t.Errorf("after %v: got %v, want %v", step.after, got, step.want)
		}
	}
	for range 2 {
		if d.tooFast("req-2", now) {
			t.Error("what the OP does not know is go-oidc's to refuse")
		}
	}
	d.settle("req-1")
	if d.tooFast("req-1", now) {
		t.Error("kept from the decision")
	}
}

// TestForgets: memory is bounded by what is alive.
func TestForgets(t *testing.T) {
	d := taken(t)
	if err := d.SaveGrant(t.Context(), &goidc.Grant{ID: "g", AuthReqID: "req-1"}); err != nil {
		t.Fatal(err)
	}
	d.flows["req-1"].expires = time.Now().Add(-keep - time.Second)
	d.jtis["old"] = time.Now().Add(-3 * time.Hour)
	d.begin()
	if len(d.flows)+len(d.sessions)+len(d.grants)+len(d.jtis) != 0 {
		t.Errorf("kept %v, %v, %v, %v", d.flows, d.sessions, d.grants, d.jtis)
	}
}

// TestCopies: what a caller changes counts only once it is saved.
func TestCopies(t *testing.T) {
	d := taken(t)
	s, err := d.Session(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	s.Subject, s.Store[storeClaims] = "eve", "x"
	again, err := d.SessionByAuthReqID(t.Context(), "req-1")
	if err != nil || again.Subject != "" || again.Store[storeClaims] != nil {
		t.Errorf("got %+v, %v", again, err)
	}
}

// TestTurns has a client redeem an auth_req_id several times at once. go-oidc
// looks whether it was redeemed and marks it in two steps, so the calls must not
// overlap.
func TestTurns(t *testing.T) {
	var inside atomic.Int32
	o := &OP{desk: newDesk(time.Second), oidc: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if inside.Add(1) > 1 {
			t.Error("two calls at once")
		}
		<-time.After(2 * time.Millisecond)
		inside.Add(-1)
	})}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			r := httptest.NewRequest(http.MethodPost, tokenPath, strings.NewReader("auth_req_id=req-1"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			o.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	all.Wait()
}
