package seal_test

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/server/seal"
)

var _ approval.CodeKeys = (*seal.Ring)(nil)

var place = seal.AAD{Table: "requests", Row: "r1", Column: "handle"}

func sealed(t *testing.T, r *seal.Ring, text string, at seal.AAD) []byte {
	t.Helper()
	b, err := r.Seal([]byte(text), at)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpensInItsPlaceOnly(t *testing.T) {
	r := seal.New()
	b := sealed(t, r, "bearer", place)
	if bytes.Contains(b, []byte("bearer")) {
		t.Error("the plaintext stands in what is sealed")
	}
	if bytes.Equal(b, sealed(t, r, "bearer", place)) {
		t.Error("equal values are sealed alike")
	}
	if got, err := r.Open(b, place); err != nil || string(got) != "bearer" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, p := range [][3]string{
		{"requests", "r2", "handle"}, {"requests", "r1", "note"}, {"addresses", "r1", "handle"},
		{"requestsr", "1", "handle"}, {"requests", "r1handle", ""}, {},
	} {
		other := seal.AAD{Table: p[0], Row: p[1], Column: p[2]}
		if _, err := r.Open(b, other); !errors.Is(err, seal.ErrKeyMismatch) {
			t.Errorf("at %v: got %v, want ErrKeyMismatch", other, err)
		}
	}
	if empty, err := r.Open(sealed(t, r, "", place), place); err != nil || len(empty) != 0 {
		t.Errorf("an empty value: got %q, %v", empty, err)
	}
}

func TestOpenRefusesEveryChange(t *testing.T) {
	r := seal.New()
	b := sealed(t, r, "bearer", place)
	for i := range b {
		changed := bytes.Clone(b)
		changed[i] ^= 1
		if _, err := r.Open(changed, place); !errors.Is(err, seal.ErrKeyMismatch) && !errors.Is(err, seal.ErrKeyUnknown) {
			t.Errorf("byte %d changed: got %v", i, err)
		}
	}
	for n := range b {
		if _, err := r.Open(b[:n], place); !errors.Is(err, seal.ErrKeyMismatch) {
			t.Errorf("cut to %d bytes: got %v, want ErrKeyMismatch", n, err)
		}
	}
	if _, err := r.Open(append(b, 0), place); !errors.Is(err, seal.ErrKeyMismatch) {
		t.Errorf("a byte too many: got %v, want ErrKeyMismatch", err)
	}
}

func TestUnknownKey(t *testing.T) {
	b := sealed(t, seal.New(), "bearer", place)
	if _, err := seal.New().Open(b, place); !errors.Is(err, seal.ErrKeyUnknown) {
		t.Errorf("got %v, want ErrKeyUnknown", err)
	}
}

// TestRelabelledKey: the id is bound too, so that a value cannot be passed off
// as sealed under another key of the ring.
func TestRelabelledKey(t *testing.T) {
	r := seal.New()
	old := sealed(t, r, "bearer", place)
	r.Rotate()
	fresh := sealed(t, r, "bearer", place)
	mixed := append(bytes.Clone(fresh[:9]), old[9:]...)
	if _, err := r.Open(mixed, place); !errors.Is(err, seal.ErrKeyMismatch) {
		t.Errorf("got %v, want ErrKeyMismatch", err)
	}
}

func TestRotate(t *testing.T) {
	r := seal.New()
	old := sealed(t, r, "bearer", place)
	codeKey, mac, err := r.CodeMAC("", []byte("123456"))
	if err != nil {
		t.Fatal(err)
	}
	hint, signer := r.Lookup("email", "aiko@example.org"), r.SigningKey().KeyID
	r.Rotate()
	if got, err := r.Open(old, place); err != nil || string(got) != "bearer" {
		t.Errorf("sealed before: got %q, %v", got, err)
	}
	oldID, _ := seal.KeyID(old)
	if newID, err := seal.KeyID(sealed(t, r, "x", place)); err != nil || newID == oldID {
		t.Errorf("sealed after rotation under %q, %v", newID, err)
	}
	if id, again, err := r.CodeMAC(codeKey, []byte("123456")); err != nil || id != codeKey || !bytes.Equal(again, mac) {
		t.Errorf("code hashed before: %q, %v", id, err)
	}
	if id, other, err := r.CodeMAC("", []byte("123456")); err != nil || id == codeKey || bytes.Equal(other, mac) {
		t.Errorf("code hashed after: %q, %v", id, err)
	}
	if !bytes.Equal(hint, r.Lookup("email", "aiko@example.org")) {
		t.Error("a hint can no longer be found")
	}
	if r.SigningKey().KeyID == signer {
		t.Error("the signing key is the old one")
	}
	published := r.PublicKeys()
	if keys := published.Key(signer); len(keys) != 1 || !keys[0].IsPublic() {
		t.Errorf("the retired signing key is published %d times", len(keys))
	}
}

func TestDrop(t *testing.T) {
	r := seal.New()
	first := r.Keys()
	for _, k := range first {
		if err := r.Drop(k.ID); !errors.Is(err, seal.ErrKeyCurrent) {
			t.Errorf("the current %s key: got %v, want ErrKeyCurrent", k.Purpose, err)
		}
	}
	old := sealed(t, r, "bearer", place)
	r.Rotate()
	for _, k := range first {
		if k.Purpose == "webpush" { // which a rotation leaves
			continue
		}
		if err := r.Drop(k.ID); err != nil {
			t.Errorf("an old %s key: %v", k.Purpose, err)
		}
		if err := r.Drop(k.ID); !errors.Is(err, seal.ErrKeyUnknown) {
			t.Errorf("the same again: got %v, want ErrKeyUnknown", err)
		}
		if _, _, err := r.CodeMAC(k.ID, nil); !errors.Is(err, seal.ErrKeyUnknown) {
			t.Errorf("code under a dropped key: got %v, want ErrKeyUnknown", err)
		}
	}
	if _, err := r.Open(old, place); !errors.Is(err, seal.ErrKeyUnknown) {
		t.Errorf("got %v, want ErrKeyUnknown", err)
	}
	if n := len(r.PublicKeys().Keys); n != 1 {
		t.Errorf("%d keys are published, want 1", n)
	}
}

// TestLookupKeepsKindsApart: the kind's end is bound, or "ab"+"c" would be found
// under "a"+"bc".
func TestLookupKeepsKindsApart(t *testing.T) {
	r := seal.New()
	seen := map[string]string{}
	for _, h := range [][2]string{{"email", "a"}, {"username", "a"}, {"emaila", ""}, {"", "emaila"}, {"e", "maila"}} {
		sum := string(r.Lookup(h[0], h[1]))
		if other, ok := seen[sum]; ok {
			t.Errorf("%q is found under %s", h, other)
		}
		seen[sum] = fmt.Sprint(h)
	}
	if bytes.Equal(r.Lookup("email", "a"), seal.New().Lookup("email", "a")) {
		t.Error("the hash has no key")
	}
}

func TestSigningKeySigns(t *testing.T) {
	r := seal.New()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: r.SigningKey()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte("evidence"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if jws, err = jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256}); err != nil {
		t.Fatal(err)
	}
	r.Rotate()
	if payload, err := jws.Verify(r.PublicKeys()); err != nil || string(payload) != "evidence" {
		t.Errorf("got %q, %v", payload, err)
	}
	for _, k := range r.PublicKeys().Keys {
		if _, ok := k.Key.(*ecdsa.PublicKey); !ok {
			t.Errorf("key %s is published as %T", k.KeyID, k.Key)
		}
	}
}

func TestRingDoesNotPrint(t *testing.T) {
	r := seal.New()
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "ring", r)
	for _, got := range []string{fmt.Sprintf("%v", r), fmt.Sprintf("%+v", r), fmt.Sprintf("%#v", r), r.String()} {
		if got != "[keys]" {
			t.Errorf("prints %q", got)
		}
	}
	if !strings.Contains(log.String(), "ring=[keys]") {
		t.Errorf("logs %q", log.String())
	}
}

func TestUseWhileRotating(t *testing.T) {
	r := seal.New()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				b, err := r.Seal([]byte("x"), place)
				if err == nil {
					_, err = r.Open(b, place)
				}
				if err != nil {
					t.Error(err)
				}
				r.Rotate()
				r.PublicKeys()
			}
		})
	}
	wg.Wait()
}
