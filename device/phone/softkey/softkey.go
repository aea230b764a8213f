// Package softkey is a phone's key store in one file: for `mitome device` and
// for machines without secure hardware. It is an authenticator of its own, and
// its passkeys pass any relying party that asks for no attestation.
//
// # Why
//
// It says "user present" and "user verified" with each use, because whoever runs
// the command as the owner of the file is all the gesture there is: the account's
// own login stands for the fingerprint. So a file that others can read is
// refused, and an operator who wants more asks for attestation, which softkey has
// none of, or for hardware. It never says that a passkey may be synced, though a
// file can be copied: a copy shows itself by its sign counter, which runs behind.
//
// The counter is on the disk before the signature leaves. The other way round a
// crash in between would have the next signature refused as a replay.
package softkey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// The failures that a caller can tell apart.
var (
	ErrExposed   = errors.New("softkey: file can be read by others")
	ErrNoPasskey = errors.New("softkey: no passkey for this")
	ErrExists    = errors.New("softkey: a passkey for this exists already")
	ErrOptions   = errors.New("softkey: options ask for what cannot be")
)

// Store is a key file. It implements phone.KeyStore. Several processes may use
// one file at a time.
type Store struct {
	// Pause is how long each use of a passkey takes: a server may refuse an approval
	// that comes sooner than a person reads and moves.
	Pause time.Duration

	path   string
	lock   *lockedfile.Mutex
	rename func(from, to string) error // os.Rename; tests have it fail
}

// content is what the file holds.
type content struct {
	Version int                 `json:"version"`
	Servers map[string]*account `json:"servers"`
}

// account is what one server knows this phone by.
type account struct {
	ProofKey []byte     `json:"proof_key,omitempty"` // PKCS #8, P-256
	State    []byte     `json:"state,omitempty"`
	Passkeys []*passkey `json:"passkeys,omitempty"`
}

// version is of the file's form.
const version = 1

// Open readies the file at path. It need not exist; its folder is made if need
// be. It returns [ErrExposed] for a file that others can read.
func Open(path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	s := &Store{path: path, lock: lockedfile.MutexAt(path + ".lock"), rename: os.Rename}
	_, err := s.read()
	return s, err
}

// ProofKey implements phone.KeyStore.
func (s *Store) ProofKey(server string) ([]byte, error) {
	key, err := s.proofKey(server)
	if err != nil {
		return nil, err
	}
	return key.PublicKey.Bytes()
}

// SignProof implements phone.KeyStore.
func (s *Store) SignProof(server string, data []byte) ([]byte, error) {
	key, err := s.proofKey(server)
	if err != nil {
		return nil, err
	}
	return sign(key, data)
}

// proofKey returns the key that proves calls to server, making it if need be.
func (s *Store) proofKey(server string) (*ecdsa.PrivateKey, error) {
	c, err := s.read()
	if err != nil {
		return nil, err
	}
	if a := c.Servers[server]; a != nil && a.ProofKey != nil {
		return parseKey(a.ProofKey)
	}
	var key *ecdsa.PrivateKey
	err = s.change(server, func(a *account) (err error) {
		if a.ProofKey == nil { // another process may have been quicker
			if a.ProofKey, err = newKey(); err != nil {
				return err
			}
		}
		key, err = parseKey(a.ProofKey)
		return err
	})
	return key, err
}

// Load implements phone.KeyStore.
func (s *Store) Load(server string) ([]byte, error) {
	c, err := s.read()
	if err != nil || c.Servers[server] == nil {
		return nil, err
	}
	return c.Servers[server].State, nil
}

// Save implements phone.KeyStore.
func (s *Store) Save(server string, data []byte) error {
	return s.change(server, func(a *account) error {
		a.State = data
		return nil
	})
}

// Servers returns the servers that the file knows anything of.
func (s *Store) Servers() ([]string, error) {
	c, err := s.read()
	if err != nil {
		return nil, err
	}
	var out []string
	for server := range c.Servers {
		out = append(out, server)
	}
	return out, nil
}

// change edits what is kept for server. No other process reads or writes in
// between, so that two uses of a passkey never take the same count.
func (s *Store) change(server string, edit func(*account) error) error {
	unlock, err := s.lock.Lock()
	if err != nil {
		return fmt.Errorf("lock key file: %w", err)
	}
	defer unlock()
	c, err := s.read()
	if err != nil {
		return err
	}
	if c.Servers[server] == nil {
		c.Servers[server] = &account{}
	}
	if err := edit(c.Servers[server]); err != nil {
		return err
	}
	return s.write(c)
}

// read needs no lock: write replaces the file as a whole.
func (s *Store) read() (content, error) {
	c := content{Version: version, Servers: map[string]*account{}}
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("look at key file: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return c, ErrExposed
	}
	data, err := os.ReadFile(s.path)
	if err != nil {
		return c, fmt.Errorf("read key file: %w", err)
	}
	c.Servers = nil
	if err := json.Unmarshal(data, &c); err != nil || c.Servers == nil {
		return c, errors.New("softkey: file is not a key file") // the decoder's error might quote it
	}
	if c.Version != version {
		return c, fmt.Errorf("softkey: key file of version %d", c.Version)
	}
	return c, nil
}

// write replaces the file, so that a crash leaves the old one or the new one.
func (s *Store) write(c content) error {
	data, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode key file: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(s.path), ".softkey-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	defer os.Remove(temp.Name()) // fails once it has been renamed
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = s.rename(temp.Name(), s.path)
	}
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return syncFolder(filepath.Dir(s.path))
}

// syncFolder makes a rename last through a power cut. Windows has no such call.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// newKey makes a P-256 key, as PKCS #8.
func newKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return der, nil
}

func parseKey(der []byte) (*ecdsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("softkey: key file holds a broken key")
	}
	return key, nil
}

// sign returns an ECDSA signature over the SHA-256 of data, ASN.1 DER.
func sign(key *ecdsa.PrivateKey, data []byte) ([]byte, error) {
	sum := sha256.Sum256(data)
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return sig, nil
}
