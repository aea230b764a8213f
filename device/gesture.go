package device

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"time"
)

// Gesture is one use of a passkey that is awaited for something other than a
// request: who comes back to a browser, who takes a lost device out. What is
// signed says what it is for, and it serves once.
type Gesture struct {
	ID        string    // of the caller's choice; one that is saved again replaces the first
	Device    DeviceID  // whose passkey must sign; empty where the answer is to tell
	Purpose   string    // one of the purposes below; a gesture serves no other
	Nonce     []byte    // 32 random bytes
	Statement []byte    // what is signed, as it was shown
	ExpiresAt time.Time // from then on it is as if it never was
}

// The purposes of a gesture.
const (
	PurposeLost   = "lost"   // take another device of the same user out
	PurposeUnlock = "unlock" // sign in again where the session is gone

	PurposeSetCode   = "user_code.set"   // give the user a code of her own, or another
	PurposeClearCode = "user_code.clear" // take it away
	PurposeShow      = "show"            // show codes at a till
)

// GestureLife is how long a user has to answer.
const GestureLife = 5 * time.Minute

// gesturePrefix keeps a signature over a statement from ever meaning a yes to a
// request, which has a prefix of its own (package approval).
const gesturePrefix = "mitome/act/v1\x00"

// NewGesture returns g with a fresh nonce.
func NewGesture(g Gesture) Gesture {
	g.Nonce = make([]byte, challengeSize-sha256.Size)
	rand.Read(g.Nonce) // never fails, says crypto/rand
	return g
}

// Challenge is what the passkey signs: 32 random bytes, then the SHA-256 of the
// statement.
func (g Gesture) Challenge() []byte {
	sum := sha256.Sum256(append([]byte(gesturePrefix), g.Statement...))
	return append(append(make([]byte, 0, challengeSize), g.Nonce...), sum[:]...)
}

// Gestures keeps gestures between their two halves. Package server/store
// implements it.
type Gestures interface {
	// SaveGesture replaces what is kept under g.ID.
	SaveGesture(ctx context.Context, g Gesture) error
	// TakeGesture returns and removes what is kept under id, so that a challenge
	// serves once. It returns ErrGesture when there is nothing, when it is for
	// another purpose (then it stays) and when its time is over at now.
	TakeGesture(ctx context.Context, id, purpose string, now time.Time) (Gesture, error)
}

// Refusal is a passkey's answer that did not hold, for the audit log.
type Refusal struct {
	Act     string // what it was given for
	Request string // if it was about one
	User    UserID
	Device  DeviceID // empty where nobody is known yet
	By      Actor
}
