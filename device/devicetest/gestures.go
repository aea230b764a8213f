package devicetest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/device"
)

func gesture(g device.Gesture) device.Gesture {
	g.ID, g.Statement, g.ExpiresAt = rand.Text(), []byte("\x00{}\xff"), Start.Add(time.Minute)
	return device.NewGesture(g)
}

func (s Stores) save(t *testing.T, g device.Gesture) device.Gesture {
	t.Helper()
	if err := s.Gestures.SaveGesture(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	return g
}

// wantGesture takes a gesture and checks what comes of it.
func (s Stores) wantGesture(t *testing.T, id, purpose string, now time.Time, want error) device.Gesture {
	t.Helper()
	g, err := s.Gestures.TakeGesture(t.Context(), id, purpose, now)
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	return g
}

func gestureOnce(t *testing.T, s Stores) {
	d := s.NewDevice(t, s.NewUser(t, "corp", "A"), s.Session(t), Start)
	for _, want := range []device.Gesture{
		gesture(device.Gesture{Purpose: device.PurposeUnlock}), gesture(device.Gesture{Purpose: device.PurposeLost, Device: d.ID}),
	} {
		s.save(t, want)
		got := s.wantGesture(t, want.ID, want.Purpose, Start, nil)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		s.wantGesture(t, want.ID, want.Purpose, Start, device.ErrGesture)
	}
	one := s.save(t, gesture(device.Gesture{Purpose: device.PurposeUnlock}))
	won := 0
	for _, err := range Race(8, func(int) error {
		_, err := s.Gestures.TakeGesture(t.Context(), one.ID, one.Purpose, Start)
		return err
	}) {
		if err == nil {
			won++
		} else if !errors.Is(err, device.ErrGesture) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d took one gesture", won)
	}
}

func gestureBounds(t *testing.T, s Stores) {
	g := s.save(t, gesture(device.Gesture{Purpose: device.PurposeUnlock}))
	s.wantGesture(t, g.ID, device.PurposeLost, Start, device.ErrGesture)
	s.wantGesture(t, "none", device.PurposeUnlock, Start, device.ErrGesture)
	s.wantGesture(t, "\x00", device.PurposeUnlock, Start, device.ErrGesture)
	s.wantGesture(t, g.ID, device.PurposeUnlock, g.ExpiresAt.Add(-time.Microsecond), nil)
	late := s.save(t, gesture(device.Gesture{Purpose: device.PurposeUnlock}))
	s.wantGesture(t, late.ID, device.PurposeUnlock, late.ExpiresAt, device.ErrGesture)
	// The second asking under one id voids the first.
	first := s.save(t, gesture(device.Gesture{Purpose: device.PurposeLost}))
	second := gesture(device.Gesture{Purpose: device.PurposeLost})
	second.ID = first.ID
	s.save(t, second)
	if got := s.wantGesture(t, first.ID, device.PurposeLost, Start, nil); !bytes.Equal(got.Nonce, second.Nonce) {
		t.Error("the first gesture was kept")
	}
}

func passkeyFound(t *testing.T, s Stores) {
	d := s.NewDevice(t, s.NewUser(t, "corp", "A"), s.Session(t), Start)
	s.NewDevice(t, s.NewUser(t, "corp", "B"), s.Session(t), Start)
	creds, err := s.Devices.CredentialsOf(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Passkeys.Passkey(t.Context(), creds[0].WebAuthnID)
	if diff := cmp.Diff(creds[0], got); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	for _, id := range [][]byte{nil, {}, {0}, creds[0].WebAuthnID[1:]} {
		if _, err := s.Passkeys.Passkey(t.Context(), id); !errors.Is(err, device.ErrPasskey) {
			t.Errorf("%x: got %v, want ErrPasskey", id, err)
		}
	}
}
