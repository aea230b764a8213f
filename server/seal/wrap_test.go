package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/server/seal"
)

// wrappingKey is a file with a key, as openssl rand -base64 32 writes it.
func wrappingKey(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wrap")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	wrapA = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	wrapB = "IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

func wrapper(t *testing.T, text string) *seal.FileWrapper {
	t.Helper()
	w, err := seal.OpenFileWrapper(wrappingKey(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWrappedKeyFile(t *testing.T) {
	a, b := wrapper(t, wrapA), wrapper(t, wrapB)
	r, plain := saved(t)
	f := seal.KeyFile{Path: filepath.Join(t.TempDir(), "keys.json"), Wrapper: a}
	if err := f.Save(r); err != nil {
		t.Fatal(err)
	}
	got, err := f.Load()
	if err != nil {
		t.Fatal(err)
	}
	if got.SigningKey().KeyID != r.SigningKey().KeyID || !bytes.Equal(got.Lookup("k", "v"), r.Lookup("k", "v")) {
		t.Error("other keys came back")
	}
	if info, err := os.Stat(f.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	for name, f := range map[string]seal.KeyFile{
		"another key":         {Path: f.Path, Wrapper: b},
		"none":                {Path: f.Path},
		"a file that is bare": {Path: plain, Wrapper: a},
	} {
		if _, err := f.Load(); !errors.Is(err, seal.ErrKeyWrap) {
			t.Errorf("%s: got %v, want ErrKeyWrap", name, err)
		}
	}
}

// TestWrappedFileHidesKeys: nothing of the plain file stands in the wrapped one,
// not even how many keys there are by name.
func TestWrappedFileHidesKeys(t *testing.T) {
	r, plain := saved(t)
	f := seal.KeyFile{Path: filepath.Join(t.TempDir(), "keys.json"), Wrapper: wrapper(t, wrapA)}
	if err := f.Save(r); err != nil {
		t.Fatal(err)
	}
	in, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsFuncSeq(string(in), func(r rune) bool { return strings.ContainsRune("\", {}[]:\n", r) }) {
		if len(word) >= 8 && bytes.Contains(out, []byte(word)) {
			t.Errorf("%q stands in the wrapped file", word)
		}
	}
}

func TestWrappedFileChanged(t *testing.T) {
	w := wrapper(t, wrapA)
	wrapped, err := w.Wrap([]byte("keys"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range wrapped {
		changed := bytes.Clone(wrapped)
		changed[i] ^= 1
		if _, err := w.Unwrap(changed); err == nil {
			t.Errorf("byte %d changed, and it opens", i)
		}
	}
	for _, short := range [][]byte{nil, wrapped[:5], wrapped[:len(wrapped)-1]} {
		if _, err := w.Unwrap(short); err == nil {
			t.Errorf("%d bytes open", len(short))
		}
	}
}

func TestWrappingKeyRefused(t *testing.T) {
	const secret = "c2VjcmV0LXRoYXQtbXVzdC1ub3QtYmUtcXVvdGVk"
	open := wrappingKey(t, wrapA)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		open:                             seal.ErrKeyFileMode,
		filepath.Join(t.TempDir(), "no"): fs.ErrNotExist,
		wrappingKey(t, ""):               seal.ErrKeyFile,
		wrappingKey(t, secret):           seal.ErrKeyFile, // 30 bytes
		wrappingKey(t, secret+"!"):       seal.ErrKeyFile,
	} {
		_, err := seal.OpenFileWrapper(path)
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if strings.Contains(fmt.Sprint(err), secret) {
			t.Error("the error quotes the file")
		}
	}
}

// service is a Wrapper as somebody would write it for a key management service;
// what it holds is never in this process.
type service struct{ kept map[string][]byte }

func (service) Name() string { return "kms/keys/mitome" }

func (s service) Wrap(plain []byte) ([]byte, error) {
	s.kept["blob"] = bytes.Clone(plain)
	return []byte("blob"), nil
}

func (s service) Unwrap(wrapped []byte) ([]byte, error) {
	plain, ok := s.kept[string(wrapped)]
	if !ok {
		return nil, errors.New("the service is away")
	}
	return plain, nil
}

// TestOtherWrapper: whatever has the three methods holds the keys, and what it
// says when it cannot is passed on.
func TestOtherWrapper(t *testing.T) {
	s := service{map[string][]byte{}}
	f := seal.KeyFile{Path: filepath.Join(t.TempDir(), "keys.json"), Wrapper: s}
	r := seal.New()
	if err := f.Save(r); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Load(); err != nil || got.SigningKey().KeyID != r.SigningKey().KeyID {
		t.Errorf("got %v, %v", got, err)
	}
	delete(s.kept, "blob")
	if _, err := f.Load(); !errors.Is(err, seal.ErrKeyFile) || !strings.Contains(err.Error(), "the service is away") {
		t.Errorf("got %v, want ErrKeyFile and why", err)
	}
}

func TestWrapperPrintsNothing(t *testing.T) {
	w := wrapper(t, wrapA)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, w); got != w.Name() {
			t.Errorf("%s: got %s, want its name", verb, got)
		}
	}
}
