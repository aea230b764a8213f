// Package seal is the one place where Mitome encrypts what it must read again,
// and keeps the keys for what it only compares. Its keys are in one file, the
// [Ring].
//
// # Why
//
// A sealed value names its key and is bound to its table, row and column: one
// copied into another row does not open, so whoever can write the database
// still cannot have an OP told another request's handle.
//
// A key management service is a [Wrapper]: it unwraps the key file when the
// program starts. Behind [Ring.Seal] it would add a network call to every row.
// Who uses the ring declares the few methods it needs, so another holder of keys
// can take its place.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// What can be wrong with keys. Their text names ids and files, never keys.
var (
	ErrKeyFile     = errors.New("seal: key file cannot be used")
	ErrKeyFileMode = errors.New("seal: key file may be read by others")
	ErrKeyWrap     = errors.New("seal: key file is wrapped otherwise")
	ErrKeyUnknown  = errors.New("seal: no key of that id")
	ErrKeyCurrent  = errors.New("seal: key is in use")
	ErrKeyMismatch = errors.New("seal: sealed value does not open")
)

// AAD is the place that a sealed value belongs to.
type AAD struct{ Table, Row, Column string }

// bytes writes each part with its length before it, because otherwise row "a"
// of table "bc" would be bound like row "ab" of table "c".
func (a AAD) bytes(header []byte) []byte {
	b := append([]byte(nil), header...)
	for _, s := range []string{a.Table, a.Row, a.Column} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

// A sealed value is: the format's number, the key's id, nonce ‖ ciphertext ‖ tag.
const (
	format    = 1
	idLen     = 8
	headerLen = 1 + idLen
)

// Seal encrypts plaintext under the current key and binds it to its place.
func (r *Ring) Seal(plaintext []byte, aad AAD) ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	k, ok := r.seal.find(r.seal.Current)
	if !ok {
		return nil, fmt.Errorf("seal %s.%s: %w", aad.Table, aad.Column, ErrKeyUnknown)
	}
	gcm, err := k.gcm()
	if err != nil {
		return nil, fmt.Errorf("seal %s.%s: %w", aad.Table, aad.Column, err)
	}
	header := append([]byte{format}, k.ID...)
	return gcm.Seal(header, nil, plaintext, aad.bytes(header)), nil
}

// Open decrypts what Seal made for the same place. It returns ErrKeyUnknown if
// the key is not in the ring, ErrKeyMismatch if the value was made for another
// place or was changed.
func (r *Ring) Open(sealed []byte, aad AAD) ([]byte, error) {
	id, err := KeyID(sealed)
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w", aad.Table, aad.Column, err)
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	k, ok := r.seal.find(id)
	if !ok {
		return nil, fmt.Errorf("open %s.%s: %w: %q", aad.Table, aad.Column, ErrKeyUnknown, id)
	}
	gcm, err := k.gcm()
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w", aad.Table, aad.Column, err)
	}
	plain, err := gcm.Open(nil, nil, sealed[headerLen:], aad.bytes(sealed[:headerLen]))
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w", aad.Table, aad.Column, ErrKeyMismatch)
	}
	return plain, nil
}

// KeyID returns the id of the key that a value was sealed under.
func KeyID(sealed []byte) (string, error) {
	if len(sealed) < headerLen || sealed[0] != format {
		return "", ErrKeyMismatch
	}
	return string(sealed[1:headerLen]), nil
}

// Lookup returns a keyed hash by which value can be found again and not read.
// Kind keeps equal values of different meaning apart. Its key never rotates,
// because what was hashed cannot be hashed anew.
func (r *Ring) Lookup(kind, value string) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	data := binary.BigEndian.AppendUint32(nil, uint32(len(kind)))
	return mac(derive(r.lookup, "mitome/lookup/v1"), append(append(data, kind...), value...))
}

// TicketKey returns the key of the tickets with which sockets are opened anew. It
// is the same on all nodes, and what it signs is of use for a minute.
func (r *Ring) TicketKey() []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return derive(r.lookup, "mitome/ticket/v1")
}

// CodeMAC implements approval.CodeKeys.
func (r *Ring) CodeMAC(id string, data []byte) (keyID string, sum []byte, err error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if id == "" {
		id = r.code.Current
	}
	k, ok := r.code.find(id)
	if !ok {
		return "", nil, fmt.Errorf("code key %q: %w", id, ErrKeyUnknown)
	}
	return id, mac(derive(k.Key, "mitome/code/v1"), data), nil
}

// gcm draws a fresh nonce for each value: 2³² of them under one key are safe,
// and rotation starts anew.
func (k key) gcm() (cipher.AEAD, error) {
	block, err := aes.NewCipher(derive(k.Key, "mitome/seal/v1"))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// derive gives each purpose a key of its own, so that a key put under the wrong
// heading in the file gives away nothing about the other's use.
func derive(master []byte, purpose string) []byte {
	k, err := hkdf.Key(sha256.New, master, nil, purpose, 32)
	if err != nil {
		panic("seal: HKDF of 32 bytes: " + err.Error()) // only FIPS mode with a short key; Load refuses those
	}
	return k
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}
