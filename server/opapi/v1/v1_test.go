package v1_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/outbox"
)

// TestAFlow goes the whole way: asked with all that may be said, approved by a
// passkey with a code, and read.
func TestAFlow(t *testing.T) {
	each(t, func(w *world) {
		t := w.t
		u := w.user("shop", "s-1")
		if err := w.people.AddHint(t.Context(), u.ID, device.Hint{Kind: "email", Value: "aiko@example.org"}, admin); err != nil {
			t.Fatal(err)
		}
		p := w.pair(u)
		before := time.Now()
		a := w.ask("ref-1", m{
			"login_hint": "Aiko@example.org", "client_id": "till", "client_name": "Till 4", "scope": "openid profile",
			"binding_message": "Order 4711", "user_code": "123456", "acr_values": "gold phr", "expires_in": 60,
			"authorization_details": []m{{"type": "payment", "amount": "3.50"}}, "request_context": m{"ip": "203.0.113.7"},
		})
		r := a.want(t, http.StatusCreated)
		if got, want := a.header.Get("Location"), "/op/shop/v1/requests/"+r.ID; got != want {
			t.Errorf("Location: got %s, want %s", got, want)
		}
		if r.State != "pending" || r.Sub != "s-1" || r.ClientID != "till" || r.Decision != nil {
			t.Errorf("got %+v", r)
		}
		if left := r.ExpiresAt.Sub(before); left < 59*time.Second || left > 70*time.Second {
			t.Errorf("%v are left, want 60 s", left)
		}
		if again := w.get(r.ID).want(t, 200); again.State != "pending" || !again.CreatedAt.Equal(r.CreatedAt) || !again.ExpiresAt.Equal(r.ExpiresAt) {
			t.Errorf("read: %+v, want %+v", again, r)
		}
		shown := must(w.requests.Show(t.Context(), approval.RequestID(r.ID), approval.Who{Devices: []device.Device{p.Device}}, "en"))(t)
		for _, want := range []string{"Till 4", "Order 4711", "3.50", "203.0.113.7"} {
			if !strings.Contains(string(shown.View), want) {
				t.Errorf("the user is not shown %s", want)
			}
		}
		if strings.Contains(string(shown.View), "123456") {
			t.Error("the user is shown the code")
		}
		w.approve(p, r.ID, "123456")
		got := w.get(r.ID).want(t, 200)
		if got.State != "approved" || got.Decision == nil {
			t.Fatalf("got %+v", got)
		}
		d := got.Decision
		if d.Verdict != "approve" || d.ACR != "phr" || !slices.Contains(d.AMR, "mfa") || d.UserCode != "verified" || d.Reason != "" ||
			d.AuthTime < before.Unix() || d.AuthTime > time.Now().Unix() || strings.Count(d.Evidence, ".") != 2 {
			t.Errorf("got %+v", d)
		}
	})
}

func TestADenialSaysWhy(t *testing.T) {
	each(t, func(w *world) {
		p := w.pair(w.user("shop", "s-1"))
		for notMe, want := range map[bool]string{false: "user_denied", true: "not_started_by_user"} {
			r := w.ask(fmt.Sprint("ref-", notMe), of("s-1")).want(w.t, 201)
			w.deny(p, r.ID, notMe)
			got := w.get(r.ID).want(w.t, 200)
			if got.State != "denied" || got.Decision.Verdict != "deny" || got.Decision.Reason != want || got.Decision.AuthTime != 0 {
				w.t.Errorf("got %+v, want denied for %s", got, want)
			}
		}
	})
}

