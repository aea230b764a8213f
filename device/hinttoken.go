package device

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// HintToken is the code by which a phone says at a till whom to ask: an opaque
// one-time id that the till sends on as CIBA's login_hint_token. It says who
// stands there, and is no consent: what is asked is shown on the phone and
// approved there like anything else.
type HintToken struct {
	Digits    Secret    // hintDigits decimal digits, so that a bar code can hold them
	ExpiresAt time.Time // from then on it means nobody
}

// How long codes and what comes of them are good for.
const (
	HintTokenLife = time.Minute
	HintTokenNext = 30 * time.Second // when a phone shows the next one
	HintGrantLife = 5 * time.Minute  // how long a phone shows codes after its passkey signed
	DeviceRefLife = 10 * time.Minute
)

const (
	hintDigits = 20
	// maxShown is how many codes one grant is good for: one each half minute, and
	// some for a page that is hidden and shown again.
	maxShown = 60
)

// KeptHint is what is kept of a code, or of what an OP was given for one.
type KeptHint struct {
	Kind      HintKind
	Value     Secret // kept as a keyed hash
	Device    DeviceID
	OP        string // the connection that may spend it
	ClientID  string // the client that it is for; empty for any
	CreatedAt time.Time
	ExpiresAt time.Time
}

// HintKind is what a kept hint is.
type HintKind string

// The kinds of kept hints.
const (
	HintShown HintKind = "token" // a phone shows it
	HintRef   HintKind = "ref"   // an OP was given it for one, and brings it back with its request
)

// HintUse is one attempt to learn whom a hint means.
type HintUse struct {
	Kind     HintKind
	Value    Secret // as it came
	OP       string // that asks
	ClientID string // for whom it asks
	For      []byte // what it is spent for: the same again finds the same. Empty: never again.
	At       time.Time
	By       Actor
}

// HintGrant is the right of a session to show codes as a device.
type HintGrant struct {
	Session   string
	Device    DeviceID
	Used      CredentialUse // of the passkey that signed for it
	ExpiresAt time.Time
}

// HintTokens keeps codes. Package server/store implements it.
type HintTokens interface {
	// GrantHints stores g in place of what the session had for that device, and
	// moves the passkey's counter; ErrDeviceChanged if that moved meanwhile.
	GrantHints(ctx context.Context, g HintGrant, by Actor) error
	// KeepHintToken stores a code that session shows. Of those of the device that are
	// good the newest stays, and any other is over. It returns ErrHintGrant if the
	// session has no grant as of h.CreatedAt or has used it most times, and
	// ErrDeviceNotFound for a device that is not active.
	KeepHintToken(ctx context.Context, h KeptHint, session string, most int) error
	// SpendHintToken spends what u names, whatever comes of it: ErrUnknownUser if there is
	// no such hint, or it is another connection's or client's; ErrHintSpent if it is
	// over, or was spent for something else. If it is good, then next, if there is
	// one, is stored for the same device.
	SpendHintToken(ctx context.Context, u HintUse, next *KeptHint) (DeviceID, error)
}

// showStatement says what the user agrees to when she unlocks her code.
type showStatement struct {
	Version int             `json:"version"`
	Action  string          `json:"action"`
	User    UserID          `json:"user"`
	Device  statementDevice `json:"device"`
	At      time.Time       `json:"at"`
}

// HintChallenge begins to show codes as device id, which must be the caller's
// own and active. Its passkey must sign for it: a phone that is snatched while it
// is unlocked must not name its owner at a till.
func (s *Service) HintChallenge(ctx context.Context, c Caller, id DeviceID) (ToSign, error) {
	d, err := c.self(id)
	if err != nil {
		return ToSign{}, err
	}
	now := s.Now().UTC()
	text, err := json.Marshal(showStatement{1, "code.show", d.User, statementDevice{d.ID, d.Name}, now})
	if err != nil {
		return ToSign{}, fmt.Errorf("state showing: %w", err)
	}
	g := NewGesture(Gesture{
		ID: showID(d), Device: d.ID, Purpose: PurposeShow, Statement: text, ExpiresAt: now.Add(GestureLife),
	})
	if err := s.Gestures.SaveGesture(ctx, g); err != nil {
		return ToSign{}, fmt.Errorf("save gesture: %w", err)
	}
	options, err := s.AssertionOptions(ctx, d.ID, g.Challenge())
	return ToSign{text, options}, err
}

func showID(d Device) string { return PurposeShow + ":" + string(d.ID) }

