package devicetest

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// showing is a device whose session may show codes until a minute after Start.
type showing struct {
	device.Device
	session string
}

func (s Stores) showing(t *testing.T, op string) showing {
	t.Helper()
	session := s.Session(t)
	d := s.NewDevice(t, s.NewUser(t, op, "A"), session, Start)
	s.grant(t, d, session)
	return showing{d, session}
}

// grant lets a session show codes as d.
func (s Stores) grant(t *testing.T, d device.Device, session string) {
	t.Helper()
	err := s.HintTokens.GrantHints(t.Context(), device.HintGrant{
		Session: session, Device: d.ID, Used: s.use(t, d), ExpiresAt: Start.Add(time.Minute),
	}, bys(d))
	if err != nil {
		t.Fatal(err)
	}
}

// use is the next use of d's passkey.
func (s Stores) use(t *testing.T, d device.Device) device.CredentialUse {
	t.Helper()
	creds, err := s.Devices.CredentialsOf(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	return device.CredentialUse{ID: creds[0].ID, Before: creds[0].SignCount, SignCount: creds[0].SignCount + 1}
}

// hint is a code of d that is good for half a minute from at.
func hint(d device.Device, at time.Time) device.KeptHint {
	return device.KeptHint{
		Kind: device.HintShown, Value: device.Secret(rand.Text()), Device: d.ID, OP: "corp", CreatedAt: at, ExpiresAt: at.Add(30 * time.Second),
	}
}

// shows stores a code that d shows.
func (s Stores) shows(t *testing.T, d showing, at time.Time) device.KeptHint {
	t.Helper()
	h := hint(d.Device, at)
	if err := s.HintTokens.KeepHintToken(t.Context(), h, d.session, 10); err != nil {
		t.Fatal(err)
	}
	return h
}

// useOf is how a code is spent by who may, at Start.
func useOf(h device.KeptHint) device.HintUse {
	return device.HintUse{Kind: h.Kind, Value: h.Value, OP: h.OP, ClientID: "till", At: Start, By: Admin}
}

// wantHint spends u and checks what comes of it.
func (s Stores) wantHint(t *testing.T, what string, u device.HintUse, d device.DeviceID, want error) {
	t.Helper()
	got, err := s.HintTokens.SpendHintToken(t.Context(), u, nil)
	if !errors.Is(err, want) || got != d {
		t.Errorf("%s: got %q, %v; want %q, %v", what, got, err, d, want)
	}
}

func hintOnce(t *testing.T, s Stores) {
	d := s.showing(t, "corp")
	h := s.shows(t, d, Start)
	errs := Race(8, func(int) error {
		_, err := s.HintTokens.SpendHintToken(t.Context(), useOf(h), nil)
		return err
	})
	OneWins(t, errs, device.ErrHintSpent)

	u := useOf(s.shows(t, d, Start))
	u.For = []byte("one request")
	s.wantHint(t, "first", u, d.ID, nil)
	s.wantHint(t, "for the same", u, d.ID, nil)
	u.At = Start.Add(30 * time.Second)
	s.wantHint(t, "for the same, late", u, "", device.ErrHintSpent)
	u.At, u.For = Start, []byte("another request")
	s.wantHint(t, "for another", u, "", device.ErrHintSpent)
	u.For = nil
	s.wantHint(t, "for nothing", u, "", device.ErrHintSpent)
}

func hintBounds(t *testing.T, s Stores) {
	d := s.showing(t, "corp")
	for name, tt := range map[string]struct {
		lie  func(*device.HintUse)
		want error
		then error // of the honest try that follows
	}{
		"as it should be":    {func(*device.HintUse) {}, nil, device.ErrHintSpent},
		"at the last moment": {func(u *device.HintUse) { u.At = Start.Add(30*time.Second - time.Microsecond) }, nil, device.ErrHintSpent},
		"too late":           {func(u *device.HintUse) { u.At = Start.Add(30 * time.Second) }, device.ErrHintSpent, device.ErrHintSpent},
		"by another OP":      {func(u *device.HintUse) { u.OP = "shop" }, device.ErrUnknownUser, device.ErrHintSpent},
		"as a reference":     {func(u *device.HintUse) { u.Kind = device.HintRef }, device.ErrUnknownUser, nil},
		"one that never was": {func(u *device.HintUse) { u.Value += "0" }, device.ErrUnknownUser, nil},
		"no text":            {func(u *device.HintUse) { u.Value = "\x00\xff" }, device.ErrUnknownUser, nil},
	} {
		u := useOf(s.shows(t, d, Start))
		lie := u
		tt.lie(&lie)
		found := d.ID
		if tt.want != nil {
			found = ""
		}
		s.wantHint(t, name, lie, found, tt.want)
		found = d.ID
		if tt.then != nil {
			found = ""
		}
		s.wantHint(t, name+", then the OP", u, found, tt.then)
	}
}

// hintGivesRef: what an OP is given for a code means the same device, for that OP
// and client, once.
func hintGivesRef(t *testing.T, s Stores) {
	d := s.showing(t, "corp")
	ref := func() device.HintUse {
		t.Helper()
		next := device.KeptHint{
			Kind: device.HintRef, Value: device.Secret(rand.Text()), OP: "corp", ClientID: "till", CreatedAt: Start, ExpiresAt: Start.Add(time.Hour),
		}
		got, err := s.HintTokens.SpendHintToken(t.Context(), useOf(s.shows(t, d, Start)), &next)
		if err != nil || got != d.ID {
			t.Fatalf("got %q, %v", got, err)
		}
		return useOf(next)
	}
	s.wantHint(t, "a reference", ref(), d.ID, nil)
	twice := ref()
	s.wantHint(t, "once", twice, d.ID, nil)
	s.wantHint(t, "twice", twice, "", device.ErrHintSpent)
	other := ref()
	other.ClientID = "kiosk"
	s.wantHint(t, "another client", other, "", device.ErrUnknownUser)
	other.ClientID = "till"
	s.wantHint(t, "and then the client", other, "", device.ErrHintSpent)

	spent := useOf(s.shows(t, d, Start))
	s.wantHint(t, "a code", spent, d.ID, nil)
	none := device.KeptHint{Kind: device.HintRef, Value: "none", OP: "corp", CreatedAt: Start, ExpiresAt: Start.Add(time.Hour)}
	if _, err := s.HintTokens.SpendHintToken(t.Context(), spent, &none); !errors.Is(err, device.ErrHintSpent) {
		t.Errorf("a spent code: got %v, want ErrHintSpent", err)
	}
	s.wantHint(t, "a reference for a spent code", useOf(none), "", device.ErrUnknownUser)
}

func twoHintsLive(t *testing.T, s Stores) {
	d, other := s.showing(t, "corp"), s.showing(t, "corp")
	kept := s.shows(t, other, Start)
	first, second := s.shows(t, d, Start), s.shows(t, d, Start.Add(time.Second))
	third := s.shows(t, d, Start.Add(2*time.Second))
	at := func(h device.KeptHint) device.HintUse {
		u := useOf(h)
		u.At = Start.Add(3 * time.Second)
		return u
	}
	s.wantHint(t, "the oldest", at(first), "", device.ErrHintSpent)
	s.wantHint(t, "the one before", at(second), d.ID, nil)
	s.wantHint(t, "the newest", at(third), d.ID, nil)
	s.wantHint(t, "another device's", at(kept), other.ID, nil)
}

func hintsNeedGrant(t *testing.T, s Stores) {
	ctx, d, other := t.Context(), s.showing(t, "corp"), s.showing(t, "corp")
	keep := func(h device.KeptHint, session string, most int) error {
		return s.HintTokens.KeepHintToken(ctx, h, session, most)
	}
	cooling := s.NewCooling(t, s.NewUser(t, "corp", "B"), d.session, Start.Add(time.Hour))
	for name, tt := range map[string]struct {
		h       device.KeptHint
		session string
		most    int
		want    error
	}{
		"its own":           {hint(d.Device, Start.Add(time.Minute-time.Microsecond)), d.session, 10, nil},
		"when it is over":   {hint(d.Device, Start.Add(time.Minute)), d.session, 10, device.ErrHintGrant},
		"another session's": {hint(d.Device, Start), other.session, 10, device.ErrHintGrant},
		"another device's":  {hint(other.Device, Start), d.session, 10, device.ErrHintGrant},
		"no session":        {hint(d.Device, Start), "none", 10, device.ErrHintGrant},
		"too many":          {hint(other.Device, Start), other.session, 0, device.ErrHintGrant},
		"one that cools":    {hint(cooling, Start), d.session, 10, device.ErrDeviceNotFound},
	} {
		if err := keep(tt.h, tt.session, tt.most); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
		if tt.want != nil {
			s.wantHint(t, name, useOf(tt.h), "", device.ErrUnknownUser)
		}
	}
	if err := keep(hint(d.Device, Start), d.session, 1); !errors.Is(err, device.ErrHintGrant) {
		t.Errorf("a second where one is allowed: got %v, want ErrHintGrant", err)
	}
	s.grant(t, d.Device, d.session) // counts anew
	if err := keep(hint(d.Device, Start), d.session, 1); err != nil {
		t.Errorf("after another grant: %v", err)
	}
	used := s.use(t, d.Device)
	used.Before++
	err := s.HintTokens.GrantHints(ctx, device.HintGrant{Session: d.session, Device: d.ID, Used: used, ExpiresAt: Start}, bys(d.Device))
	if !errors.Is(err, device.ErrDeviceChanged) {
		t.Errorf("a counter that moved: got %v, want ErrDeviceChanged", err)
	}
	err = s.HintTokens.GrantHints(ctx, device.HintGrant{Session: d.session, Device: cooling.ID, Used: s.use(t, cooling), ExpiresAt: Start}, bys(cooling))
	if !errors.Is(err, device.ErrDeviceNotFound) {
		t.Errorf("one that cools: got %v, want ErrDeviceNotFound", err)
	}
}

func revokingEndsHints(t *testing.T, s Stores) {
	d := s.showing(t, "corp")
	h := s.shows(t, d, Start)
	ref := device.KeptHint{Kind: device.HintRef, Value: "ref", OP: "corp", CreatedAt: Start, ExpiresAt: Start.Add(time.Hour)}
	if _, err := s.HintTokens.SpendHintToken(t.Context(), useOf(s.shows(t, d, Start.Add(time.Second))), &ref); err != nil {
		t.Fatal(err)
	}
	if err := s.Devices.RevokeDevice(t.Context(), d.ID, Admin); err != nil {
		t.Fatal(err)
	}
	s.wantHint(t, "its code", useOf(h), "", device.ErrUnknownUser)
	s.wantHint(t, "its reference", useOf(ref), "", device.ErrUnknownUser)
	if err := s.HintTokens.KeepHintToken(t.Context(), hint(d.Device, Start), d.session, 10); !errors.Is(err, device.ErrDeviceNotFound) {
		t.Errorf("another code: got %v, want ErrDeviceNotFound", err)
	}
}
