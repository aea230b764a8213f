package device_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/seal"
)

// withOwnCode is a family whose user has herCode.
func withOwnCode(t *testing.T) *family {
	t.Helper()
	f := newFamily(t)
	f.UserCodes, f.CodeKeys = f.db, seal.New()
	if err := f.SetUserCode(t.Context(), f.user.ID, herCode, admin); err != nil {
		t.Fatal(err)
	}
	return f
}

// change goes the whole way, with lies.
func (f *family) change(t *testing.T, d device.Device, key *devicetest.Authenticator, code string, lies ...devicetest.Lie) error {
	t.Helper()
	c := f.callerOf(t, d)
	sign, err := f.CodeChallenge(t.Context(), c, d.ID, code)
	if err != nil {
		return err
	}
	return f.SetOwnCode(t.Context(), c, d.ID, code, key.Get(t, sign.Options, lies...))
}

func (f *family) wantCode(t *testing.T, code string, want error) {
	t.Helper()
	err := f.VerifyUserCode(t.Context(), device.CodeTry{Subject: device.Subject{OP: f.user.OP, Sub: f.user.Subject}, Client: code, Code: code}, theOP)
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", code, err, want)
	}
}

func TestOwnCode(t *testing.T) {
	f := withOwnCode(t)
	if err := f.change(t, f.active, f.key, "new-4711"); err != nil {
		t.Fatal(err)
	}
	f.wantCode(t, "NEW4711", nil)
	f.wantCode(t, herCode, device.ErrUserCode)
	codes, err := f.OwnCodes(t.Context(), f.callerOf(t, f.active))
	if err != nil || len(codes) != 1 || codes[0].User.ID != f.user.ID || codes[0].SetAt.IsZero() || codes[0].Device.ID != f.active.ID {
		t.Errorf("got %+v, %v", codes, err)
	}
	if err := f.change(t, f.active, f.key, ""); err != nil {
		t.Fatal(err)
	}
	f.wantCode(t, "NEW4711", device.ErrUserCode)
	if codes, err := f.OwnCodes(t.Context(), f.callerOf(t, f.active)); err != nil || !codes[0].SetAt.IsZero() {
		t.Errorf("got %+v, %v", codes, err)
	}
}

// TestOwnCodeRefused: each of these leaves the code as it was.
func TestOwnCodeRefused(t *testing.T) {
	challenged := func(t *testing.T, f *family, code string) []byte {
		t.Helper()
		sign, err := f.CodeChallenge(t.Context(), f.callerOf(t, f.active), f.active.ID, code)
		if err != nil {
			t.Fatal(err)
		}
		return f.key.Get(t, sign.Options)
	}
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, f *family) error
		want error
	}{
		{"a code that is guessed", func(t *testing.T, f *family) error {
			_, err := f.CodeChallenge(t.Context(), f.callerOf(t, f.active), f.active.ID, "1234")
			return err
		}, device.ErrUserCodeShape},
		{"a code that is guessed, signed for as another", func(t *testing.T, f *family) error {
			return f.SetOwnCode(t.Context(), f.callerOf(t, f.active), f.active.ID, "1234", challenged(t, f, "NEW4711"))
		}, device.ErrUserCodeShape},
		{"without a challenge", func(t *testing.T, f *family) error {
			return f.SetOwnCode(t.Context(), f.callerOf(t, f.active), f.active.ID, "NEW4711", nil)
		}, device.ErrGesture},
		{"set by what was signed to take it away", func(t *testing.T, f *family) error {
			return f.SetOwnCode(t.Context(), f.callerOf(t, f.active), f.active.ID, "NEW4711", challenged(t, f, ""))
		}, device.ErrGesture},
		{"taken away by what was signed to set it", func(t *testing.T, f *family) error {
			return f.SetOwnCode(t.Context(), f.callerOf(t, f.active), f.active.ID, "", challenged(t, f, "NEW4711"))
		}, device.ErrGesture},
		{"without the user", func(t *testing.T, f *family) error {
			return f.change(t, f.active, f.key, "NEW4711", devicetest.WithoutUV())
		}, device.ErrPasskey},
		{"with another device's passkey", func(t *testing.T, f *family) error {
			return f.change(t, f.active, f.coolingKey, "NEW4711", devicetest.AsCredential([]byte("other")))
		}, device.ErrPasskey},
		{"too late", func(t *testing.T, f *family) error {
			a := challenged(t, f, "NEW4711")
			f.now = f.now.Add(device.GestureLife)
			return f.SetOwnCode(t.Context(), f.callerOf(t, f.active), f.active.ID, "NEW4711", a)
		}, device.ErrGesture},
		{"by a device that cools", func(t *testing.T, f *family) error {
			return f.change(t, f.cooling, f.coolingKey, "NEW4711")
		}, device.ErrCooling},
		{"by one's other device", func(t *testing.T, f *family) error {
			_, err := f.CodeChallenge(t.Context(), f.callerOf(t, f.active), f.spare.ID, "NEW4711")
			return err
		}, device.ErrNotAllowed},
		{"by a stranger", func(t *testing.T, f *family) error {
			_, err := f.CodeChallenge(t.Context(), f.callerOf(t, f.stranger), f.active.ID, "NEW4711")
			return err
		}, device.ErrDeviceNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := withOwnCode(t)
			if err := tt.do(t, f); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			f.wantCode(t, herCode, nil)
		})
	}
}

// TestOwnCodeServesOnce: what was signed once changes nothing again.
func TestOwnCodeServesOnce(t *testing.T) {
	f := withOwnCode(t)
	c := f.callerOf(t, f.active)
	sign, err := f.CodeChallenge(t.Context(), c, f.active.ID, "NEW4711")
	if err != nil {
		t.Fatal(err)
	}
	if text := string(sign.Statement); !strings.Contains(text, `"user_code.set"`) || strings.Contains(text, "4711") {
		t.Errorf("signed was %s", text)
	}
	a := f.key.Get(t, sign.Options)
	if err := f.SetOwnCode(t.Context(), c, f.active.ID, "NEW4711", a); err != nil {
		t.Fatal(err)
	}
	if err := f.SetOwnCode(t.Context(), c, f.active.ID, "OTHER815", a); !errors.Is(err, device.ErrGesture) {
		t.Errorf("got %v, want %v", err, device.ErrGesture)
	}
	f.wantCode(t, "NEW4711", nil)
}