// TestRefusals has each of CIBA's codes once, and each way to say something that
// is not well formed.
func TestRefusals(t *testing.T) {
	w := newSQLite(t)
	w.pair(w.user("shop", "s-1"))
	w.user("shop", "no-device")
	tests := []struct {
		name      string
		body      any
		status    int
		typ, code string
	}{
		{"nobody", of("SENT"), 400, "unknown_user_id", "unknown_user_id"},
		{"nobody by a hint", m{"login_hint": "SENT@example.org", "client_id": "till"}, 400, "unknown_user_id", "unknown_user_id"},
		{"no device", of("no-device"), 400, "unknown_user_id", "unknown_user_id"},
		{"a link to follow", with(of("s-1"), m{"binding_message": "SENT https://evil.example"}), 400, "invalid_binding_message", "invalid_binding_message"},
		{"a code that nobody can type", with(of("s-1"), m{"user_code": "SENT ☃"}), 400, "invalid_user_code", "invalid_user_code"},
		{"an acr out of reach", with(of("s-1"), m{"acr_values": "SENT"}), 403, "acr_unmet", "access_denied"},
		{"no user", m{"client_id": "till"}, 400, "invalid_request", "invalid_request"},
		{"two hints", with(of("s-1"), m{"login_hint": "SENT"}), 400, "invalid_request", "invalid_request"},
		{"a hint of another kind", m{"id_token_hint": "SENT", "client_id": "till"}, 400, "invalid_request", "invalid_request"},
		{"no client", m{"sub": "s-1"}, 400, "invalid_request", "invalid_request"},
		{"a member that is none", with(of("s-1"), m{"SENT": true}), 400, "invalid_request", "invalid_request"},
		{"too short a life", with(of("s-1"), m{"expires_in": 9}), 400, "invalid_request", "invalid_request"},
		{"too long a life", with(of("s-1"), m{"expires_in": 3601}), 400, "invalid_request", "invalid_request"},
		{"a context that is no object", with(of("s-1"), m{"request_context": "SENT"}), 400, "invalid_request", "invalid_request"},
		{"details that are no objects", with(of("s-1"), m{"authorization_details": []string{"SENT"}}), 400, "invalid_request", "invalid_request"},
		{"a NUL", with(of("s-1"), m{"client_name": "SENT\x00"}), 400, "invalid_request", "invalid_request"},
		{"not JSON", []byte(`{"SENT"`), 400, "invalid_request", "invalid_request"},
		{"not UTF-8", []byte("{\"sub\":\"s-1\",\"client_id\":\"SENT\xff\"}"), 400, "invalid_request", "invalid_request"},
		{"no body", []byte{}, 400, "invalid_request", "invalid_request"},
		{"too much", with(of("s-1"), m{"request_context": m{"x": strings.Repeat("SENT", 20_000)}}), 413, "too_large", "invalid_request"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.ask(fmt.Sprint("ref-", i), tt.body).wantProblem(t, tt.status, tt.typ, tt.code)
		})
	}
	t.Run("no idempotency key", func(t *testing.T) {
		w.ask("", of("s-1")).wantProblem(t, 400, "invalid_request", "invalid_request")
	})
	t.Run("an idempotency key that is too long", func(t *testing.T) {
		w.ask(strings.Repeat("x", 256), of("s-1")).wantProblem(t, 400, "invalid_request", "invalid_request")
	})
	t.Run("not said to be JSON", func(t *testing.T) {
		r := must(http.NewRequestWithContext(t.Context(), "POST", w.url+"/op/shop/v1/requests", strings.NewReader(`{}`)))(t)
		r.Header = http.Header{"Authorization": {"Bearer " + shopKey}, "Content-Type": {"text/plain"}, "Idempotency-Key": {"x"}}
		resp := must(http.DefaultClient.Do(r))(t)
		defer resp.Body.Close()
		body := must(io.ReadAll(resp.Body))(t)
		answer{resp.StatusCode, resp.Header, body}.wantProblem(t, 415, "unsupported_media_type", "invalid_request")
	})
	if left := must(w.db.ListRequests(t.Context(), approval.Query{}))(t); len(left) != 0 {
		t.Errorf("%d requests were stored", len(left))
	}
	w.ask("ref", of("s-1")).want(t, 201)
	want, got := append(slices.Repeat([]string{"shop refused"}, 6), "shop taken"), w.seen()
	if !slices.Equal(got, want) {
		t.Errorf("observed %v, want %v", got, want)
	}
}

func newSQLite(t *testing.T) (w *world) {
	t.Helper()
	return newWorldOn(t, "sqlite")
}

// TestACodeIsMissing: the connection asks for something to be typed.
func TestACodeIsMissing(t *testing.T) {
	w := newSQLite(t)
	w.pair(w.user("bank", "b-1"))
	post := func(body m) answer {
		return must(w.call(t.Context(), "POST", "/op/bank/v1/requests", bankKey, "ref", body))(t)
	}
	post(of("b-1")).wantProblem(t, 400, "missing_user_code", "missing_user_code")
	post(with(of("b-1"), m{"user_code": "123456"})).want(t, 201)
}

