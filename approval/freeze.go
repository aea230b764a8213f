package approval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// PurposeNotMe is of the gesture by which a user says that she did not start a
// request.
const PurposeNotMe = "request.not_me"

// Freeze keeps one client from asking one user for a while, because she said that
// she did not start what it asked.
type Freeze struct {
	User     device.UserID
	ClientID string // of her OP; empty: whoever asks without saying who
	Device   device.DeviceID
	Request  RequestID // of which she said it
	At       time.Time
	Until    time.Time
}

// Bar is why a user may not be asked.
type Bar string

// The bars. To whoever asks, each looks like a user whom nobody knows.
const (
	NotBarred Bar = ""
	BarFrozen Bar = "frozen" // she said that she did not start what this client asked
	BarLocked Bar = "locked" // she, or an administrator, stopped everything
)

// reason is what a request is denied for that waits while b stands.
func (b Bar) reason() Reason {
	if b == BarLocked {
		return ReasonLocked
	}
	return ReasonNotMe
}

// Barred is a request that waits though nobody may ask it any more.
type Barred struct {
	Request RequestID
	Bar     Bar
	By      device.Actor // whose doing the bar is
}

// Bars knows who may not be asked. Package server/store implements it; a freeze is
// written by UpdateRequest.
type Bars interface {
	// BarOf says what keeps user u from being asked by that client at now. Nobody,
	// the empty id, is read like anybody else.
	BarOf(ctx context.Context, u device.UserID, client string, now time.Time) (Bar, error)
	// BarredRequests returns up to limit requests that are pending at now though a
	// bar stands: those of user u, or where u is empty of anybody.
	BarredRequests(ctx context.Context, u device.UserID, now time.Time, limit int) ([]Barred, error)
	// WriteBarred writes down that an ask was turned away, and why.
	WriteBarred(ctx context.Context, t Turned) error
}

// Turned is an ask that a bar turned away.
type Turned struct {
	User     device.UserID
	OP       string
	ClientID string
	Bar      Bar
	By       device.Actor // who asked
}

// bar returns what keeps u from being asked. It is read for a user whom nobody
// knows too, so that time does not tell the one from the other.
func (s *Service) bar(ctx context.Context, u device.UserID, client string) (Bar, error) {
	if s.Bars == nil {
		return NotBarred, nil
	}
	b, err := s.Bars.BarOf(ctx, u, client, s.Now())
	if err != nil {
		return b, fmt.Errorf("read bars: %w", err)
	}
	return b, nil
}

// askable returns ErrUnknownUser where a bar keeps the user of a from being asked,
// and otherwise where she stands. Who asks learns no more than that; the operator
// has it from the log.
func (s *Service) askable(ctx context.Context, u device.UserID, a Ask, by device.Actor) (*Prompts, error) {
	b, p, err := s.standing(ctx, u, a)
	if err != nil || b == NotBarred || u == "" {
		return p, err
	}
	if s.Turned != nil {
		s.Turned(Turned{User: u, OP: a.OP, ClientID: a.ClientID, Bar: b, By: by})
	}
	return nil, ErrUnknownUser
}

// endBarred ends r and returns ErrSettled where a bar stands: of a request that came
// in the moment of a lock nobody gets a yes before the sweeper has been by.
func (s *Service) endBarred(ctx context.Context, r Request) error {
	b, err := s.bar(ctx, r.UserID, r.ClientID)
	if err != nil || b == NotBarred {
		return err
	}
	if _, err = s.apply(ctx, r, Refused{b.reason()}, Change{By: device.Mitome}, nil); err != nil {
		return err
	}
	return ErrSettled
}

// notMeStatement says what the user agrees to when she says that she did not start
// a request.
type notMeStatement struct {
	Version int             `json:"version"`
	Action  string          `json:"action"`
	Request RequestID       `json:"request"`
	OP      string          `json:"op"`
	Client  string          `json:"client"`
	User    device.UserID   `json:"user"`
	Device  device.DeviceID `json:"device"`
	At      time.Time       `json:"at"`
}

// NotMeChallenge begins to say "I did not start this" with what follows from it:
// the client is frozen, its other requests end, and the operator is told. For that
// the passkey must sign, because a session may be stolen from a browser that is
// left open, and whoever stole it could keep a user from her own sign-ins. To deny
// needs none of it.
func (s *Service) NotMeChallenge(ctx context.Context, id RequestID, w Who) (device.ToSign, error) {
	r, d, err := s.owned(ctx, id, w)
	if err != nil {
		return device.ToSign{}, err
	}
	now := s.Now().UTC()
	if err := r.open(now); err != nil {
		return device.ToSign{}, err
	}
	text, err := json.Marshal(notMeStatement{1, PurposeNotMe, r.ID, r.OP, r.ClientID, r.UserID, d.ID, now})
	if err != nil {
		return device.ToSign{}, fmt.Errorf("state not me: %w", err)
	}
	g := device.NewGesture(device.Gesture{
		ID: notMeID(r, d), Device: d.ID, Purpose: PurposeNotMe, Statement: text, ExpiresAt: now.Add(device.GestureLife),
	})
	if err := s.Gestures.SaveGesture(ctx, g); err != nil {
		return device.ToSign{}, fmt.Errorf("save gesture: %w", err)
	}
	options, err := s.Passkeys.AssertionOptions(ctx, d.ID, g.Challenge())
	return device.ToSign{Statement: text, Options: options}, err
}

