package device

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"

	"github.com/mitome-ciba/mitome/push"
	"golang.org/x/text/unicode/norm"
)

// Secret is a one-time secret: that of an offer, by which a phone may begin to
// pair, or a code that says who stands at a till. It prints as [secret].
type Secret string

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// String implements fmt.Stringer.
func (Secret) String() string { return "[secret]" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "[secret]" }

// MarshalJSON implements json.Marshaler.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"[secret]"`), nil }

func (s Secret) hash() []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// Offer is a pairing that a phone may claim. The secret is here and in the QR
// code; Mitome keeps its hash.
type Offer struct {
	Enrollment Enrollment
	Secret     Secret
}

// Offer begins the pairing of a new device with user id. It returns
// ErrTooManyDevices to one who has as many as she may: of what nobody keeps an
// eye on, one more is not made.
func (s *Service) Offer(ctx context.Context, id UserID, by Actor) (Offer, error) {
	if by.Kind == ActorUser && by.ID != string(id) {
		return Offer{}, ErrUnknownUser // a user offers to herself alone
	}
	if _, err := s.Users.User(ctx, id); err != nil {
		return Offer{}, err
	}
	devices, err := s.kept(ctx, id)
	if err != nil {
		return Offer{}, err
	}
	if len(devices) >= s.maxDevices() {
		return Offer{}, ErrTooManyDevices
	}
	secret, now := Secret(rand.Text()), s.Now() // 130 random bits
	e := Enrollment{
		ID: EnrollmentID(rand.Text()), User: id, SecretHash: secret.hash(), State: Offered,
		OfferedBy: by, CreatedAt: now, ExpiresAt: now.Add(OfferLife),
	}
	if err := s.Enrollments.CreateEnrollment(ctx, e); err != nil {
		return Offer{}, fmt.Errorf("create enrollment: %w", err)
	}
	return Offer{e, secret}, nil
}

// Claim is a phone's try at an offer.
type Claim struct {
	Secret     Secret
	Session    string // id of the session that will hold the device
	DeviceName string // what the phone calls itself
	By         Actor
}

// Claim trades the secret for a place in the pairing. Of two that try, one gets
// it. A secret that is unknown, used or too old is ErrEnrollmentNotFound alike,
// so that nothing is learnt by trying.
func (s *Service) Claim(ctx context.Context, c Claim) (Enrollment, error) {
	name, err := cleanName(c.DeviceName)
	if err != nil {
		return Enrollment{}, err
	}
	if c.Session == "" {
		return Enrollment{}, errors.New("device: claim without a session")
	}
	code, err := newMatchCode()
	if err != nil {
		return Enrollment{}, err
	}
	e, err := s.Enrollments.EnrollmentBySecret(ctx, c.Secret.hash())
	if err != nil {
		return Enrollment{}, err
	}
	e, err = s.move(ctx, e, ClaimedBy{Session: c.Session, DeviceName: name, MatchCode: code}, c.By)
	switch {
	case errors.Is(err, ErrEnrollmentStep), errors.Is(err, ErrEnrollmentOver), errors.Is(err, ErrEnrollmentChanged):
		return Enrollment{}, ErrEnrollmentNotFound
	case err != nil:
		return Enrollment{}, err
	}
	return e, nil
}

// newMatchCode returns six random digits. A screen may group them as it likes.
func newMatchCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("make match code: %w", err)
	}
	return fmt.Sprintf("%06d", n), nil
}

// Enrollment returns one pairing, its state as of now; ErrEnrollmentNotFound
// when there is none. It is for whoever offered it.
func (s *Service) Enrollment(ctx context.Context, id EnrollmentID) (Enrollment, error) {
	e, err := s.Enrollments.Enrollment(ctx, id)
	if err != nil {
		return Enrollment{}, err
	}
	e.State = e.StateAt(s.Now())
	return e, nil
}

// ClaimedBy returns one pairing, its state as of now, to the session that
// claimed it; to any other there is no such pairing.
func (s *Service) ClaimedBy(ctx context.Context, id EnrollmentID, session string) (Enrollment, error) {
	e, err := s.Enrollment(ctx, id)
	if err != nil {
		return Enrollment{}, err
	}
	if session == "" || e.Session != session {
		return Enrollment{}, ErrEnrollmentNotFound
	}
	return e, nil
}

// Confirm is the first screen's word that the phone shows the same match code.
// Another code means that another phone has the secret, so it cancels the whole
// pairing and returns ErrMatchCode.
func (s *Service) Confirm(ctx context.Context, id EnrollmentID, matchCode string, by Actor) (Enrollment, error) {
	e, err := s.Enrollments.Enrollment(ctx, id)
	if err != nil {
		return Enrollment{}, err
	}
	e, err = s.move(ctx, e, ConfirmedBy{MatchCode: normalizeMatchCode(matchCode)}, by)
	if err == nil && e.State == Cancelled {
		err = ErrMatchCode
	}
	return e, err
}

// normalizeMatchCode forgives how a person types what a screen groups: spaces,
// hyphens, and the full-width digits of a Japanese keyboard.
func normalizeMatchCode(code string) string {
	return strings.NewReplacer(" ", "", "-", "").Replace(norm.NFKC.String(code))
}

// Cancel takes a pairing back at any step before there is a device.
func (s *Service) Cancel(ctx context.Context, id EnrollmentID, by Actor) (Enrollment, error) {
	e, err := s.Enrollments.Enrollment(ctx, id)
	if err != nil {
		return Enrollment{}, err
	}
	return s.move(ctx, e, CancelledBy{}, by)
}