// TestKeys: each connection has its own, several at once, and whoever has none of
// them hears the same whatever there is.
func TestKeys(t *testing.T) {
	w := newSQLite(t)
	w.pair(w.user("shop", "s-1"))
	w.pair(w.user("bank", "b-1"))
	r := w.ask("ref", of("s-1")).want(t, 201)
	theirs := must(w.call(t.Context(), "POST", "/op/bank/v1/requests", bankKey, "ref", with(of("b-1"), m{"user_code": "123456"})))(t).want(t, 201)
	if theirs.ID == r.ID {
		t.Error("the same Idempotency-Key of another connection is another ask")
	}
	for _, path := range []string{"/op/shop/v1/requests/" + r.ID, "/op/shop/v1/requests/" + r.ID + "?wait=30", "/op/shop/v1/requests/nothing", "/op/nobody/v1/requests/x", "/op/v1/v1/requests/x"} {
		for _, key := range []string{"", bankKey, "wrong", shopKey + "x", strings.ToUpper(shopKey)} {
			a := must(w.call(t.Context(), "GET", path, key, "", nil))(t)
			a.wantProblem(t, 401, "unauthorized", "unauthorized_client")
			if a.header.Get("WWW-Authenticate") == "" {
				t.Error("it does not say how")
			}
		}
	}
	for _, post := range []string{"/op/shop/v1/requests", "/op/shop/v1/requests/" + r.ID + "/cancel"} {
		must(w.call(t.Context(), "POST", post, bankKey, "ref", of("s-1")))(t).wantProblem(t, 401, "unauthorized", "unauthorized_client")
	}
	// Through one's own door to another's request.
	for _, path := range []string{"/op/bank/v1/requests/" + r.ID, "/op/bank/v1/requests/" + r.ID + "?wait=1", "/op/bank/v1/requests/nothing"} {
		must(w.call(t.Context(), "GET", path, bankKey, "", nil))(t).wantProblem(t, 404, "request_not_found", "")
	}
	must(w.call(t.Context(), "POST", "/op/bank/v1/requests/"+r.ID+"/cancel", bankKey, "", nil))(t).wantProblem(t, 404, "request_not_found", "")
	if got := w.get(r.ID).want(t, 200); got.State != "pending" {
		t.Errorf("another connection moved it to %s", got.State)
	}
	must(w.call(t.Context(), "GET", "/op/shop/v1/requests/"+r.ID, shopNewKey, "", nil))(t).want(t, 200)
	if seen := w.seen(); !slices.Contains(seen, "shop unauthentic") || slices.ContainsFunc(seen, func(s string) bool { return strings.Contains(s, "nobody") }) {
		t.Errorf("observed %v, want wrong keys of what is there, and no names that callers chose", seen)
	}
}

// TestIdempotency: many at once under one key are one request, and later ones
// read what became of it.
func TestIdempotency(t *testing.T) {
	each(t, func(w *world) {
		t := w.t
		p := w.pair(w.user("shop", "s-1"))
		var wg sync.WaitGroup
		answers := make([]answer, 12)
		for i := range answers {
			wg.Go(func() {
				a, err := w.call(t.Context(), "POST", "/op/shop/v1/requests", shopKey, "ref", with(of("s-1"), m{"user_code": "123456"}))
				if err != nil {
					t.Error(err)
				}
				answers[i] = a
			})
		}
		wg.Wait()
		made, id := 0, ""
		for _, a := range answers {
			r := a.want(t, max(a.status, 200))
			if a.status == http.StatusCreated {
				made++
			} else if a.status != http.StatusOK {
				t.Errorf("got %d", a.status)
			}
			if id == "" {
				id = r.ID
			}
			if r.ID != id || a.header.Get("Location") != "/op/shop/v1/requests/"+id {
				t.Errorf("got %s, want %s", r.ID, id)
			}
		}
		if all := must(w.db.ListRequests(t.Context(), approval.Query{}))(t); made != 1 || len(all) != 1 {
			t.Errorf("%d were made and %d stand, want 1", made, len(all))
		}
		w.ask("ref", []byte(`{ "user_code":"123456", "client_id":"till","expires_in":120, "sub":"s-1"}`)).want(t, 200)
		for _, other := range []m{of("s-1"), with(of("s-1"), m{"user_code": "123457"}), with(of("s-1"), m{"user_code": "123456", "scope": "openid"}), with(of("s-2"), m{"user_code": "123456"})} {
			w.ask("ref", other).wantProblem(t, 409, "idempotency_key_reused", "")
		}
		w.deny(p, id, false)
		if got := w.ask("ref", with(of("s-1"), m{"user_code": "123456"})).want(t, 200); got.ID != id || got.State != "denied" {
			t.Errorf("got %+v, want what became of it", got)
		}
	})
}

