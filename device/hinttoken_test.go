package device_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// shower is a device that shows codes, and its session.
type shower struct {
	*world
	d       device.Device
	key     *devicetest.Authenticator
	caller  device.Caller
	session string
}

func newShower(t *testing.T) *shower {
	t.Helper()
	w := newWorld(t)
	s := &shower{world: w, session: w.session(t, "session")}
	s.d, s.key = w.pairedBy(t, w.user(t, "s-1"), s.session, admin)
	s.caller = w.callerOf(t, s.d)
	return s
}

// unlock has the passkey sign that codes may be shown.
func (s *shower) unlock(t *testing.T) {
	t.Helper()
	sign, err := s.HintChallenge(t.Context(), s.caller, s.d.ID)
	if err != nil {
		t.Fatal(err)
	}
	g := device.HintGrant{Session: s.session, Device: s.d.ID}
	until, err := s.GrantHints(t.Context(), s.caller, g, s.key.Get(t, sign.Options))
	if err != nil || !until.Equal(s.now.Add(device.HintGrantLife)) {
		t.Fatalf("got %v, %v", until, err)
	}
}

func (s *shower) next(t *testing.T) device.HintToken {
	t.Helper()
	code, err := s.NewHintToken(t.Context(), s.caller, s.session, s.d.ID)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// TestCodesAreDigits, each another, and none in a log.
func TestCodesAreDigits(t *testing.T) {
	s := newShower(t)
	s.unlock(t)
	seen, at := map[device.Secret]bool{}, [20]map[rune]bool{}
	for range 50 {
		code := s.next(t)
		for i, digit := range string(code.Digits) {
			if at[i%20] == nil {
				at[i%20] = map[rune]bool{}
			}
			at[i%20][digit] = true
		}
		if !regexp.MustCompile(`^[0-9]{20}$`).MatchString(string(code.Digits)) || seen[code.Digits] {
			t.Fatal("a code is not 20 digits, or was there before")
		}
		seen[code.Digits] = true
		if !code.ExpiresAt.Equal(s.now.Add(time.Minute)) {
			t.Errorf("good until %v", code.ExpiresAt)
		}
		text, _ := json.Marshal(code)
		if all := fmt.Sprintf("%v %+v %#v %s", code, code, code, text); strings.Contains(all, string(code.Digits)) {
			t.Fatal("a code prints")
		}
	}
	for i, digits := range at {
		if len(digits) < 3 { // of ten; by chance once in 10^23 runs
			t.Errorf("digit %d is one of %d", i+1, len(digits))
		}
	}
}

// TestCodesNeedPasskey: what lets a device show codes, and for how long.
func TestCodesNeedPasskey(t *testing.T) {
	s := newShower(t)
	show := func() error {
		_, err := s.NewHintToken(t.Context(), s.caller, s.session, s.d.ID)
		return err
	}
	wants := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	}
	wants("without", show(), device.ErrHintGrant)
	s.unlock(t)
	wants("with it", show(), nil)
	_, err := s.NewHintToken(t.Context(), s.caller, s.world.session(t, "another"), s.d.ID)
	wants("in another session", err, device.ErrHintGrant)
	s.now = s.now.Add(device.HintGrantLife - time.Microsecond)
	wants("at the last moment", show(), nil)
	s.now = s.now.Add(time.Microsecond)
	wants("when it is over", show(), device.ErrHintGrant)

	for name, tt := range map[string]struct {
		lie  func(sign device.ToSign) []byte
		want error
	}{
		"without the user": {func(sign device.ToSign) []byte { return s.key.Get(t, sign.Options, devicetest.WithoutUV()) }, device.ErrPasskey},
		"another passkey":  {func(sign device.ToSign) []byte { return other(t, s).Get(t, sign.Options) }, device.ErrPasskey},
		"too late": {func(sign device.ToSign) []byte {
			s.now = s.now.Add(device.GestureLife)
			return s.key.Get(t, sign.Options)
		}, device.ErrGesture},
		"an older question": {func(sign device.ToSign) []byte {
			_, _ = s.HintChallenge(t.Context(), s.caller, s.d.ID)
			return s.key.Get(t, sign.Options)
		}, device.ErrPasskey},
	} {
		sign, err := s.HintChallenge(t.Context(), s.caller, s.d.ID)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.GrantHints(t.Context(), s.caller, device.HintGrant{Session: s.session, Device: s.d.ID}, tt.lie(sign))
		wants(name, err, tt.want)
		wants(name+", then a code", show(), device.ErrHintGrant)
	}
	sign, err := s.HintChallenge(t.Context(), s.caller, s.d.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, device.ErrGesture} {
		_, err = s.GrantHints(t.Context(), s.caller, device.HintGrant{Session: s.session, Device: s.d.ID}, s.key.Get(t, sign.Options))
		wants(fmt.Sprintf("the same answer, %d", i), err, want)
	}
}

