package ece

import (
	"crypto/ecdh"

	"github.com/mitome-ciba/mitome/push"
)

// SealWith seals with what Seal draws at random, for the vector of the RFC.
func SealWith(key push.DeviceKey, own *ecdh.PrivateKey, salt, plaintext []byte) ([]byte, error) {
	return seal(sealing{key, own, salt}, plaintext, len(plaintext)+Overhead)
}
