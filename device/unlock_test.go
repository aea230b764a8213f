package device_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// withHandle writes another user handle into an assertion; it is not signed.
func withHandle(t *testing.T, assertion []byte, handle any) []byte {
	t.Helper()
	var a map[string]any
	if err := json.Unmarshal(assertion, &a); err != nil {
		t.Fatal(err)
	}
	a["response"].(map[string]any)["userHandle"] = handle
	out, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestUnlock(t *testing.T) {
	w := newWorld(t)
	u := w.user(t, "s-1")
	d, key := w.paired(t, u, "a")
	begin := func() (string, []byte) {
		t.Helper()
		id, options, err := w.BeginUnlock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(options, []byte(base64.RawURLEncoding.EncodeToString(key.ID))) || strings.Contains(string(options), "allowCredentials") {
			t.Errorf("the question names a passkey: %s", options)
		}
		return id, options
	}
	id, options := begin()
	got, a, err := w.Unlock(t.Context(), id, key.Get(t, options))
	if err != nil || got.ID != d.ID || !a.UserVerified || a.SignCount != key.Counter {
		t.Errorf("got %s, %+v, %v", got.ID, a, err)
	}
	if _, _, err := w.Unlock(t.Context(), id, key.Get(t, options)); !errors.Is(err, device.ErrGesture) {
		t.Errorf("twice: got %v, want ErrGesture", err)
	}
	for name, forge := range map[string]func(options []byte) []byte{
		"another's handle": func(o []byte) []byte { return withHandle(t, key.Get(t, o), "AAAA") },
		"no handle":        func(o []byte) []byte { return withHandle(t, key.Get(t, o), nil) },
		"not an answer":    func([]byte) []byte { return []byte(`{}`) },
		"not verified":     func(o []byte) []byte { return key.Get(t, o, devicetest.WithoutUV()) },
	} {
		id, options := begin()
		if got, _, err := w.Unlock(t.Context(), id, forge(options)); !errors.Is(err, device.ErrPasskey) || got.ID != "" {
			t.Errorf("%s: got %s, %v, want ErrPasskey", name, got.ID, err)
		}
	}
	if err := w.Revoke(t.Context(), d.ID, admin); err != nil {
		t.Fatal(err)
	}
	id, options = begin()
	if _, _, err := w.Unlock(t.Context(), id, key.Get(t, options)); !errors.Is(err, device.ErrPasskey) {
		t.Errorf("revoked: got %v, want ErrPasskey", err)
	}
	id, options = begin()
	w.now = w.now.Add(device.GestureLife)
	if _, _, err := w.Unlock(t.Context(), id, key.Get(t, options)); !errors.Is(err, device.ErrGesture) {
		t.Errorf("too late: got %v, want ErrGesture", err)
	}
}
