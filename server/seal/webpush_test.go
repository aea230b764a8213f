package seal_test

import (
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/server/seal"
)

// pushKey returns the key of Web Push, or nil.
func pushKey(t *testing.T, r *seal.Ring) *ecdsa.PrivateKey {
	t.Helper()
	k, ok := r.WebPushKey()
	if ok != (k != nil) {
		t.Fatalf("got %v and %v", k, ok)
	}
	return k
}

// without takes the key of Web Push out of a key file, as an older version has it.
func without(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	delete(m, "webpush")
	if b, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWebPushKeyIsKept(t *testing.T) {
	r, path := saved(t)
	key := pushKey(t, r)
	if key == nil || r.Complete() {
		t.Fatal("a new ring is not complete")
	}
	if key.Equal(r.SigningKey().Key) {
		t.Error("evidence and pushes are signed by one key")
	}
	r.Rotate()
	got, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !key.Equal(pushKey(t, r)) || !key.Equal(pushKey(t, got)) {
		t.Error("a rotation or the file changed the key that browsers are bound to")
	}
	if published := got.PublicKeys().Keys; len(published) != 2 {
		t.Errorf("%d keys are published for evidence, want 2", len(published))
	}
	var listed []seal.Info
	for _, k := range got.Keys() {
		if k.Purpose == "webpush" {
			listed = append(listed, k)
		} else if k.Public != "" {
			t.Errorf("key %s shows a public half", k.ID)
		}
	}
	want, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if len(listed) != 1 || !listed[0].Current || listed[0].Public != base64.RawURLEncoding.EncodeToString(want) {
		t.Errorf("listed as %+v", listed)
	}
	if err := got.Drop(listed[0].ID); !errors.Is(err, seal.ErrKeyCurrent) {
		t.Errorf("drop: got %v, want ErrKeyCurrent", err)
	}
}

// TestWebPushKeyIsReplaced: by a new one that says since when, while all else
// stays as it is.
func TestWebPushKeyIsReplaced(t *testing.T) {
	r, path := saved(t)
	old, b, now := pushKey(t, r), sealed(t, r, "bearer", place), time.Now()
	if !r.WebPushSince().IsZero() {
		t.Errorf("a first key says that it replaced another at %v", r.WebPushSince())
	}
	r.ReplaceWebPush(now)
	if err := r.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if k := pushKey(t, got); k.Equal(old) || !k.Equal(pushKey(t, r)) {
		t.Error("it is the old key, or another than was made")
	}
	if since := got.WebPushSince(); since.After(now) || now.Sub(since) > time.Second {
		t.Errorf("replaced at %v, want %v", since, now)
	}
	if plain, err := got.Open(b, place); err != nil || string(plain) != "bearer" {
		t.Errorf("got %q, %v", plain, err)
	}
	got.Rotate()
	if !pushKey(t, got).Equal(pushKey(t, r)) || !got.WebPushSince().Equal(r.WebPushSince()) {
		t.Error("a rotation changed it")
	}
}

// TestOlderFile: a file of an older version is as good as before, and gets its
// key when it is asked for or when the keys rotate.
func TestOlderFile(t *testing.T) {
	for name, finish := range map[string]func(*seal.Ring) bool{
		"complete": (*seal.Ring).Complete, "rotate": func(r *seal.Ring) bool { r.Rotate(); return true },
	} {
		t.Run(name, func(t *testing.T) {
			r, path := saved(t)
			b := sealed(t, r, "bearer", place)
			without(t, path)
			old, err := seal.Load(path)
			if err != nil || pushKey(t, old) != nil {
				t.Fatalf("got %v, want a ring without the key", err)
			}
			if err := old.Save(path); err != nil { // must not write a key that is none
				t.Fatal(err)
			}
			if old, err = seal.Load(path); err != nil || !finish(old) || pushKey(t, old) == nil {
				t.Fatalf("got %v, want a key of Web Push", err)
			}
			if plain, err := old.Open(b, place); err != nil || string(plain) != "bearer" {
				t.Errorf("got %q, %v", plain, err)
			}
		})
	}
}
