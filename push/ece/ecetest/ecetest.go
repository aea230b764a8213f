// Package ecetest is the other side of package ece, for tests: a device that
// has a key and reads what was sealed to it.
//
// It does not use ece's derivation, so that a mistake there is seen.
package ecetest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mitome-ciba/mitome/push"
)

// Device is a subscriber with its key pair and its secret.
type Device struct {
	Private *ecdh.PrivateKey
	Auth    []byte
}

// New returns a device with a fresh key.
func New() Device {
	priv, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		panic("ecetest: P-256 key: " + err.Error()) // crypto/rand never fails
	}
	auth := make([]byte, 16)
	rand.Read(auth)
	return Device{priv, auth}
}

// Key is what the device registers.
func (d Device) Key() push.DeviceKey {
	return push.DeviceKey{P256DH: d.Private.PublicKey().Bytes(), Auth: d.Auth}
}

// Open reads a sealed message as RFC 8291 §3 and RFC 8188 §2 tell a browser to.
func (d Device) Open(sealed []byte) ([]byte, error) {
	const header = 16 + 4 + 1
	if len(sealed) < header || len(sealed) < header+int(sealed[header-1]) {
		return nil, errors.New("ecetest: shorter than its header")
	}
	salt, rs, idLen := sealed[:16], binary.BigEndian.Uint32(sealed[16:20]), int(sealed[20])
	sender, record := sealed[header:header+idLen], sealed[header+idLen:]
	if rs < 18 || len(record) >= int(rs) {
		return nil, fmt.Errorf("ecetest: record of %d bytes and a record size of %d", len(record), rs)
	}
	pub, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, fmt.Errorf("ecetest: key id: %w", err)
	}
	shared, err := d.Private.ECDH(pub)
	if err != nil {
		return nil, fmt.Errorf("ecetest: %w", err)
	}
	info := append([]byte("WebPush: info\x00"), d.Private.PublicKey().Bytes()...)
	info = append(append(info, sender...), 1)
	prk := mac(salt, mac(mac(d.Auth, shared), info))
	block, err := aes.NewCipher(mac(prk, []byte("Content-Encoding: aes128gcm\x00\x01"))[:16])
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, mac(prk, []byte("Content-Encoding: nonce\x00\x01"))[:12], record, nil)
	if err != nil {
		return nil, fmt.Errorf("ecetest: %w", err)
	}
	plain = bytes.TrimRight(plain, "\x00")
	if n := len(plain); n == 0 || plain[n-1] != 2 {
		return nil, errors.New("ecetest: no delimiter of the last record")
	}
	return plain[:len(plain)-1], nil
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}
