package device_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// reachable is a family that may say where it is reached.
func reachable(t *testing.T) (*family, push.Address) {
	t.Helper()
	f := newFamily(t)
	f.Addresses = f.db
	f.CheckTarget = func(a push.Address) error {
		if a.Target == "bad" {
			return errors.New("no such place")
		}
		return nil
	}
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return f, push.Address{
		Channel: push.WebPush, Target: "https://push.example/1",
		Key: push.DeviceKey{P256DH: key.PublicKey().Bytes(), Auth: make([]byte, 16)},
	}
}

func TestRegister(t *testing.T) {
	tests := []struct {
		name   string
		to     func(*family) device.Device
		change func(*push.Address)
		want   error
	}{
		{"itself", func(f *family) device.Device { return f.active }, func(*push.Address) {}, nil},
		{"itself, without a key", func(f *family) device.Device { return f.active }, func(a *push.Address) { a.Key = push.DeviceKey{} }, nil},
		{"another of hers", func(f *family) device.Device { return f.spare }, func(*push.Address) {}, device.ErrNotAllowed},
		{"one that cools", func(f *family) device.Device { return f.cooling }, func(*push.Address) {}, device.ErrNotAllowed},
		{"a stranger's", func(f *family) device.Device { return f.stranger }, func(*push.Address) {}, device.ErrDeviceNotFound},
		{"a place that nobody may call", func(f *family) device.Device { return f.active }, func(a *push.Address) { a.Target = "bad" }, device.ErrAddress},
		// Else one device would be told what is for another, whose id is no secret.
		{"a socket", func(f *family) device.Device { return f.active }, func(a *push.Address) { a.Channel, a.Target = push.WebSocket, push.Target("x") }, device.ErrAddress},
		{"half a key", func(f *family) device.Device { return f.active }, func(a *push.Address) { a.Key.Auth = nil }, device.ErrAddress},
		{"a key off the curve", func(f *family) device.Device { return f.active }, func(a *push.Address) { a.Key.P256DH[64] ^= 1 }, device.ErrAddress},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, a := reachable(t)
			tt.change(&a)
			d := tt.to(f)
			before, err := f.Device(t.Context(), d.ID)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Register(t.Context(), f.callerOf(t, f.active), d.ID, a); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			after, err := f.Device(t.Context(), d.ID)
			if added := len(after.Addresses) - len(before.Addresses); err != nil || (added == 1) != (tt.want == nil) {
				t.Errorf("%d addresses were added, %v", added, err)
			}
		})
	}
}

// TestRegisterIsOfNow: an address that is said anew is not the one that has to go.
func TestRegisterIsOfNow(t *testing.T) {
	f, a := reachable(t)
	c := f.callerOf(t, f.active)
	id, err := f.Register(t.Context(), c, f.active.ID, a)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		f.now = f.now.AddDate(0, 0, 1)
		next := a
		next.Target += push.Target("/" + string(rune('a'+i)))
		if _, err := f.Register(t.Context(), c, f.active.ID, next); err != nil {
			t.Fatal(err)
		}
		again, err := f.Register(t.Context(), c, f.active.ID, a)
		if err != nil || again != id {
			t.Fatalf("got %s, %v, want %s", again, err, id)
		}
	}
	if d, err := f.Device(t.Context(), f.active.ID); err != nil || len(d.Addresses) != 6 {
		t.Errorf("got %d addresses, %v, want the socket and five", len(d.Addresses), err)
	}
	if err := f.Unregister(t.Context(), f.callerOf(t, f.spare), f.active.ID, id); !errors.Is(err, device.ErrNotAllowed) {
		t.Errorf("by another: got %v, want ErrNotAllowed", err)
	}
	if n, err := f.Test(t.Context(), c, f.active.ID); err != nil || n != 6 {
		t.Errorf("tested %d, %v", n, err)
	}
	if _, err := f.Test(t.Context(), f.callerOf(t, f.stranger), f.active.ID); !errors.Is(err, device.ErrDeviceNotFound) {
		t.Errorf("by a stranger: got %v, want ErrDeviceNotFound", err)
	}
}