// BeginPasskey starts the making of the passkey; it returns
// PublicKeyCredentialCreationOptions as {"publicKey": …}. A second call voids the
// options of the first.
func (s *Service) BeginPasskey(ctx context.Context, id EnrollmentID, session string) (json.RawMessage, error) {
	e, err := s.ClaimedBy(ctx, id, session)
	if err != nil {
		return nil, err
	}
	if e.State.Final() {
		return nil, ErrEnrollmentOver
	}
	if e.State != Confirmed {
		return nil, ErrEnrollmentStep
	}
	u, err := s.Users.User(ctx, e.User)
	if err != nil {
		return nil, fmt.Errorf("user of enrollment %s: %w", id, err)
	}
	options, ceremony, err := s.party(u.OP).BeginRegistration(u, id)
	if err != nil {
		return nil, err
	}
	if err := s.Ceremonies.SaveCeremony(ctx, id, ceremony); err != nil {
		return nil, fmt.Errorf("save ceremony: %w", err)
	}
	return options, nil
}

// NewPasskey is a phone's answer to the options of BeginPasskey.
type NewPasskey struct {
	Enrollment EnrollmentID
	Session    string
	Response   []byte // PublicKeyCredential as JSON
	By         Actor
}

// FinishPasskey ends a pairing: the passkey is checked, and the device, its
// passkey and its WebSocket address come to be together. The challenge serves
// once, so after ErrPasskey or ErrAttestation the phone begins the passkey again,
// perhaps with another authenticator.
func (s *Service) FinishPasskey(ctx context.Context, p NewPasskey) (Device, error) {
	e, err := s.ClaimedBy(ctx, p.Enrollment, p.Session)
	if err != nil {
		return Device{}, err
	}
	now, id := s.Now(), DeviceID(rand.Text())
	next, err := e.Step(CompletedWith{Session: p.Session, Device: id}, now)
	if err != nil {
		return Device{}, err
	}
	ceremony, err := s.Ceremonies.TakeCeremony(ctx, e.ID)
	if err != nil {
		return Device{}, err
	}
	u, err := s.Users.User(ctx, e.User)
	if err != nil {
		return Device{}, fmt.Errorf("user of enrollment %s: %w", e.ID, err)
	}
	c, err := s.party(u.OP).FinishRegistration(ceremony, p.Response)
	if err != nil {
		return Device{}, err
	}
	c.ID, c.Device, c.CreatedAt = CredentialID(rand.Text()), id, now
	d := Device{
		ID: id, User: e.User, Enrollment: e.ID, Name: e.DeviceName, CreatedAt: now,
		Addresses: []push.Address{{ID: push.AddressID(rand.Text()), Channel: push.WebSocket, Target: push.Target(id)}},
	}
	return s.complete(ctx, Completion{Next: next, Device: d, Passkey: c}, p.By)
}

// complete decides how the new device begins, and stores it.
func (s *Service) complete(ctx context.Context, c Completion, by Actor) (Device, error) {
	e := c.Next
	had, err := s.kept(ctx, e.User)
	if err != nil {
		return Device{}, err
	}
	replaced, err := s.Lifecycle.DeviceOfSession(ctx, e.Session, e.User)
	if err != nil && !errors.Is(err, ErrDeviceNotFound) {
		return Device{}, fmt.Errorf("device of session: %w", err)
	}
	c.Had = len(had)
	c.Device.State = beginning(e.OfferedBy, had, replaced)
	if c.Device.State == Cooling {
		c.Device.ActiveAt = c.Device.CreatedAt.Add(cmp.Or(s.CoolingOff, DefaultCoolingOff))
	}
	if replaced.ID == "" && len(had) >= s.maxDevices() {
		return Device{}, ErrTooManyDevices
	}
	if err := s.Enrollments.CompleteEnrollment(ctx, c, by); err != nil {
		return Device{}, err
	}
	return c.Device, nil
}

// kept returns the devices of a user that were not revoked.
func (s *Service) kept(ctx context.Context, u UserID) ([]Device, error) {
	all, err := s.Devices.DevicesOf(ctx, u)
	if err != nil {
		return nil, fmt.Errorf("find devices: %w", err)
	}
	return slices.DeleteFunc(all, func(d Device) bool { return d.State == Revoked }), nil
}

func (s *Service) maxDevices() int { return cmp.Or(s.MaxDevices, DefaultMaxDevices) }

// ExpireEnrollments ends up to limit pairings that are past their time and
// returns how many.
func (s *Service) ExpireEnrollments(ctx context.Context, limit int) (int, error) {
	now, ended := s.Now(), 0
	due, err := s.Enrollments.DueEnrollments(ctx, now, limit)
	if err != nil {
		return 0, fmt.Errorf("find due enrollments: %w", err)
	}
	for _, e := range due {
		_, err := s.move(ctx, e, LapsedAt{}, Mitome)
		switch {
		case errors.Is(err, ErrEnrollmentChanged): // somebody came in between; it is due again if it still is
		case err != nil:
			return ended, fmt.Errorf("expire enrollment %s: %w", e.ID, err)
		default:
			ended++
		}
	}
	return ended, nil
}

// move steps e and stores what it came to.
func (s *Service) move(ctx context.Context, e Enrollment, ev EnrollmentEvent, by Actor) (Enrollment, error) {
	next, err := e.Step(ev, s.Now())
	if err != nil {
		return e, err
	}
	if err := s.Enrollments.UpdateEnrollment(ctx, next, by); err != nil {
		return e, err
	}
	next.Version++
	return next, nil
}
