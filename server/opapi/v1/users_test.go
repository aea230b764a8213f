package v1_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/device"
)

// users calls one of the routes that ask of users, as the shop.
func (w *world) users(what string, body any) answer {
	w.t.Helper()
	return must(w.call(w.t.Context(), "POST", "/op/shop/v1/users/"+what, shopKey, "", body))(w.t)
}

func (a answer) wantBody(t *testing.T, what, body string) {
	t.Helper()
	if got := strings.TrimSpace(string(a.body)); a.status != 200 || got != body {
		t.Errorf("%s: got %d %s, want %s", what, a.status, got, body)
	}
}

// aiko is a user with a hint and a device; hana has neither.
func (w *world) aiko() (device.User, phone) {
	w.t.Helper()
	u := w.user("shop", "aiko")
	w.user("shop", "hana")
	w.user("bank", "bank-aiko")
	if err := w.people.AddHint(w.t.Context(), u.ID, device.Hint{Kind: "email", Value: "aiko@example.org"}, admin); err != nil {
		w.t.Fatal(err)
	}
	return u, w.pair(u)
}

func TestWhomAHintMeans(t *testing.T) {
	each(t, func(w *world) {
		w.aiko()
		w.users("resolve", m{"login_hint": " Aiko@Example.org"}).wantBody(w.t, "her", `{"sub":"aiko"}`)
		for _, hint := range []string{"SENT@example.org", "SENT", "+81 90 0000 0000"} {
			w.users("resolve", m{"login_hint": hint}).wantProblem(w.t, 400, "unknown_user_id", "unknown_user_id")
		}
		other := must(w.call(w.t.Context(), "POST", "/op/bank/v1/users/resolve", bankKey, "", m{"login_hint": "aiko@example.org"}))(w.t)
		other.wantProblem(w.t, 400, "unknown_user_id", "unknown_user_id")
		for _, body := range []any{m{}, m{"login_hint": ""}, m{"sub": "aiko"}, m{"login_hint": strings.Repeat("SENT", 200)}, []byte("SENT")} {
			w.users("resolve", body).wantProblem(w.t, 400, "invalid_request", "invalid_request")
		}
	})
}

// TestReachable: one who is unknown and one who has nothing to approve with are
// the same to an OP, but for one that is told apart by its operator.
func TestReachable(t *testing.T) {
	each(t, func(w *world) {
		_, p := w.aiko()
		yes, no := `{"reachable":true}`, `{"reachable":false}`
		w.users("reachability", m{"sub": "aiko"}).wantBody(w.t, "by sub", yes)
		w.users("reachability", m{"login_hint": "aiko@example.org"}).wantBody(w.t, "by hint", yes)
		unreachable := w.users("reachability", m{"sub": "hana"})
		unreachable.wantBody(w.t, "without a device", no)
		for what, body := range map[string]m{
			"nobody": {"sub": "SENT"}, "nobody by hint": {"login_hint": "SENT"}, "another OP's": {"sub": "bank-aiko"},
		} {
			got := w.users("reachability", body)
			got.wantBody(w.t, what, no)
			if !bytes.Equal(got.body, unreachable.body) || len(got.header) != len(unreachable.header) {
				w.t.Errorf("%s: got %v %s, want %v %s", what, got.header, got.body, unreachable.header, unreachable.body)
			}
		}
		bank := func(sub string) answer {
			return must(w.call(w.t.Context(), "POST", "/op/bank/v1/users/reachability", bankKey, "", m{"sub": sub}))(w.t)
		}
		bank("bank-aiko").wantBody(w.t, "the trusted OP's", no)
		bank("SENT").wantProblem(w.t, 400, "unknown_user_id", "unknown_user_id")
		must(0, w.people.Revoke(w.t.Context(), p.ID, admin))(w.t)
		w.users("reachability", m{"sub": "aiko"}).wantBody(w.t, "after her device is gone", no)
		for _, body := range []any{m{}, m{"sub": "aiko", "login_hint": "aiko@example.org"}, m{"sub": "aiko", "SENT": 1}} {
			w.users("reachability", body).wantProblem(w.t, 400, "invalid_request", "invalid_request")
		}
	})
}

// TestVerifyUserCode: yes, or one and the same no.
func TestVerifyUserCode(t *testing.T) {
	each(t, func(w *world) {
		u, _ := w.aiko()
		must(0, w.people.SetUserCode(w.t.Context(), u.ID, "KTPX7731", admin))(w.t)
		verify := func(body m) answer { return w.users("user-code", with(m{"client_id": "till"}, body)) }
		verify(m{"sub": "aiko", "user_code": "ktpx-7731"}).wantBody(w.t, "right", `{"verified":true}`)
		verify(m{"login_hint": "aiko@example.org", "user_code": "KTPX7731"}).wantBody(w.t, "by hint", `{"verified":true}`)
		for _, body := range []m{{"sub": "aiko"}, {"sub": "nobody", "user_code": ""}, {"sub": "aiko", "user_code": " - "}} {
			verify(body).wantProblem(w.t, 400, "missing_user_code", "missing_user_code")
		}
		wrong := verify(m{"sub": "aiko", "user_code": "SENT4711"})
		wrong.wantProblem(w.t, 400, "invalid_user_code", "invalid_user_code")
		for range 4 {
			verify(m{"sub": "aiko", "user_code": "SENT4711"})
		}
		for what, body := range map[string]m{
			"locked": {"sub": "aiko", "user_code": "KTPX7731"}, "nobody": {"sub": "eve", "user_code": "KTPX7731"},
			"nobody by hint": {"login_hint": "eve@example.org", "user_code": "KTPX7731"}, "without a code": {"sub": "hana", "user_code": "KTPX7731"},
			"another OP's": {"sub": "bank-aiko", "user_code": "KTPX7731"},
		} {
			got := verify(body)
			if got.status != wrong.status || !bytes.Equal(got.body, wrong.body) || len(got.header) != len(wrong.header) {
				w.t.Errorf("%s: got %d %v %s, want %d %v %s", what, got.status, got.header, got.body, wrong.status, wrong.header, wrong.body)
			}
		}
		verify(m{"sub": "aiko", "user_code": "KTPX7731", "client_id": "kiosk"}).wantBody(w.t, "another client", `{"verified":true}`)
		for _, body := range []m{
			{"user_code": "SENT"}, {"sub": "aiko", "login_hint": "aiko", "user_code": "SENT"}, {"sub": "aiko", "user_code": "SENT", "client_id": ""},
			{"sub": "aiko", "user_code": strings.Repeat("SENT", 17)},
		} {
			verify(body).wantProblem(w.t, 400, "invalid_request", "invalid_request")
		}
	})
}

// TestUsersAreTheOPs: with the key of another connection nothing is said.
func TestUsersAreTheOPs(t *testing.T) {
	w := newSQLite(t)
	w.aiko()
	for _, what := range []string{"resolve", "reachability", "user-code"} {
		for _, key := range []string{"", bankKey, "SENT"} {
			got := must(w.call(t.Context(), "POST", "/op/shop/v1/users/"+what, key, "", m{"sub": "aiko"}))(t)
			got.wantProblem(t, 401, "unauthorized", "unauthorized_client")
		}
	}
}