// notMeID: one device says it of one request once at a time.
func notMeID(r Request, d device.Device) string {
	return PurposeNotMe + ":" + string(d.ID) + ":" + string(r.ID)
}

// errDenyOnly: nothing follows from "I did not start this", and the denial is yet
// to be stored.
var errDenyOnly = errors.New("approval: denial has no consequence")

// disown denies r with what follows from "I did not start this". It returns
// errDenyOnly where the passkey does not say so, or where anything breaks on the
// way: nothing that can fail stands between a user and refusing.
func (s *Service) disown(ctx context.Context, r Request, d device.Device, a Answer) (Request, error) {
	c := Change{By: a.Who.actor(d.ID)}
	if len(a.Assertion) == 0 {
		return r, errDenyOnly
	}
	if err := s.disowned(ctx, r, d, a.Assertion, &c); err != nil {
		return r, fmt.Errorf("%w: %w", errDenyOnly, err)
	}
	denied, err := s.denied(ctx, r, d, Decision{
		Verdict: Deny, Reason: ReasonNotMe, At: c.Freeze.At, Device: d.ID, FrozenUntil: c.Freeze.Until,
	}, c)
	switch {
	case err == nil:
		_, _ = s.WithdrawBarred(ctx, r.UserID, withdrawal) // what it leaves, the sweeper takes
		return denied, nil
	case errors.Is(err, ErrSettled), errors.Is(err, ErrExpired):
		return denied, err
	}
	return r, fmt.Errorf("%w: %w", errDenyOnly, err) // the passkey was used meanwhile, say
}

// disowned checks the passkey that says "I did not start this" and puts into c what
// follows from it. The challenge serves once, whatever comes of it.
func (s *Service) disowned(ctx context.Context, r Request, d device.Device, assertion []byte, c *Change) error {
	g, err := s.Gestures.TakeGesture(ctx, notMeID(r, d), PurposeNotMe, s.Now())
	if err != nil {
		return err
	}
	as, err := s.Passkeys.VerifyAssertion(ctx, d.ID, g.Challenge(), assertion)
	if err != nil {
		if errors.Is(err, device.ErrPasskey) {
			s.unproved(r, c.By, "not_me")
		}
		return err
	}
	use, now := as.Use(), s.Now()
	c.Used = &use
	c.Freeze = &Freeze{
		User: r.UserID, ClientID: r.ClientID, Device: d.ID, Request: r.ID, At: now, Until: now.Add(s.freezeOf(r.OP)),
	}
	return nil
}

// freezeOf is how long a connection freezes a client.
func (s *Service) freezeOf(op string) time.Duration {
	if s.FreezeFor == nil {
		return FreezeTime
	}
	return s.FreezeFor(op)
}

// FreezeTime is how long a client is frozen where nobody says otherwise.
const FreezeTime = 15 * time.Minute

// withdrawal bounds how many requests one call ends.
const withdrawal = 100

// WithdrawBarred ends requests that wait though a bar stands, those of user u or
// of anybody, up to limit, and returns how many. Whoever raises a bar calls it, and
// the sweeper does: for those that came in the same moment, and for a bar whose
// maker fell over after it.
func (s *Service) WithdrawBarred(ctx context.Context, u device.UserID, limit int) (int, error) {
	barred, err := s.Bars.BarredRequests(ctx, u, s.Now(), limit)
	if err != nil {
		return 0, fmt.Errorf("barred requests: %w", err)
	}
	var n int
	var faults []error
	for _, b := range barred {
		r, err := s.Store.Request(ctx, b.Request)
		if err == nil {
			_, err = s.apply(ctx, r, Refused{b.Bar.reason()}, Change{By: b.By}, nil)
		}
		switch {
		case err == nil:
			n++
		case !errors.Is(err, ErrSettled) && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrExpired):
			faults = append(faults, err)
		}
	}
	return n, errors.Join(faults...)
}

// SweepBarred is WithdrawBarred for the sweeper.
func (s *Service) SweepBarred(ctx context.Context, limit int) (int, error) {
	return s.WithdrawBarred(ctx, "", limit)
}

// SignalTarget is a way by which the operator hears of what users report.
type SignalTarget string

// The ways. Each is a job of its own, so that one that fails holds up no other.
const (
	ToWebhook SignalTarget = "webhook"
	ToSET     SignalTarget = "set" // a Security Event Token, RFC 8417
)
