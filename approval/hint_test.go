package approval_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
)

// code has p show a code, in a session of its own.
func (w *world) code(t *testing.T, p phone) device.Secret {
	t.Helper()
	ctx := t.Context()
	c := device.Caller{Devices: []device.Device{p.Device}}
	e, err := w.db.Enrollment(ctx, p.Enrollment)
	fatal(t, err)
	sign, err := w.people.HintChallenge(ctx, c, p.ID)
	fatal(t, err)
	_, err = w.people.GrantHints(ctx, c, device.HintGrant{Session: e.Session, Device: p.ID}, p.key.Get(t, sign.Options))
	fatal(t, err)
	code, err := w.people.NewHintToken(ctx, c, e.Session, p.ID)
	fatal(t, err)
	return code.Digits
}

// byCode is an ask that names nobody but by a code.
func (w *world) byCode(code device.Secret) approval.Ask {
	a := w.asks("")
	a.HintToken = code
	return a
}

// TestCodeAsksOneDevice: the request that a code leads to is for the device that
// showed it, in all that can be done with a request.
func TestCodeAsksOneDevice(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	u := w.user(t, "aiko")
	shown, other := w.pair(t, u), w.pair(t, u)
	r := w.accept(t, w.byCode(w.code(t, shown)))
	if r.UserID != u.ID || r.OnlyDevice != shown.ID {
		t.Errorf("it is for %q on %q, want %q on %q", r.UserID, r.OnlyDevice, u.ID, shown.ID)
	}
	if jobs := w.jobs(t, r.ID); jobs["notify"] != 1 || len(jobs) != 1 {
		t.Errorf("jobs %v, want one notify", jobs)
	}
	for _, tt := range []struct {
		name string
		p    phone
		want int
	}{{"the phone that showed it", shown, 1}, {"another phone", other, 0}} {
		pending, err := w.Pending(t.Context(), who(tt.p))
		if err != nil || len(pending) != tt.want {
			t.Errorf("%s sees %d requests, %v; want %d", tt.name, len(pending), err, tt.want)
		}
	}
	_, err := w.Show(t.Context(), r.ID, who(other), "en")
	is(t, "show", err, approval.ErrNotFound)
	_, err = w.Challenge(t.Context(), r.ID, who(other), "en")
	is(t, "challenge", err, approval.ErrNotFound)
	_, err = w.Decide(t.Context(), no(r.ID, other))
	is(t, "deny", err, approval.ErrNotFound)
	capability, err := w.Capability(r.ID, other.ID)
	fatal(t, err)
	_, err = w.DenyBy(t.Context(), r.ID, capability, device.Actor{})
	is(t, "deny by a capability", err, approval.ErrNotFound)
	_, err = w.Decide(t.Context(), w.signed(t, r.ID, shown, ""))
	is(t, "approve", err, nil)
	if jobs := w.jobs(t, r.ID); jobs["clear"] != 1 {
		t.Errorf("jobs %v, want a clear for that phone alone", jobs)
	}
}

// TestDeviceRef: what an OP was given for a code, brought back with the subject.
func TestDeviceRef(t *testing.T) {
	for name, tt := range map[string]struct {
		lie  func(w *world, a *approval.Ask)
		want error
	}{
		"as it should be":   {func(*world, *approval.Ask) {}, nil},
		"of another user":   {func(_ *world, a *approval.Ask) { a.Subject.Sub = "ken" }, approval.ErrUnknownUser},
		"of nobody":         {func(_ *world, a *approval.Ask) { a.Subject.Sub = "none" }, approval.ErrUnknownUser},
		"by another client": {func(_ *world, a *approval.Ask) { a.ClientID = "kiosk" }, approval.ErrUnknownUser},
		"made up":           {func(_ *world, a *approval.Ask) { a.DeviceRef = "MADEUP" }, approval.ErrUnknownUser},
		"too late": {func(w *world, a *approval.Ask) {
			w.now = w.now.Add(device.DeviceRefLife)
			a.ExpiresAt = w.now.Add(time.Minute)
		}, approval.ErrHintToken},
		"of a device that is gone": {func(w *world, a *approval.Ask) {
			u, _ := w.people.FindUser(t.Context(), device.Subject{OP: "corp", Sub: "aiko"})
			devices, _ := w.people.DevicesOf(t.Context(), u.ID)
			fatal(t, w.people.Revoke(t.Context(), devices[0].ID, admin))
		}, approval.ErrUnknownUser},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, policy.Rules{})
			shown := w.pair(t, w.user(t, "aiko"))
			w.pair(t, w.user(t, "ken"))
			r, err := w.ResolveHint(t.Context(), device.HintUse{Value: w.code(t, shown), OP: "corp", ClientID: "shop", By: theOP})
			fatal(t, err)
			if r.User.Subject != "aiko" || r.Device.ID != shown.ID {
				t.Fatalf("got %s on %s", r.User.Subject, r.Device.ID)
			}
			a := w.asks("aiko")
			a.DeviceRef = r.Ref
			tt.lie(w, &a)
			got, err := w.Accept(t.Context(), a, theOP)
			is(t, "accept", err, tt.want)
			if err != nil {
				return
			}
			if got.OnlyDevice != shown.ID {
				t.Errorf("it is for %q", got.OnlyDevice)
			}
			a.ID, a.Ref = approval.NewRequestID(), "another"
			_, err = w.Accept(t.Context(), a, theOP)
			is(t, "the same reference for another request", err, approval.ErrHintToken)
		})
	}
}

