package approval

import (
	"crypto/rand"
	"crypto/sha256"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// Challenge is one device's chance to approve one request: the exact bytes of
// the view that it was shown, and the random half of what its passkey signs.
// It serves once.
type Challenge struct {
	Request   RequestID
	Device    device.DeviceID
	Nonce     []byte // 32 random bytes
	View      []byte // the bytes that were shown, as JSON
	CreatedAt time.Time

	User device.UserID // these two for the audit log; they are not kept
	By   *device.Actor
}

const nonceSize = 32

// challengePrefix keeps a signature over a view from ever meaning anything else.
const challengePrefix = "mitome/tx/v1\x00"

// newChallenge makes a fresh one for view.
func newChallenge(r RequestID, d device.DeviceID, view []byte, now time.Time) Challenge {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce) // never fails, says crypto/rand
	return Challenge{Request: r, Device: d, Nonce: nonce, View: view, CreatedAt: now}
}

// Bytes is what the passkey signs: 32 random bytes, then the SHA-256 of what was
// shown. The random half is what WebAuthn §13.4.3 demands; the other half lets
// an auditor who has only the view and the assertion say what was approved.
func (c Challenge) Bytes() []byte {
	sum := sha256.Sum256(append([]byte(challengePrefix), c.View...))
	return append(append(make([]byte, 0, len(c.Nonce)+len(sum)), c.Nonce...), sum[:]...)
}
