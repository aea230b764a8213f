package device_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

func TestLostStatementSaysWhat(t *testing.T) {
	f := newFamily(t)
	sign, err := f.LostChallenge(t.Context(), f.callerOf(t, f.active), f.spare.ID)
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Action     string
		Device, By struct{ ID, Name string }
		At         time.Time
	}
	if err := json.Unmarshal(sign.Statement, &said); err != nil || said.Action != "device.lost" ||
		said.Device.ID != string(f.spare.ID) || said.Device.Name != "spare" || said.By.ID != string(f.active.ID) || !said.At.Equal(f.now) {
		t.Errorf("%s, %v", sign.Statement, err)
	}
}

// TestLost: one's other device is taken out by this device's passkey over this
// very act, once.
func TestLost(t *testing.T) {
	type try struct {
		f      *family
		caller device.Caller
		sign   device.ToSign
	}
	tests := []struct {
		name string
		lie  func(t *testing.T, try *try) (device.DeviceID, []byte)
		want error
	}{
		{"as it should be", func(t *testing.T, y *try) (device.DeviceID, []byte) {
			return y.f.spare.ID, y.f.key.Get(t, y.sign.Options)
		}, nil},
		{"of another device than was signed", func(t *testing.T, y *try) (device.DeviceID, []byte) {
			third, _ := y.f.pairedBy(t, y.f.user, y.f.session(t, "third"), admin)
			if _, err := y.f.LostChallenge(t.Context(), y.caller, third.ID); err != nil {
				t.Fatal(err)
			}
			assertion := y.f.key.Get(t, y.sign.Options)
			y.f.spare = third // what must be left
			return third.ID, assertion
		}, device.ErrPasskey},
		{"with another device's passkey", func(t *testing.T, y *try) (device.DeviceID, []byte) {
			return y.f.spare.ID, y.f.coolingKey.Get(t, y.sign.Options)
		}, device.ErrPasskey},
		{"without the user", func(t *testing.T, y *try) (device.DeviceID, []byte) {
			return y.f.spare.ID, y.f.key.Get(t, y.sign.Options, devicetest.WithoutUV())
		}, device.ErrPasskey},
		{"too late", func(t *testing.T, y *try) (device.DeviceID, []byte) {
			y.f.now = y.f.now.Add(device.GestureLife)
			return y.f.spare.ID, y.f.key.Get(t, y.sign.Options)
		}, device.ErrGesture},
		{"by an old challenge", func(t *testing.T, y *try) (device.DeviceID, []byte) {
			if _, err := y.f.LostChallenge(t.Context(), y.caller, y.f.spare.ID); err != nil {
				t.Fatal(err)
			}
			return y.f.spare.ID, y.f.key.Get(t, y.sign.Options)
		}, device.ErrPasskey},
		{"of one that was not asked about", func(t *testing.T, y *try) (device.DeviceID, []byte) {
			return y.f.cooling.ID, y.f.key.Get(t, y.sign.Options)
		}, device.ErrGesture},
		{"of a stranger's", func(t *testing.T, y *try) (device.DeviceID, []byte) {
			return y.f.stranger.ID, y.f.key.Get(t, y.sign.Options)
		}, device.ErrDeviceNotFound},
		{"by a device that cools", func(t *testing.T, y *try) (device.DeviceID, []byte) {
			y.caller = y.f.callerOf(t, y.f.cooling)
			return y.f.spare.ID, y.f.key.Get(t, y.sign.Options)
		}, device.ErrCooling},
		{"by a device that has not asked", func(t *testing.T, y *try) (device.DeviceID, []byte) {
			if err := y.f.Activate(t.Context(), y.f.cooling.ID, admin); err != nil {
				t.Fatal(err)
			}
			y.caller = y.f.callerOf(t, y.f.cooling)
			return y.f.spare.ID, y.f.coolingKey.Get(t, y.sign.Options)
		}, device.ErrGesture},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFamily(t)
			y := &try{f: f, caller: f.callerOf(t, f.active)}
			var err error
			if y.sign, err = f.LostChallenge(t.Context(), y.caller, f.spare.ID); err != nil {
				t.Fatal(err)
			}
			id, assertion := tt.lie(t, y)
			if err := f.Lost(t.Context(), y.caller, id, assertion); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			want := device.Active
			if tt.want == nil {
				want = device.Revoked
			}
			if got := f.stateOf(t, f.spare); got != want {
				t.Errorf("it is %s, want %s", got, want)
			}
		})
	}
}

// TestLostServesOnce: a challenge that was answered wrongly is spent too.
func TestLostServesOnce(t *testing.T) {
	f := newFamily(t)
	caller := f.callerOf(t, f.active)
	sign, err := f.LostChallenge(t.Context(), caller, f.spare.ID)
	if err != nil {
		t.Fatal(err)
	}
	good := f.key.Get(t, sign.Options)
	if err := f.Lost(t.Context(), caller, f.spare.ID, []byte("{}")); !errors.Is(err, device.ErrPasskey) {
		t.Errorf("got %v, want %v", err, device.ErrPasskey)
	}
	if err := f.Lost(t.Context(), caller, f.spare.ID, good); !errors.Is(err, device.ErrGesture) {
		t.Errorf("got %v, want %v", err, device.ErrGesture)
	}
	if got := f.stateOf(t, f.spare); got != device.Active {
		t.Errorf("it is %s", got)
	}
}

// TestGestureChallenge: what a passkey signs for an act has a prefix of its own,
// so that it can never be taken for a yes to a request.
func TestGestureChallenge(t *testing.T) {
	g := device.NewGesture(device.Gesture{Statement: []byte("text")})
	ch := g.Challenge()
	if len(g.Nonce) != 32 || len(ch) != 64 || string(ch[:32]) != string(g.Nonce) {
		t.Fatalf("nonce of %d, challenge of %d bytes", len(g.Nonce), len(ch))
	}
	// SHA-256("mitome/act/v1\0text"), by coreutils.
	const want = "8e2dfa227b2a1bdf6b0c2758fd7f8b22db83d7c0ef072aedddf86c5e8d19c10c"
	if got := hex.EncodeToString(ch[32:]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if other := device.NewGesture(device.Gesture{}); string(other.Nonce) == string(g.Nonce) {
		t.Error("two gestures have one nonce")
	}
}
