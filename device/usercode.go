package device

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// UserCode is CIBA Core's user_code: a secret of the user's own, which an OP has
// verified before it asks, so that nobody without it can make her devices ring.
// It has nothing to do with a code that is shown for one request and typed on
// the device (package approval).
type UserCode struct {
	Hash  string    // as hashCode writes it; empty: the user has none
	SetAt time.Time // zero if she has none
}

// UserCodes keeps the users' codes, and how clients fared with them.
type UserCodes interface {
	// UserCode returns the zero UserCode for who has none, and for nobody.
	UserCode(ctx context.Context, u UserID) (UserCode, error)
	// SetUserCode stores or removes a code, moves the counter of the passkey that
	// signed for it, and leaves what was tried as it is: a new secret must not let
	// a guesser begin anew. It returns ErrDeviceChanged if the counter moved
	// meanwhile, and ErrUnknownUser for a user who is gone.
	SetUserCode(ctx context.Context, c UserCodeChange, by Actor) error
	// CodeTries returns the zero CodeTries where nothing was tried yet.
	CodeTries(ctx context.Context, t Tried) (CodeTries, error)
	// ChargeUserCode stores next in place of the version it was computed from;
	// ErrCodeConflict if that has moved.
	ChargeUserCode(ctx context.Context, t Tried, next CodeTries) error
	// LockedUserCode writes into the audit log that a wrong code locked it.
	LockedUserCode(ctx context.Context, t Tried, failures int, by Actor) error
	// ForgiveUserCode forgets the failures.
	ForgiveUserCode(ctx context.Context, t Tried) error
}

// UserCodeChange is a new code of a user.
type UserCodeChange struct {
	User   UserID
	Hash   string         // empty: she has none any more
	Device DeviceID       // whose user changed it; empty: an administrator did
	Used   *CredentialUse // of the passkey that signed for it, if one did
}

// Tried is whose code was tried, and by which client of the OP.
type Tried struct {
	User   UserID // empty: of nobody we know
	Nobody string // then one of a few names for all those
	Client string
}

// The measures of guessing.
const (
	codeTries   = 5 // wrong ones in a row before the first lock
	firstLock   = 15 * time.Minute
	longestLock = 24 * time.Hour

	maxCodeFailures = 100 // after which only an administrator gives new tries (NIST SP 800-63B-4 §3.2.2)

	maxCharges = 20  // that try to be counted before one, at once, for one user
	nobodies   = 256 // names for whoever is unknown: their tries must not fill a table
)

// CodeTries is how often one client's codes for one user were wrong in a row.
type CodeTries struct {
	Failures    int // charged when a code is tried; forgiven if it was right
	LockedUntil time.Time
	Version     int64 // 0: nothing is stored yet
}

// Charge is t with one more try, before it is known whether it is a right one; ok
// is false while none is taken. Five are free. Each one after them is followed by
// a lock twice as long as the last, and the hundredth by one without an end.
func (t CodeTries) Charge(now time.Time) (next CodeTries, ok bool) {
	if now.Before(t.LockedUntil) || t.Failures >= maxCodeFailures {
		return t, false
	}
	t.Failures++
	if over := t.Failures - codeTries; over >= 0 {
		t.LockedUntil = now.Add(min(firstLock<<min(over, 10), longestLock))
	}
	return t, true
}

// NormalizeCode forgives what a phone's keyboard does: full-width digits of a
// Japanese input method, lower case, and what it puts between groups, which is a
// space, a hyphen or one of those that look like it (ー is what a Japanese
// keyboard gives for the key of the hyphen).
func NormalizeCode(code string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Dash, r) || r == 'ー' {
			return -1
		}
		return r
	}, strings.ToUpper(norm.NFKC.String(code)))
}

// CodeTry is a user_code that a client of an OP sent.
type CodeTry struct {
	Subject Subject // who is meant
	Client  string
	Code    string
}

