// Package ece seals a push message to the device that is to read it: RFC 8291,
// which is RFC 8188's aes128gcm with a key agreed between a key pair of the
// device and one that is made anew for each message.
//
// # Why
//
// It is used on every channel, not on Web Push alone, so that no vendor reads
// who asks whom for what. All messages are padded to one length, because a
// length tells which of a handful of messages it was.
//
// The standard library has all that is needed; the libraries for it bring their
// own HTTP client and sign a token for each message.
package ece

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mitome-ciba/mitome/push"
)

// ErrKey means that a device's key cannot be sealed to.
var ErrKey = errors.New("ece: not a key that a message can be sealed to")

// Size is how long a sealed message is where nothing else was asked for. It
// leaves room for about 900 bytes, and for base64 within a vendor's 4 KiB.
const Size = 1024

// MaxSize is what a push service must take (RFC 8291 §4).
const MaxSize = 4096

// The parts of a sealed message: salt, record size, length of the key id, key
// id (our public key); then the one record with its tag.
const (
	saltLen   = 16
	publicLen = 65
	headerLen = saltLen + 4 + 1 + publicLen
	tagLen    = 16
	authLen   = 16

	// recordSize stands in the header. RFC 8291 §4 wants it larger than the one
	// record that there is; it is the same for all, so that it says nothing.
	recordSize = 4096
	// lastRecord ends the plaintext of the last record; zeros follow as padding.
	lastRecord = 2
)

// Overhead is what sealing adds at least: a message of n bytes fits a size of
// n+Overhead.
const Overhead = headerLen + 1 + tagLen

// Seal encrypts plaintext to key, padded to size bytes in all; zero means
// [Size]. It returns ErrKey if the key is none, and push.ErrUnfit if the
// plaintext is too long for the size or the size for a push service.
func Seal(key push.DeviceKey, plaintext []byte, size int) ([]byte, error) {
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("ece: %w", err)
	}
	salt := make([]byte, saltLen)
	rand.Read(salt) // never fails, says crypto/rand
	return seal(sealing{key, own, salt}, plaintext, size)
}

// public is the device's half of the agreement. NewPublicKey refuses a point
// that is not on the curve, which would give our half away bit by bit.
func public(key push.DeviceKey) (*ecdh.PublicKey, error) {
	if len(key.Auth) != authLen {
		return nil, fmt.Errorf("%w: the secret is not %d bytes", ErrKey, authLen)
	}
	p, err := ecdh.P256().NewPublicKey(key.P256DH)
	if err != nil {
		return nil, fmt.Errorf("%w: not a point of P-256", ErrKey)
	}
	return p, nil
}

// sealing is what a message is sealed with. The last two are fresh each time.
type sealing struct {
	key  push.DeviceKey
	own  *ecdh.PrivateKey
	salt []byte
}

func seal(s sealing, plaintext []byte, size int) ([]byte, error) {
	if size == 0 {
		size = Size
	}
	if size > MaxSize || len(plaintext)+Overhead > size {
		return nil, fmt.Errorf("%w: %d bytes do not fit into %d", push.ErrUnfit, len(plaintext), size)
	}
	device, err := public(s.key)
	if err != nil {
		return nil, err
	}
	shared, err := s.own.ECDH(device)
	if err != nil {
		return nil, fmt.Errorf("%w: no agreement", ErrKey)
	}
	ownPublic := s.own.PublicKey().Bytes()
	gcm, nonce, err := s.cipher(shared)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, size)
	out = append(out, s.salt...)
	out = binary.BigEndian.AppendUint32(out, recordSize)
	out = append(out, publicLen)
	out = append(out, ownPublic...)
	record := make([]byte, size-headerLen-tagLen) // zeros: the padding
	record[copy(record, plaintext)] = lastRecord
	return gcm.Seal(out, nonce, record, nil), nil
}

// cipher returns the cipher and the nonce of a message's one record (RFC 8291
// §3.4, RFC 8188 §2.2). The secret that the device shares with us goes in, so
// that the push service, which sees all public keys, cannot pose as us.
func (s sealing) cipher(shared []byte) (cipher.AEAD, []byte, error) {
	var err error
	expand := func(secret, salt []byte, info string, n int) []byte {
		b, e := hkdf.Key(sha256.New, secret, salt, info, n)
		err = errors.Join(err, e)
		return b
	}
	info := "WebPush: info\x00" + string(s.key.P256DH) + string(s.own.PublicKey().Bytes())
	ikm := expand(shared, s.key.Auth, info, sha256.Size)
	cek := expand(ikm, s.salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce := expand(ikm, s.salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, nil, fmt.Errorf("ece: %w", err)
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, nil, fmt.Errorf("ece: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	return gcm, nonce, err
}