// TestCancel: once, twice, and too late.
func TestCancel(t *testing.T) {
	each(t, func(w *world) {
		t := w.t
		p := w.pair(w.user("shop", "s-1"))
		r := w.ask("ref-1", of("s-1")).want(t, 201)
		for range 2 {
			if got := w.cancel(r.ID).want(t, 200); got.State != "withdrawn" || got.ID != r.ID || got.Decision != nil {
				t.Errorf("got %+v", got)
			}
		}
		_, err := w.requests.Decide(t.Context(), approval.Answer{
			Request: approval.RequestID(r.ID), Who: approval.Who{Devices: []device.Device{p.Device}}, Verdict: approval.Deny,
		})
		if !errors.Is(err, approval.ErrSettled) {
			t.Errorf("an answer after it: got %v, want %v", err, approval.ErrSettled)
		}
		denied := w.ask("ref-2", of("s-1")).want(t, 201)
		w.deny(p, denied.ID, false)
		w.cancel(denied.ID).wantProblem(t, 409, "request_settled", "")
		late := w.ask("ref-3", with(of("s-1"), m{"expires_in": 10})).want(t, 201)
		w.ahead.Add(int64(11 * time.Second))
		w.cancel(late.ID).wantProblem(t, 409, "request_settled", "")
		if got := w.get(late.ID).want(t, 200); got.State != "expired" {
			t.Errorf("got %s, want expired", got.State)
		}
		w.cancel("nothing").wantProblem(t, 404, "request_not_found", "")
		for _, by := range w.requests.callers() {
			if by.Kind != device.ActorOP || by.ID != "shop/k1" || !by.IP.IsLoopback() {
				t.Errorf("the audit log would name %+v", by)
			}
		}
	})
}

// TestReportsWaitForTheAnswer: no decision reaches an OP before it knows of what
// it is, and one that hung up is told all the same.
func TestReportsWaitForTheAnswer(t *testing.T) {
	w := newSQLite(t)
	w.pair(w.user("shop", "s-1"))
	hung, cancel := context.WithCancel(t.Context())
	for _, tt := range []struct {
		name string
		ctx  context.Context
		then func(server context.Context)
	}{
		{"hears", t.Context(), func(context.Context) {}},
		{"hangs-up", hung, func(server context.Context) { cancel(); <-server.Done() }},
	} {
		var r approval.Request
		w.requests.accepted = func(ctx context.Context, got approval.Request) {
			r = got
			short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer stop()
			if err := w.acks.Wait(short, r.ID); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: a report may leave before the answer: %v", tt.name, err)
			}
			tt.then(ctx)
		}
		_, err := w.call(tt.ctx, "POST", "/op/shop/v1/requests", shopKey, tt.name, of("s-1"))
		if (err != nil) != (tt.ctx == hung) {
			t.Fatal(err)
		}
		soon, stop := context.WithTimeout(t.Context(), 10*time.Second)
		if err := w.acks.Wait(soon, r.ID); err != nil {
			t.Errorf("%s: reports are held for ever: %v", tt.name, err)
		}
		stop()
		w.requests.accepted = nil
		if got := w.ask(tt.name, of("s-1")).want(t, 200); got.ID != string(r.ID) || got.State != "pending" {
			t.Errorf("%s: asked again, got %+v", tt.name, got)
		}
	}
}

// TestDeliveredTo: an OP reads how many devices were reached, and on which way; of
// no device which, and nothing of an address.
func TestDeliveredTo(t *testing.T) {
	each(t, func(w *world) {
		t := w.t
		u := w.user("shop", "s-1")
		p := w.pair(u)
		d := must(w.db.Device(t.Context(), p.ID))(t)
		r := w.ask("ref-1", m{"sub": "s-1", "client_id": "till"}).want(t, http.StatusCreated)
		if r.Delivered != nil {
			t.Errorf("delivered to %s before anything was", r.Delivered)
		}
		if again := w.get(r.ID).want(t, 200); again.Delivered != nil {
			t.Errorf("delivered to %s before anything was", again.Delivered)
		}
		for _, j := range must(w.db.ClaimJobs(t.Context(), 10, time.Minute))(t) {
			must(0, w.db.FinishJob(t.Context(), j, outbox.Done, ""))(t)
		}
		const want = `{"websocket":1}`
		if got := w.get(r.ID).want(t, 200); string(got.Delivered) != want {
			t.Errorf("read: got %s, want %s", got.Delivered, want)
		}
		a := w.ask("ref-1", m{"sub": "s-1", "client_id": "till"})
		if got := a.want(t, http.StatusOK); string(got.Delivered) != want {
			t.Errorf("asked again: got %s, want %s", got.Delivered, want)
		}
		for _, word := range []string{string(d.ID), string(d.Addresses[0].ID), d.Name} {
			if strings.Contains(string(a.body), word) {
				t.Errorf("the OP is told %s", word)
			}
		}
		if got := w.cancel(r.ID).want(t, 200); string(got.Delivered) != want {
			t.Errorf("taken back: got %s, want %s", got.Delivered, want)
		}
	})
}
