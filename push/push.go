// Package push tries, once, to get a small message to one address of a device,
// and says what came of it.
//
// It knows channels and addresses, and has never heard of a request: what a
// message is about is sealed for the device before it comes here.
//
// # Why
//
// One attempt a Send, because the outbox owns every retry: two layers that
// retry multiply, and a message must never outlive the request it is about.
package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Channel is a way to reach a device. It is the word used in SQL, JSON,
// configuration, metrics and logs.
type Channel string

// The channels that Mitome knows.
const (
	WebSocket Channel = "websocket"
	WebPush   Channel = "webpush" // RFC 8030: browsers, and what speaks UnifiedPush
	FCM       Channel = "fcm"
	APNs      Channel = "apns"
)

// AddressID names an address inside Mitome.
type AddressID string

// Address is where one channel finds one device.
type Address struct {
	ID      AddressID
	Channel Channel
	Target  Target // on a WebSocket the device's id; elsewhere the vendor's token or URL
	Key     DeviceKey
	Since   time.Time // when the device registered it, or last said that it still holds
	Locale  string    // in which to speak to the device: BCP 47 or an Accept-Language header; may be empty

	// Doubtful is since when nothing that was sent there came through; zero
	// while, as far as is known, it holds.
	Doubtful time.Time
}

// Target is what a channel needs to find a device. It is sealed at rest and
// prints as [secret], because whoever holds it may send to the device.
type Target string

// LogValue implements slog.LogValuer.
func (Target) LogValue() slog.Value { return slog.StringValue("[secret]") }

// String implements fmt.Stringer.
func (Target) String() string { return "[secret]" }

// DeviceKey is what a message is sealed to (RFC 8291 §2): the public half of a
// key pair that the device made, and a secret that it shares with whoever may
// send to it. The zero value is a device that brought none. It prints as
// [secret], because the two together let anybody forge a message.
type DeviceKey struct {
	P256DH []byte // a point of P-256, uncompressed: 65 bytes
	Auth   []byte // 16 bytes
}

// IsZero reports whether the device brought no key.
func (k DeviceKey) IsZero() bool { return len(k.P256DH) == 0 && len(k.Auth) == 0 }

// LogValue implements slog.LogValuer.
func (DeviceKey) LogValue() slog.Value { return slog.StringValue("[secret]") }

// Format implements fmt.Formatter, so that no verb reaches the bytes.
func (DeviceKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[secret]")) }

// Kind is what a message asks of the device.
type Kind string

// What a message may ask.
const (
	Show  Kind = "show"  // a request waits: fetch and show it
	Clear Kind = "clear" // a request ended: take it off the screen
	Test  Kind = "test"  // prove that the address works
	// Devices of the user changed: a new one, or one that is no more. Key is the
	// id of the device, which is no secret.
	Devices Kind = "device"
)

// Message is what is sent. It carries no secret and no words of the request
// other than those in Sealed.
type Message struct {
	Kind    Kind
	Key     string        // collapses repeats of the same request; opaque
	Generic string        // catalogue key of the title for a device without a key
	Sealed  []byte        // RFC 8291 body, sealed to this address before Send; may be empty
	TTL     time.Duration // how long the channel may keep trying
}

// Sender sends on one channel. Implementations live in child packages and pass
// pushtest.Run.
type Sender interface {
	Channel() Channel
	// Check refuses an address that is malformed, not of this channel, or not
	// safe to call.
	Check(Address) error
	// Send makes one attempt. Its error, if any, wraps one of the sentinels.
	Send(context.Context, Address, Message) error
}

// What an attempt came to, when it was not taken.
var (
	// ErrGone: the address is dead for ever and is to be removed.
	ErrGone = errors.New("push: address is gone")
	// ErrLater: trying again may help. See [RetryAfter].
	ErrLater = errors.New("push: try again later")
	// ErrBroken: our own credentials were rejected; no address is to blame.
	ErrBroken = errors.New("push: credentials rejected")
	// ErrAbsent: nobody listens there now, and trying again is pointless
	// because the device asks for what is pending when it connects.
	ErrAbsent = errors.New("push: nobody is listening")
	// ErrUnfit: the channel can never carry this message; neither the address
	// nor our credentials are to blame.
	ErrUnfit = errors.New("push: message does not fit the channel")
)
