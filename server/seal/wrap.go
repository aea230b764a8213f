package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Wrapper encrypts the key file as a whole, so that a copy of it alone, in a
// backup say, is worthless. [FileWrapper] does it with a key from another file.
//
// One that asks a key management service or a security module has these three
// methods and is chosen in cmd/mitome. It is called when the program starts and
// when keys change, never for a row, so it may take a second; how long it waits
// for its service is its own matter.
type Wrapper interface {
	// Name says which key wraps. It stands in the file, for people.
	Name() string
	Wrap(plain []byte) ([]byte, error)
	// Unwrap returns what Wrap was given, or an error that quotes nothing of it.
	Unwrap(wrapped []byte) ([]byte, error)
}

// KeyFile is where a Ring is kept.
type KeyFile struct {
	Path    string
	Wrapper Wrapper // nil: the file is plain, and its owner alone may read it
}

// envelope is a key file that is wrapped, as JSON.
type envelope struct {
	Version int    `json:"version"`
	By      string `json:"wrapped_by"`
	Wrapped []byte `json:"wrapped"`
}

// Load reads the keys, with the errors of the function [Load]. A file that is
// not wrapped where it should be, or the other way round, is ErrKeyWrap: the
// operator thinks that it is something else than it is.
func (f KeyFile) Load() (*Ring, error) {
	b, err := readPrivate(f.Path)
	if err != nil {
		return nil, fmt.Errorf("load keys: %w", err)
	}
	if b, err = f.unwrap(b); err != nil {
		return nil, err
	}
	return parse(b, f.Path)
}

func (f KeyFile) unwrap(b []byte) ([]byte, error) {
	var e envelope
	switch err := json.Unmarshal(b, &e); {
	case err != nil || e.By == "":
		if f.Wrapper == nil {
			return b, nil
		}
		return nil, fmt.Errorf("%w: %s is plain, not by %q", ErrKeyWrap, f.Path, f.Wrapper.Name())
	case f.Wrapper == nil || f.Wrapper.Name() != e.By:
		return nil, fmt.Errorf("%w: %s is, by %q", ErrKeyWrap, f.Path, e.By)
	}
	plain, err := f.Wrapper.Unwrap(e.Wrapped)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: unwrap: %w", ErrKeyFile, f.Path, err)
	}
	return plain, nil
}

// Save writes the keys, readable by the owner alone. The file appears as a whole
// or not at all: half a key file is a database lost.
func (f KeyFile) Save(r *Ring) error {
	b, err := r.marshal()
	if err == nil && f.Wrapper != nil {
		e := envelope{Version: fileVersion, By: f.Wrapper.Name()}
		if e.Wrapped, err = f.Wrapper.Wrap(b); err == nil {
			b, err = json.MarshalIndent(e, "", "  ")
		}
	}
	if err != nil {
		return fmt.Errorf("save keys: %w", err)
	}
	if err := replace(f.Path, append(b, '\n')); err != nil {
		return fmt.Errorf("save keys: %w", err)
	}
	return nil
}

// FileWrapper wraps with AES-256-GCM under a key from a file: one that the
// machine is given when it starts, say, and that no backup holds.
type FileWrapper struct {
	name string
	aead cipher.AEAD
}

// OpenFileWrapper reads the key: 32 random bytes in base64, as `openssl rand
// -base64 32` writes them, in a file that its owner alone may read. Its errors
// are those of [Load].
func OpenFileWrapper(path string) (*FileWrapper, error) {
	b, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("load wrapping key: %w", err)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(string(bytes.TrimSpace(b)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("%w: %s is not 32 bytes in base64", ErrKeyFile, path)
	}
	block, err := aes.NewCipher(derive(key, "mitome/wrap/v1"))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	// The name is of the key and not of the file, so that a file with another
	// key in it is told from a key file that was changed.
	sum := sha256.Sum256(derive(key, "mitome/wrap-name/v1"))
	return &FileWrapper{name: "file-" + hex.EncodeToString(sum[:4]), aead: aead}, nil
}

// Name implements Wrapper.
func (w *FileWrapper) Name() string { return w.name }

// Wrap implements Wrapper.
func (w *FileWrapper) Wrap(plain []byte) ([]byte, error) {
	return w.aead.Seal(nil, nil, plain, []byte(w.name)), nil
}

// Unwrap implements Wrapper.
func (w *FileWrapper) Unwrap(wrapped []byte) ([]byte, error) {
	plain, err := w.aead.Open(nil, nil, wrapped, []byte(w.name))
	if err != nil {
		return nil, errors.New("the file was changed")
	}
	return plain, nil
}

// String implements fmt.Stringer.
func (w *FileWrapper) String() string { return w.name }

// GoString implements fmt.GoStringer.
func (w *FileWrapper) GoString() string { return w.name }
