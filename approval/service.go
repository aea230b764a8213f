package approval

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// Service is what the rest of Mitome may do with requests. All fields up to Now
// are needed; cmd/mitome/wire.go fills them.
type Service struct {
	Store      Store
	Challenges Challenges
	Failures   Failures
	Past       Past
	People     People
	Hints      Hints
	Passkeys   Passkeys
	Codes      CodeKeys
	Policy     Policy
	Views      Views
	Signer     Signer
	Issuer     string // Mitome's public URL; the iss of evidence
	RPID       string // WebAuthn RP ID of the passkeys
	Now        func() time.Time
	// WaitForSocket is how long the other addresses of a device wait for its
	// socket. Zero asks all at once.
	WaitForSocket time.Duration
	// Bars says who may not be asked, and Gestures keeps what says "I did not start
	// this" between its halves. Without Bars anybody may be.
	Bars     Bars
	Gestures device.Gestures
	// FreezeFor is how long a connection freezes a client; FreezeTime if nil.
	FreezeFor func(op string) time.Duration
	// Turned, if set, is told of each ask that a bar turned away. It must not block:
	// who asks would learn from the time that there is somebody.
	Turned func(Turned)
	// Witness, if set, is told of what changes nothing and belongs into the audit log.
	Witness Witness
	// Limits is how often users may be asked; nil is without limits. With it
	// Prompts is needed.
	Limits  Limits
	Prompts Prompting
	// Places says where addresses are; nil is that nobody knows.
	Places Places
	// Gate bounds how much OPs and clients ask; nil is without bounds.
	Gate Gate
}

// Witness writes down what changes nothing. It must not block. Package
// server/witness implements it.
type Witness interface {
	// Saw is told that a device was given a request that waits, to show it.
	Saw(r Request, by device.Actor, view []byte)
	// Refused is told that a passkey's answer did not hold.
	Refused(r device.Refusal)
}

// People is what requests need to know of users and devices.
type People interface {
	// FindUser returns device.ErrUnknownUser when nobody is meant.
	FindUser(ctx context.Context, s device.Subject) (device.User, error)
	User(ctx context.Context, id device.UserID) (device.User, error)
	DevicesOf(ctx context.Context, u device.UserID) ([]device.Device, error)
}

// Passkeys has a device's passkeys sign, and checks that they did.
type Passkeys interface {
	// CredentialsOf returns the passkeys of one device.
	CredentialsOf(ctx context.Context, d device.DeviceID) ([]device.Credential, error)
	// AssertionOptions returns WebAuthn's PublicKeyCredentialRequestOptions, as
	// JSON, for the passkeys of one device, user verification required.
	AssertionOptions(ctx context.Context, d device.DeviceID, challenge []byte) (json.RawMessage, error)
	// VerifyAssertion returns device.ErrPasskey if any check fails, a counter
	// that was seen before among them.
	VerifyAssertion(ctx context.Context, d device.DeviceID, challenge, assertion []byte) (device.Assertion, error)
}

// Policy is the connection's rules. Package approval/policy implements it.
type Policy interface {
	// Admit judges an ask before anybody sees it. It returns ErrBindingMessage,
	// ErrACR, ErrScope, ErrNoCode or ErrCodeShape.
	Admit(a Ask) (Admission, error)
	// Permits says whether ceremony c may approve r, by the rules of now: of a
	// passkey that is to sign, whether it is worth asking. It returns ErrDeviceBound,
	// ErrAttestation, ErrScope, ErrNoCode or ErrBindingMessage.
	Permits(r Request, c Ceremony) error
	// Far is what becomes of r where it comes from another country than the answer.
	Far(r Request) Far
	// Grade says what a ceremony is worth to the OP that asked.
	Grade(r Request, c Ceremony) Grade
}

// Admission is an ask that may be shown.
type Admission struct {
	BindingMessage string // NFC; what may be shown. Empty where it must be typed instead.
	CodeSource     CodeSource
	Code           string // what must be typed, if CodeSource says so
}

// Format implements fmt.Formatter: the code stays out of logs and errors.
func (a Admission) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "admission of %q, code from %q", a.BindingMessage, a.CodeSource)
}

// Ceremony is what an approval consisted of.
type Ceremony struct {
	UserVerified   bool
	BackupEligible bool
	BackedUp       bool
	UserCode       bool // a code was typed and right
	Attested       bool // the passkey is of a model that was proved and is trusted still
	Keys           device.KeyProtection
}

// Grade is what a ceremony is worth.
type Grade struct {
	ACR string   // the first of the request's acr_values that it reaches; empty if none was asked, or not Met
	AMR []string // RFC 8176
	Met bool     // what was asked for is reached, as far as the OP needs it to be
	// Rules are the keys of the rules about ceremonies that are in force for r.
	Rules []string
}

// Views renders what is shown. Package approval/show implements it.
type Views interface {
	// View returns the exact bytes to be shown and signed, as JSON, in the viewer's
	// locale (an unknown one falls back to English).
	View(r Request, v Viewer) ([]byte, error)
	// Approvable returns ErrUnknownDetails if the view of r says that it can be
	// denied and not approved.
	Approvable(r Request) error
}

// Who is asking: the devices that a session stands for, at most one a user.
type Who struct {
	Devices []device.Device
	Actor   device.Actor // IP of the call; Kind and ID are filled in per request
}

// deviceOf returns the device that may decide r, if this session has one.
func (w Who) deviceOf(r Request) (device.Device, bool) {
	for _, d := range w.Devices {
		if r.UserID != "" && d.User == r.UserID && r.isFor(d) {
			return d, true
		}
	}
	return device.Device{}, false
}

// actor is w as the audit log names it when it acts by device d.
func (w Who) actor(d device.DeviceID) device.Actor {
	a := w.Actor
	a.Kind, a.ID = device.ActorDevice, string(d)
	return a
}

// owned returns request id and the caller's device for it. A stranger's request
// does not exist: telling "not yours" from "not there" would confirm an id.
func (s *Service) owned(ctx context.Context, id RequestID, w Who) (Request, device.Device, error) {
	r, err := s.Store.Request(ctx, id)
	if err != nil {
		return Request{}, device.Device{}, err
	}
	d, ok := w.deviceOf(r)
	if !ok {
		return Request{}, device.Device{}, ErrNotFound
	}
	return r, d, nil
}