// self returns device id if the caller is that device, and it is active.
func (c Caller) self(id DeviceID) (Device, error) {
	for _, d := range c.Devices {
		switch {
		case d.ID != id || d.State == Revoked:
		case d.State == Cooling:
			return Device{}, ErrCooling
		default:
			return d, nil
		}
	}
	return Device{}, ErrDeviceNotFound
}

// GrantHints lets session show codes as device id for [HintGrantLife], given the
// assertion that HintChallenge asked for. It returns until when.
func (s *Service) GrantHints(ctx context.Context, c Caller, g HintGrant, assertion []byte) (time.Time, error) {
	d, err := c.self(g.Device)
	if err != nil {
		return time.Time{}, err
	}
	signed, err := s.Gestures.TakeGesture(ctx, showID(d), PurposeShow, s.Now())
	if err != nil {
		return time.Time{}, err
	}
	as, err := s.VerifyAssertion(ctx, d.ID, signed.Challenge(), assertion)
	if err != nil {
		return time.Time{}, err
	}
	g.Used, g.ExpiresAt = as.Use(), s.Now().Add(HintGrantLife)
	return g.ExpiresAt, s.HintTokens.GrantHints(ctx, g, c.by(d))
}

// NewHintToken returns the next code for session to show as device id. The one
// before stays good to its end, for who is just reading it. It returns
// ErrHintGrant if no passkey has signed of late.
func (s *Service) NewHintToken(ctx context.Context, c Caller, session string, id DeviceID) (HintToken, error) {
	d, err := c.self(id)
	if err != nil {
		return HintToken{}, err
	}
	u, err := s.Users.User(ctx, d.User)
	if err != nil {
		return HintToken{}, fmt.Errorf("user of device: %w", err)
	}
	now := s.Now()
	t := HintToken{newDigits(), now.Add(HintTokenLife)}
	return t, s.HintTokens.KeepHintToken(ctx, KeptHint{
		Kind: HintShown, Value: t.Digits, Device: d.ID, OP: u.OP, CreatedAt: now, ExpiresAt: t.ExpiresAt,
	}, session, maxShown)
}

// newDigits is uniform, about 66 bits: at the rate at which one client may be
// wrong, a code of a minute is not guessed.
func newDigits() Secret {
	n, _ := rand.Int(rand.Reader, new(big.Int).Exp(big.NewInt(10), big.NewInt(hintDigits), nil)) // never fails, says crypto/rand
	return Secret(fmt.Sprintf("%0*d", hintDigits, n))
}

// ResolvedHint is what an OP learns of a code.
type ResolvedHint struct {
	User      User
	Device    Device // that showed it
	Ref       Secret // has a request go to that device alone, see [Service.UseHint]
	ExpiresAt time.Time
}

// ResolveHint spends a code for the OP that asks, and gives it a reference to the
// device that showed it, good once, for that OP and client. It returns
// ErrUnknownUser or ErrHintSpent; either way the code is no good any more.
func (s *Service) ResolveHint(ctx context.Context, u HintUse) (ResolvedHint, error) {
	now := s.Now()
	ref := KeptHint{
		Kind: HintRef, Value: Secret(rand.Text()), OP: u.OP, ClientID: u.ClientID, CreatedAt: now, ExpiresAt: now.Add(DeviceRefLife),
	}
	u.Kind = HintShown
	user, d, err := s.spend(ctx, u, &ref)
	if err != nil {
		return ResolvedHint{}, err
	}
	return ResolvedHint{user, d, ref.Value, ref.ExpiresAt}, nil
}

// UseHint spends a code, or what ResolveHint gave for one, and returns whom it
// means and by which device. It returns ErrUnknownUser or ErrHintSpent.
func (s *Service) UseHint(ctx context.Context, u HintUse) (User, Device, error) {
	return s.spend(ctx, u, nil)
}

func (s *Service) spend(ctx context.Context, u HintUse, next *KeptHint) (User, Device, error) {
	if u.Kind == HintShown {
		u.Value = Secret(strings.ReplaceAll(string(u.Value), " ", "")) // as people type it
	}
	u.At = s.Now()
	id, err := s.HintTokens.SpendHintToken(ctx, u, next)
	if err != nil {
		return User{}, Device{}, err
	}
	d, err := s.Devices.Device(ctx, id)
	switch {
	case errors.Is(err, ErrDeviceNotFound), err == nil && !d.MayApprove():
		return User{}, Device{}, ErrUnknownUser
	case err != nil:
		return User{}, Device{}, fmt.Errorf("device of hint: %w", err)
	}
	user, err := s.Users.User(ctx, d.User)
	return user, d, err
}
