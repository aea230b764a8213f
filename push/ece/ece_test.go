package ece_test

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/ece"
	"github.com/mitome-ciba/mitome/push/ece/ecetest"
)

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func private(t *testing.T, s string) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.P256().NewPrivateKey(decode(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestVector is the example of RFC 8291 §5 and appendix A, byte for byte.
func TestVector(t *testing.T) {
	const plaintext = "When I grow up, I want to be a watermelon"
	device := ecetest.Device{
		Private: private(t, "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"),
		Auth:    decode(t, "BTBZMqHH6r4Tts7J_aSIgg"),
	}
	want := decode(t, "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"+
		"mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"+
		"pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN")
	own := private(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
	got, err := ece.SealWith(device.Key(), own, decode(t, "DGv6ra1nlYgDCS1FRnbzlw"), []byte(plaintext))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %x, %v, want %x", got, err, want)
	}
	if plain, err := device.Open(want); err != nil || string(plain) != plaintext {
		t.Errorf("opened: got %q, %v", plain, err)
	}
}

func TestEveryMessageIsOfOneLength(t *testing.T) {
	device := ecetest.New()
	seen := map[string]bool{}
	for _, tt := range []struct{ length, size, want int }{
		{0, 0, ece.Size}, {1, 0, ece.Size}, {1, 0, ece.Size}, {ece.Size - ece.Overhead, 0, ece.Size},
		{7, 200, 200}, {0, ece.Overhead, ece.Overhead}, {ece.MaxSize - ece.Overhead, ece.MaxSize, ece.MaxSize},
	} {
		plaintext := bytes.Repeat([]byte{'x'}, tt.length)
		sealed, err := ece.Seal(device.Key(), plaintext, tt.size)
		if err != nil || len(sealed) != tt.want {
			t.Fatalf("%d bytes into %d: got %d, %v, want %d", tt.length, tt.size, len(sealed), err, tt.want)
		}
		if got, err := device.Open(sealed); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes into %d: opened as %d, %v", tt.length, tt.size, len(got), err)
		}
		if tt.length > 6 && bytes.Contains(sealed, plaintext) {
			t.Error("the plaintext stands in what is sealed")
		}
		if salt := string(sealed[:16]); seen[salt] {
			t.Error("a salt came twice")
		} else {
			seen[salt] = true
		}
	}
}

func TestOnlyItsDeviceReads(t *testing.T) {
	device := ecetest.New()
	sealed, err := ece.Seal(device.Key(), []byte("who asks"), 0)
	if err != nil {
		t.Fatal(err)
	}
	other := device // knows the key pair and not the secret
	other.Auth = bytes.Repeat([]byte{1}, 16)
	for name, d := range map[string]ecetest.Device{"another device": ecetest.New(), "another secret": other} {
		if _, err := d.Open(sealed); err == nil {
			t.Errorf("%s opens it", name)
		}
	}
	for _, i := range []int{0, 30, 90, len(sealed) - 1} {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := device.Open(changed); err == nil {
			t.Errorf("opens with byte %d changed", i)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	good := ecetest.New().Key()
	short := push.DeviceKey{P256DH: good.P256DH[:64], Auth: good.Auth}
	off := push.DeviceKey{P256DH: bytes.Clone(good.P256DH), Auth: good.Auth}
	off.P256DH[64] ^= 1
	for _, tt := range []struct {
		name         string
		key          push.DeviceKey
		length, size int
		want         error
	}{
		{"no key", push.DeviceKey{}, 1, 0, ece.ErrKey},
		{"short point", short, 1, 0, ece.ErrKey},
		{"a point off the curve", off, 1, 0, ece.ErrKey},
		{"the point at infinity", push.DeviceKey{P256DH: []byte{0}, Auth: good.Auth}, 1, 0, ece.ErrKey},
		{"compressed point", push.DeviceKey{P256DH: append([]byte{2}, good.P256DH[1:33]...), Auth: good.Auth}, 1, 0, ece.ErrKey},
		{"no secret", push.DeviceKey{P256DH: good.P256DH}, 1, 0, ece.ErrKey},
		{"long secret", push.DeviceKey{P256DH: good.P256DH, Auth: make([]byte, 17)}, 1, 0, ece.ErrKey},
		{"too long by one", good, ece.Size - ece.Overhead + 1, 0, push.ErrUnfit},
		{"a size that no service takes", good, 1, ece.MaxSize + 1, push.ErrUnfit},
		{"a size that holds nothing", good, 0, ece.Overhead - 1, push.ErrUnfit},
		{"a negative size", good, 0, -1, push.ErrUnfit},
	} {
		sealed, err := ece.Seal(tt.key, make([]byte, tt.length), tt.size)
		if !errors.Is(err, tt.want) || sealed != nil {
			t.Errorf("%s: got %d bytes, %v, want %v", tt.name, len(sealed), err, tt.want)
		}
	}
}

// FuzzSeal: whatever a device registers as its key, sealing ends with an error
// or with what can be read, and never with a panic.
func FuzzSeal(f *testing.F) {
	device := ecetest.New()
	good := device.Key()
	f.Add(good.P256DH, good.Auth, []byte("who asks"), 0)
	f.Add(good.P256DH, good.Auth, []byte(strings.Repeat("x", 1000)), ece.MaxSize)
	f.Add([]byte{4}, []byte{}, []byte{}, -1)
	f.Fuzz(func(t *testing.T, point, auth, plaintext []byte, size int) {
		sealed, err := ece.Seal(push.DeviceKey{P256DH: point, Auth: auth}, plaintext, size)
		switch {
		case err == nil && size != 0 && len(sealed) != size:
			t.Errorf("got %d bytes, want %d", len(sealed), size)
		case err != nil && !errors.Is(err, ece.ErrKey) && !errors.Is(err, push.ErrUnfit):
			t.Errorf("got %v", err)
		}
		sealed, err = ece.Seal(good, plaintext, size)
		if errors.Is(err, push.ErrUnfit) {
			return
		}
		if got, err := device.Open(sealed); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%x came back as %x, %v", plaintext, got, err)
		}
	})
}

// FuzzOpen: the reader of the tests, on what anybody may send it.
func FuzzOpen(f *testing.F) {
	device := ecetest.New()
	sealed, err := ece.Seal(device.Key(), []byte("who asks"), 200)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := device.Open(b); err == nil && string(plain) != "who asks" {
			t.Errorf("opened a forgery: %q", plain)
		}
	})
}
