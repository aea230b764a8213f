package seal

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// file is the key file, as JSON.
type file struct {
	Version int     `json:"version"`
	Seal    set     `json:"seal"`
	Code    set     `json:"code"`
	Lookup  []byte  `json:"lookup"`
	Sign    signers `json:"sign"`

	WebPush      *jose.JSONWebKey `json:"webpush,omitempty"`      // not in files made before there was Web Push
	WebPushSince time.Time        `json:"webpush_since,omitzero"` // not in files whose key was never replaced
}

const (
	fileVersion = 1
	maxFile     = 1 << 20
)

// Load reads a key file that is not wrapped. It returns ErrKeyFileMode if
// anybody but the owner may read it, fs.ErrNotExist if it is not there, and
// ErrKeyFile if it makes no sense; the text of that names the fault and quotes
// nothing.
func Load(path string) (*Ring, error) { return KeyFile{Path: path}.Load() }

// Save is KeyFile.Save for a file that is not wrapped.
func (r *Ring) Save(path string) error { return KeyFile{Path: path}.Save(r) }

// readPrivate reads a file that its owner alone may read.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat() // of what is open, not of the name: the name could be changed between
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o, want 0600", ErrKeyFileMode, path, info.Mode().Perm())
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// parse reads the keys themselves.
func parse(b []byte, path string) (*Ring, error) {
	var in file
	if err := json.Unmarshal(b, &in); err != nil {
		// The decoder's own words may quote the file, so they are not passed on.
		return nil, fmt.Errorf("%w: %s is not the JSON of a key file", ErrKeyFile, path)
	}
	if err := in.check(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKeyFile, path, err)
	}
	return &Ring{seal: in.Seal, code: in.Code, lookup: in.Lookup, sign: in.Sign, push: in.WebPush, pushSince: in.WebPushSince}, nil
}

func (f file) check() error {
	if f.Version != fileVersion {
		return fmt.Errorf("version %d, want %d", f.Version, fileVersion)
	}
	if err := f.Seal.check(); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if err := f.Code.check(); err != nil {
		return fmt.Errorf("code: %w", err)
	}
	if len(f.Lookup) != 32 {
		return errors.New("lookup: key is not 32 bytes")
	}
	if err := f.Sign.check(); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	if f.WebPush != nil && !isES256(*f.WebPush) {
		return errors.New("webpush: not a private P-256 key with a kid")
	}
	return nil
}

func isES256(k jose.JSONWebKey) bool {
	priv, ok := k.Key.(*ecdsa.PrivateKey)
	return ok && priv.Curve == elliptic.P256() && k.KeyID != ""
}

func (s *set) check() error {
	seen := map[string]bool{}
	for _, k := range s.Keys {
		if len(k.ID) != idLen || seen[k.ID] {
			return fmt.Errorf("id %q is repeated or not %d long", k.ID, idLen)
		}
		if len(k.Key) != 32 {
			return fmt.Errorf("key %q is not 32 bytes", k.ID)
		}
		seen[k.ID] = true
	}
	if !seen[s.Current] {
		return fmt.Errorf("current key %q is not there", s.Current)
	}
	return nil
}

func (s signers) check() error {
	if !isES256(s.Current) {
		return errors.New("current key is not a private P-256 key with a kid")
	}
	for _, k := range s.Retired {
		if _, ok := k.Key.(*ecdsa.PublicKey); !ok || k.KeyID == "" {
			return fmt.Errorf("retired key %q is not a public key", k.KeyID)
		}
	}
	return nil
}

// marshal writes the keys themselves.
func (r *Ring) marshal() ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := file{fileVersion, r.seal, r.code, r.lookup, r.sign, r.push, r.pushSince}
	if out.Sign.Retired == nil {
		out.Sign.Retired = []jose.JSONWebKey{}
	}
	return json.MarshalIndent(out, "", "  ")
}

// replace puts b at path by way of a synced temporary file beside it.
func replace(path string, b []byte) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".keys-*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // does nothing once renamed
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the new name survive a power loss.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}