// VerifyUserCode returns nil if the code is the user's, ErrNoUserCode if none was
// given, and ErrUserCode for all else: a wrong one, a locked one, a user without
// one and nobody at all are answered alike, after the same reads, the same write
// and the same hash.
func (s *Service) VerifyUserCode(ctx context.Context, try CodeTry, by Actor) error {
	code := NormalizeCode(try.Code)
	if code == "" {
		return ErrNoUserCode
	}
	u, err := s.FindUser(ctx, try.Subject)
	if err != nil && !errors.Is(err, ErrUnknownUser) {
		return fmt.Errorf("find user: %w", err)
	}
	leave, err := s.hashing.enter(ctx) // before the charge: who finds no place has not tried
	if err != nil {
		return err
	}
	defer leave()
	t := try.tried(u)
	tries, open, err := s.chargeCode(ctx, t)
	if err != nil {
		return err
	}
	kept, err := s.UserCodes.UserCode(ctx, u.ID)
	if err != nil {
		return fmt.Errorf("read user code: %w", err)
	}
	right, err := kept.matches(s.pepper(u.ID, code))
	if err != nil {
		return err
	}
	if !open || !right {
		return s.wrongCode(ctx, t, tries, open, by)
	}
	if err := s.UserCodes.ForgiveUserCode(ctx, t); err != nil {
		return fmt.Errorf("forgive user code: %w", err)
	}
	return nil
}

// tried is what the try is charged to. Those of nobody are charged too, because
// the write takes longer than all the reads together.
func (t CodeTry) tried(u User) Tried {
	if u.ID != "" {
		return Tried{User: u.ID, Client: t.Client}
	}
	h := fnv.New32a() // spreads them; nothing depends on who falls where
	fmt.Fprintf(h, "%q %q %q %q", t.Subject.OP, t.Subject.Sub, t.Subject.Hint.Value, t.Client)
	return Tried{Nobody: fmt.Sprintf("nobody %d", h.Sum32()%nobodies)}
}

// chargeCode charges one try, durably and before it is compared, so that guesses
// sent in parallel are all counted. One that is not taken is written down as well.
func (s *Service) chargeCode(ctx context.Context, t Tried) (next CodeTries, ok bool, err error) {
	for range maxCharges {
		now, err := s.UserCodes.CodeTries(ctx, t)
		if err != nil {
			return CodeTries{}, false, fmt.Errorf("read code tries: %w", err)
		}
		next, ok = now.Charge(s.Now())
		err = s.UserCodes.ChargeUserCode(ctx, t, next)
		if err == nil {
			return next, ok, nil
		}
		if !errors.Is(err, ErrCodeConflict) {
			return CodeTries{}, false, fmt.Errorf("charge user code: %w", err)
		}
	}
	return CodeTries{}, false, ErrCodeBusy // nobody alone is that quick
}

// wrongCode writes down a lock that has just begun, also where nobody is behind
// it: there are few names for those, and another write would tell by its time.
func (s *Service) wrongCode(ctx context.Context, t Tried, tries CodeTries, open bool, by Actor) error {
	if open && tries.Failures >= codeTries {
		if err := s.UserCodes.LockedUserCode(ctx, t, tries.Failures, by); err != nil {
			return fmt.Errorf("note lock of user code: %w", err)
		}
	}
	return ErrUserCode
}

// SetUserCode gives user id a code, on the word of an administrator. It returns
// ErrUserCodeShape for one that cannot be typed or is guessed at once.
func (s *Service) SetUserCode(ctx context.Context, id UserID, code string, by Actor) error {
	if _, err := s.Users.User(ctx, id); err != nil {
		return err
	}
	return s.setCode(ctx, UserCodeChange{User: id}, code, by)
}

// ClearUserCode takes user id's code away; that she has none is no error.
func (s *Service) ClearUserCode(ctx context.Context, id UserID, by Actor) error {
	if _, err := s.Users.User(ctx, id); err != nil {
		return err
	}
	return s.UserCodes.SetUserCode(ctx, UserCodeChange{User: id}, by)
}

// setCode stores code as c says.
func (s *Service) setCode(ctx context.Context, c UserCodeChange, code string, by Actor) error {
	code, err := fitCode(code)
	if err != nil {
		return err
	}
	leave, err := s.hashing.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	c.Hash = hashCode(s.pepper(c.User, code))
	return s.UserCodes.SetUserCode(ctx, c, by)
}

// pepper is what is hashed of a code: a keyed hash of it and its user, because a
// stolen database alone would give up four digits to anybody, argon2 or not.
func (s *Service) pepper(u UserID, code string) []byte {
	return s.CodeKeys.Lookup("user code", string(u)+"\x00"+code)
}