// TestCodeAgain: an OP that did not hear the answer asks again under its key, and
// finds the request, as long as that is kept.
func TestCodeAgain(t *testing.T) {
	for name, between := range map[string]func(t *testing.T, w *world, p phone){
		"at once":                     func(*testing.T, *world, phone) {},
		"when the code is over":       func(_ *testing.T, w *world, _ phone) { w.now = w.now.Add(device.HintTokenLife) },
		"when the code is forgotten":  forgotten,
		"when the device is gone":     func(t *testing.T, w *world, p phone) { fatal(t, w.people.Revoke(t.Context(), p.ID, admin)) },
		"when it is answered already": nil,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, policy.Rules{})
			p := w.pair(t, w.user(t, "aiko"))
			a := w.byCode(w.code(t, p))
			a.ExpiresAt = w.now.Add(24 * time.Hour)
			first := w.accept(t, a)
			if between != nil {
				between(t, w, p)
			} else {
				_, err := w.Decide(t.Context(), no(first.ID, p))
				fatal(t, err)
			}
			again := a
			again.ID = approval.NewRequestID()
			got := w.accept(t, again)
			if got.ID != first.ID {
				t.Errorf("got %s, want the first, %s", got.ID, first.ID)
			}
			forged := again
			forged.Body = []byte("another body")
			_, err := w.Accept(t.Context(), forged, theOP)
			is(t, "another ask under its key", err, approval.ErrRefReused)
			other := again
			other.Ref = "another"
			_, err = w.Accept(t.Context(), other, theOP)
			if !errors.Is(err, approval.ErrHintToken) && !errors.Is(err, approval.ErrUnknownUser) {
				t.Errorf("the code for another request: got %v", err)
			}
		})
	}
}

func forgotten(t *testing.T, w *world, _ phone) {
	w.now = w.now.Add(3 * time.Hour)
	_, err := w.db.Forget(t.Context(), 100)
	fatal(t, err)
}

// TestCodeMustSaySomething: a request by a code that shows its user nothing to
// agree to is not put to her.
func TestCodeMustSaySomething(t *testing.T) {
	for name, tt := range map[string]struct {
		say  func(a *approval.Ask)
		want error
	}{
		"a message": {func(a *approval.Ask) { a.BindingMessage = "Pay 3 EUR" }, nil},
		"details": {func(a *approval.Ask) {
			a.Context = map[string]json.RawMessage{"authorization_details": json.RawMessage(`[{"type":"payment_initiation"}]`)}
		}, nil},
		"nothing": {func(*approval.Ask) {}, approval.ErrBindingMessage},
	} {
		w := newWorld(t, policy.Rules{})
		p := w.pair(t, w.user(t, "aiko"))
		a := w.byCode(w.code(t, p))
		a.BindingMessage = ""
		tt.say(&a)
		_, err := w.Accept(t.Context(), a, theOP)
		is(t, name, err, tt.want)
	}
}

// TestCodeThatIsOver is reported like any refusal where an OP has no word for it.
func TestCodeThatIsOver(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	code := w.code(t, p)
	w.accept(t, w.byCode(code))
	unfit := w.byCode(w.code(t, p))
	unfit.ReportsRefusals, unfit.BindingMessage = true, "https://evil.example"
	if r := w.accept(t, unfit); r.State != approval.Denied || r.Decision.Reason != approval.ReasonBindingMessage || r.OnlyDevice != "" {
		t.Errorf("unfit to be shown: got %+v", r)
	}
	a := w.byCode(code)
	a.ReportsRefusals = true
	r := w.accept(t, a)
	if r.State != approval.Denied || r.Decision.Reason != approval.ReasonHintToken || r.OnlyDevice != "" || r.UserID != "" {
		t.Errorf("got %+v", r)
	}
}

// TestCodeOfARequestThatWasNotStored: what broke off between the code and the
// request is made good under the same reference, and under no other.
func TestCodeOfARequestThatWasNotStored(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	a := w.byCode(w.code(t, w.pair(t, w.user(t, "aiko"))))
	a.BindingMessage = ""
	_, err := w.Accept(t.Context(), a, theOP)
	is(t, "refused once the code was spent", err, approval.ErrBindingMessage)
	a.BindingMessage = "Pay 3 EUR"
	other := a
	other.Ref = "another"
	_, err = w.Accept(t.Context(), other, theOP)
	is(t, "another reference", err, approval.ErrHintToken)
	_, err = w.Accept(t.Context(), a, theOP)
	is(t, "the same", err, nil)
}
