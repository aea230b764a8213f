package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/server/seal"
)

// saved returns a ring after a rotation and the path of its file.
func saved(t *testing.T) (*seal.Ring, string) {
	t.Helper()
	r, path := seal.New(), filepath.Join(t.TempDir(), "keys.json")
	r.Rotate()
	if err := r.Save(path); err != nil {
		t.Fatal(err)
	}
	return r, path
}

func TestSaveAndLoad(t *testing.T) {
	r, path := saved(t)
	b := sealed(t, r, "bearer", place)
	codeKey, mac, err := r.CodeMAC("", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := got.Open(b, place); err != nil || string(plain) != "bearer" {
		t.Errorf("got %q, %v", plain, err)
	}
	if _, again, err := got.CodeMAC(codeKey, []byte("1")); err != nil || !bytes.Equal(again, mac) {
		t.Errorf("code: %v", err)
	}
	if !bytes.Equal(got.Lookup("email", "a"), r.Lookup("email", "a")) {
		t.Error("the lookup key is another")
	}
	if got.SigningKey().KeyID != r.SigningKey().KeyID || len(got.PublicKeys().Keys) != 2 {
		t.Errorf("signing key %s, %d published", got.SigningKey().KeyID, len(got.PublicKeys().Keys))
	}
}

func TestSavedFile(t *testing.T) {
	r, path := saved(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	retired := r.SigningKey().KeyID
	r.Rotate()
	if err := r.Save(path); err != nil { // over the old one
		t.Fatal(err)
	}
	if names, err := os.ReadDir(filepath.Dir(path)); err != nil || len(names) != 1 {
		t.Errorf("%d files were left, %v", len(names), err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Sign struct {
			Retired []map[string]any `json:"retired"`
		} `json:"sign"`
	}
	if err := json.Unmarshal(b, &file); err != nil || len(file.Sign.Retired) != 2 {
		t.Fatalf("got %d retired keys, %v", len(file.Sign.Retired), err)
	}
	for _, k := range file.Sign.Retired {
		if _, ok := k["d"]; ok {
			t.Errorf("retired key %v keeps its private half", k["kid"])
		}
	}
	if kid := file.Sign.Retired[1]["kid"]; kid != retired {
		t.Errorf("retired last: %v, want %s", kid, retired)
	}
}

func TestSaveIntoNowhere(t *testing.T) {
	if err := seal.New().Save(filepath.Join(t.TempDir(), "none", "keys.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

func TestLoadRefusesOpenFile(t *testing.T) {
	_, path := saved(t)
	for mode, want := range map[fs.FileMode]error{
		0o600: nil, 0o400: nil, 0o640: seal.ErrKeyFileMode, 0o604: seal.ErrKeyFileMode, 0o620: seal.ErrKeyFileMode, 0o644: seal.ErrKeyFileMode,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Load(path); !errors.Is(err, want) {
			t.Errorf("mode %04o: got %v, want %v", mode, err, want)
		}
	}
	if _, err := seal.Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

func TestLoadRefusesNonsense(t *testing.T) {
	_, path := saved(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const secret = "c2VjcmV0LXRoYXQtbXVzdC1ub3QtYmUtcXVvdGVk"
	// edit returns the good file with one part changed.
	edit := func(change func(m map[string]any)) string {
		var m map[string]any
		if err := json.Unmarshal(good, &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	part := func(m map[string]any, name string) map[string]any { return m[name].(map[string]any) }
	for name, text := range map[string]string{
		"empty":              "",
		"cut":                string(good[:len(good)/2]),
		"not JSON":           secret,
		"wrong type":         `{"version":1,"lookup":"` + secret + `!"}`,
		"other version":      edit(func(m map[string]any) { m["version"] = 2 }),
		"no lookup key":      edit(func(m map[string]any) { delete(m, "lookup") }),
		"short lookup key":   edit(func(m map[string]any) { m["lookup"] = "c2hvcnQ=" }),
		"no seal keys":       edit(func(m map[string]any) { delete(m, "seal") }),
		"current is missing": edit(func(m map[string]any) { part(m, "seal")["current"] = "none" }),
		"short key": edit(func(m map[string]any) {
			part(m, "code")["keys"].([]any)[0].(map[string]any)["key"] = "c2hvcnQ="
		}),
		"one id twice": edit(func(m map[string]any) {
			keys := part(m, "seal")["keys"].([]any)
			keys[0].(map[string]any)["id"] = keys[1].(map[string]any)["id"]
		}),
		"long id": edit(func(m map[string]any) {
			part(m, "seal")["keys"].([]any)[0].(map[string]any)["id"] = "longer-than-eight"
		}),
		"public signing key":   edit(func(m map[string]any) { delete(part(m, "sign")["current"].(map[string]any), "d") }),
		"public key of pushes": edit(func(m map[string]any) { delete(part(m, "webpush"), "d") }),
		"private retired key": edit(func(m map[string]any) {
			part(m, "sign")["retired"] = []any{part(m, "sign")["current"]}
		}),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := seal.Load(path)
		if !errors.Is(err, seal.ErrKeyFile) {
			t.Errorf("%s: got %v, want ErrKeyFile", name, err)
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error quotes the file", name)
		}
	}
}