// other is a passkey of another device of the same user.
func other(t *testing.T, s *shower) *devicetest.Authenticator {
	t.Helper()
	u, err := s.User(t.Context(), s.d.User)
	if err != nil {
		t.Fatal(err)
	}
	_, key := s.pairedBy(t, u, s.world.session(t, "of "+fmt.Sprint(s.now.UnixNano())), admin)
	return key
}

// TestCodeStatement: what is signed says what for, on which device.
func TestCodeStatement(t *testing.T) {
	s := newShower(t)
	sign, err := s.HintChallenge(t.Context(), s.caller, s.d.ID)
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Action, User string
		Device       struct{ ID, Name string }
		At           time.Time
	}
	if err := json.Unmarshal(sign.Statement, &said); err != nil || said.Action != "code.show" || said.User != string(s.d.User) ||
		said.Device.ID != string(s.d.ID) || !said.At.Equal(s.now) {
		t.Errorf("%s, %v", sign.Statement, err)
	}
}

// TestOnlyItsOwnCode: a session shows codes as the device that it stands for.
func TestOnlyItsOwnCode(t *testing.T) {
	f := newFamily(t)
	for name, tt := range map[string]struct {
		caller device.Caller
		id     device.DeviceID
		want   error
	}{
		"its own":               {f.callerOf(t, f.active), f.active.ID, nil},
		"another of the user's": {f.callerOf(t, f.active), f.spare.ID, device.ErrDeviceNotFound},
		"a stranger's":          {f.callerOf(t, f.active), f.stranger.ID, device.ErrDeviceNotFound},
		"one that cools":        {f.callerOf(t, f.cooling), f.cooling.ID, device.ErrCooling},
		"nobody's":              {device.Caller{}, f.active.ID, device.ErrDeviceNotFound},
	} {
		if _, err := f.HintChallenge(t.Context(), tt.caller, tt.id); !errors.Is(err, tt.want) {
			t.Errorf("%s: challenge: got %v, want %v", name, err, tt.want)
		}
		want := tt.want
		if want == nil {
			want = device.ErrGesture // asked for by nobody in that session
			if _, err := f.Gestures.TakeGesture(t.Context(), "show:"+string(tt.id), device.PurposeShow, f.now); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := f.GrantHints(t.Context(), tt.caller, device.HintGrant{Session: "s", Device: tt.id}, nil); !errors.Is(err, want) {
			t.Errorf("%s: grant: got %v, want %v", name, err, want)
		}
		if want == device.ErrGesture {
			want = device.ErrHintGrant
		}
		if _, err := f.NewHintToken(t.Context(), tt.caller, "s", tt.id); !errors.Is(err, want) {
			t.Errorf("%s: code: got %v, want %v", name, err, want)
		}
	}
}

// TestUseHintOfADeviceThatIsGone: even where the store still had the code.
func TestUseHintOfADeviceThatIsGone(t *testing.T) {
	s := newShower(t)
	s.HintTokens = stale{s.HintTokens, s.d.ID}
	use := device.HintUse{Kind: device.HintShown, Value: "1", OP: "corp"}
	if u, d, err := s.UseHint(t.Context(), use); err != nil || d.ID != s.d.ID || u.ID != s.d.User {
		t.Fatalf("got %v on %v, %v", u, d, err)
	}
	if err := s.Revoke(t.Context(), s.d.ID, admin); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.UseHint(t.Context(), use); !errors.Is(err, device.ErrUnknownUser) {
		t.Errorf("got %v, want ErrUnknownUser", err)
	}
	if _, err := s.ResolveHint(t.Context(), use); !errors.Is(err, device.ErrUnknownUser) {
		t.Errorf("got %v, want ErrUnknownUser", err)
	}
}

// stale is a store whose codes all mean one device.
type stale struct {
	device.HintTokens
	id device.DeviceID
}

func (s stale) SpendHintToken(context.Context, device.HintUse, *device.KeptHint) (device.DeviceID, error) {
	return s.id, nil
}
