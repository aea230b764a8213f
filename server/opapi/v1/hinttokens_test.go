package v1_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
)

// code has p show a code.
func (w *world) code(p phone) string {
	w.t.Helper()
	ctx, c := w.t.Context(), device.Caller{Devices: []device.Device{p.Device}}
	e := must(w.db.Enrollment(ctx, p.Enrollment))(w.t)
	sign := must(w.people.HintChallenge(ctx, c, p.ID))(w.t)
	grant := device.HintGrant{Session: e.Session, Device: p.ID}
	must(w.people.GrantHints(ctx, c, grant, p.key.Get(w.t, sign.Options)))(w.t)
	return string(must(w.people.NewHintToken(ctx, c, e.Session, p.ID))(w.t).Digits)
}

// resolve asks whom a code means.
func (w *world) resolve(op, key, code, client string) answer {
	w.t.Helper()
	return must(w.call(w.t.Context(), "POST", "/op/"+op+"/v1/login-hint-tokens/resolve", key, "",
		m{"login_hint_token": code, "client_id": client}))(w.t)
}

// resolved is what an OP is told of a code.
type resolved struct {
	Sub       string    `json:"sub"`
	DeviceRef string    `json:"device_ref"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (a answer) resolved(t *testing.T) (r resolved) {
	t.Helper()
	if a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if err := json.Unmarshal(a.body, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// only is the device that a request is for.
func (w *world) only(id string) device.DeviceID {
	w.t.Helper()
	r := must(w.requests.Asked(w.t.Context(), approval.RequestID(id), "shop"))(w.t)
	return r.OnlyDevice
}

// TestResolve: a code is told once, to the OP whose user showed it.
func TestResolve(t *testing.T) {
	each(t, func(w *world) {
		aiko := w.user("shop", "aiko")
		shown := w.pair(aiko)
		w.pair(aiko)
		code := w.code(shown)
		grouped := code[:4] + " " + code[4:8] + " " + code[8:12] + " " + code[12:16] + " " + code[16:]
		r := w.resolve("shop", shopKey, grouped, "till").resolved(t)
		if r.Sub != "aiko" || r.DeviceRef == "" || strings.Contains(r.DeviceRef, code) || r.ExpiresAt.Before(w.now().Add(9*time.Minute)) {
			t.Errorf("got %+v", r)
		}
		w.resolve("shop", shopKey, code, "till").wantProblem(t, 400, "expired_login_hint_token", "expired_login_hint_token")

		body := with(of("aiko"), m{"device_ref": r.DeviceRef, "binding_message": "Pay 3 EUR"})
		first := w.ask("ref-1", body).want(t, 201)
		if got := w.only(first.ID); got != shown.ID {
			t.Errorf("it is for %q, want %q", got, shown.ID)
		}
		if again := w.ask("ref-1", body).want(t, 200); again.ID != first.ID {
			t.Errorf("the repetition made %s", again.ID)
		}
		w.ask("ref-2", body).wantProblem(t, 400, "expired_login_hint_token", "expired_login_hint_token")
	})
}

// TestResolveRefuses: whatever comes of it, the code is spent.
func TestResolveRefuses(t *testing.T) {
	w := newWorldOn(t, "sqlite")
	p := w.pair(w.user("shop", "aiko"))
	for _, tt := range []struct {
		name, code, then string
		call             func(code string) answer
	}{
		{"another connection", "unknown_user_id", "expired_login_hint_token", func(code string) answer {
			return w.resolve("bank", bankKey, code, "till")
		}},
		{"too late", "expired_login_hint_token", "expired_login_hint_token", func(code string) answer {
			w.ahead.Add(int64(device.HintTokenLife))
			return w.resolve("shop", shopKey, code, "till")
		}},
		{"never shown", "unknown_user_id", "", func(code string) answer {
			return w.resolve("shop", shopKey, code[1:]+"x", "till")
		}},
		{"of a device that is gone", "unknown_user_id", "unknown_user_id", func(code string) answer {
			if err := w.people.Revoke(t.Context(), p.ID, admin); err != nil {
				t.Fatal(err)
			}
			return w.resolve("shop", shopKey, code, "till")
		}},
	} {
		code := w.code(p)
		tt.call(code).wantProblem(t, 400, tt.code, tt.code)
		then := w.resolve("shop", shopKey, code, "till")
		if tt.then == "" {
			then.resolved(t)
		} else {
			then.wantProblem(t, 400, tt.then, tt.then)
		}
	}
	w.resolve("shop", bankKey, "1", "till").wantProblem(t, 401, "unauthorized", "unauthorized_client")
	w.resolve("shop", shopKey, "", "till").wantProblem(t, 400, "invalid_request", "invalid_request")
	w.resolve("shop", shopKey, "1", "").wantProblem(t, 400, "invalid_request", "invalid_request")
}

// TestCodeInOneCall: an OP that hands the code on with its request need not resolve it.
func TestCodeInOneCall(t *testing.T) {
	each(t, func(w *world) {
		aiko := w.user("shop", "aiko")
		shown := w.pair(aiko)
		w.pair(aiko)
		body := m{"login_hint_token": w.code(shown), "client_id": "till", "binding_message": "Pay 3 EUR"}
		first := w.ask("ref-1", body).want(t, 201)
		if first.Sub != "aiko" || w.only(first.ID) != shown.ID {
			t.Errorf("got %s on %q, want aiko on %q", first.Sub, w.only(first.ID), shown.ID)
		}
		if again := w.ask("ref-1", body).want(t, 200); again.ID != first.ID {
			t.Errorf("the repetition made %s", again.ID)
		}
		w.ask("ref-2", body).wantProblem(t, 400, "expired_login_hint_token", "expired_login_hint_token")
		w.approve(shown, first.ID, "")
		if got := w.get(first.ID).want(t, 200); got.State != "approved" {
			t.Errorf("it is %s", got.State)
		}
		late := m{"login_hint_token": w.code(shown), "client_id": "till", "binding_message": "Pay 3 EUR"}
		w.ahead.Add(int64(device.HintTokenLife))
		w.ask("ref-3", late).wantProblem(t, 400, "expired_login_hint_token", "expired_login_hint_token")
		w.ask("ref-4", m{"login_hint_token": w.code(shown), "client_id": "till"}).
			wantProblem(t, 400, "invalid_binding_message", "invalid_binding_message")
	})
}

func TestOneHint(t *testing.T) {
	w := newWorldOn(t, "sqlite")
	w.pair(w.user("shop", "aiko"))
	for name, more := range map[string]m{
		"none": {}, "sub and hint": {"sub": "aiko", "login_hint": "aiko"}, "sub and code": {"sub": "aiko", "login_hint_token": "1"},
		"hint and code": {"login_hint": "aiko", "login_hint_token": "1"}, "a device and a hint": {"login_hint": "aiko", "device_ref": "1"},
		"a device alone": {"device_ref": "1"},
	} {
		t.Run(name, func(t *testing.T) {
			w.ask(name, with(m{"client_id": "till"}, more)).wantProblem(t, 400, "invalid_request", "invalid_request")
		})
	}
}

// TestGuessing: who is wrong too often waits, alone; who is right, and whose codes
// are only over, does not.
func TestGuessing(t *testing.T) {
	w := newWorldOn(t, "sqlite")
	p := w.pair(w.user("shop", "aiko"))
	for range 25 {
		code := w.code(p)
		w.resolve("shop", shopKey, code, "till").resolved(t)
		w.resolve("shop", shopKey, code, "till").wantProblem(t, 400, "expired_login_hint_token", "expired_login_hint_token")
	}
	guesses := 0
	for guess := (answer{status: 400}); guess.status == 400 && guesses < 40; guesses++ {
		if guesses%2 == 0 {
			guess = w.resolve("shop", shopKey, "00000000000000000000", "till")
		} else {
			guess = w.ask("guess", m{"login_hint_token": "00000000000000000000", "client_id": "till", "binding_message": "x"})
		}
	}
	if guesses <= 20 {
		t.Errorf("%d guesses were taken, want 20", guesses-1)
	}
	w.ahead.Add(-int64(time.Minute)) // however slow the machine is, nothing is forgiven meanwhile
	code := w.code(p)
	w.resolve("shop", shopKey, code, "till").wantProblem(t, 429, "rate", "")
	w.ask("guess", m{"login_hint_token": code, "client_id": "till", "binding_message": "x"}).wantProblem(t, 429, "rate", "")
	w.resolve("shop", shopKey, code, "kiosk").resolved(t)
	w.ask("other", with(of("aiko"), m{"binding_message": "x"})).want(t, 201) // no code, no guess
	w.ahead.Add(int64(2 * time.Minute))
	w.resolve("shop", shopKey, w.code(p), "till").resolved(t)
}
