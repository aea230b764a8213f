package device

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// PurposeLock is of the gesture by which a user has everything stopped.
const PurposeLock = "user.lock"

// LockChange has a user locked.
type LockChange struct {
	User   UserID
	Device DeviceID       // whose passkey said so; empty: an administrator does
	Used   *CredentialUse // that passkey's use; nil if an administrator does
}

// Locks keeps who is locked. Package server/store implements it.
type Locks interface {
	// LockUser locks a user, and queues word of it to the operator and to her
	// devices. Of one who is locked the first lock stands. ErrUnknownUser when there
	// is none, ErrDeviceChanged when the passkey's counter moved meanwhile.
	LockUser(ctx context.Context, c LockChange, by Actor) error
	// UnlockUser ends a user's lock, and every freeze of a client for her. It returns
	// ErrUnknownUser when there is none. That she was not locked is no error.
	UnlockUser(ctx context.Context, u UserID, by Actor) error
	// LockOf returns the zero time for a user who is not locked, or not there.
	LockOf(ctx context.Context, u UserID) (at time.Time, by Actor, err error)
}

// lockStatement says what the user agrees to when she has everything stopped.
type lockStatement struct {
	Version int             `json:"version"`
	Action  string          `json:"action"`
	User    UserID          `json:"user"`
	By      statementDevice `json:"by"`
	At      time.Time       `json:"at"`
}

// OwnLocks returns where each of the caller's users stands.
func (s *Service) OwnLocks(ctx context.Context, c Caller) ([]OwnLock, error) {
	var out []OwnLock
	for _, d := range c.Devices {
		u, err := s.Users.User(ctx, d.User)
		if err != nil {
			return nil, fmt.Errorf("find user: %w", err)
		}
		at, _, err := s.Locks.LockOf(ctx, d.User)
		if err != nil {
			return nil, fmt.Errorf("read lock: %w", err)
		}
		out = append(out, OwnLock{User: u, Device: d, At: at})
	}
	return out, nil
}

// OwnLock is whether a user of the caller's is locked, and since when.
type OwnLock struct {
	User   User
	Device Device    // the caller's, by which she may lock
	At     time.Time // zero: she is not
}

// LockChallenge begins to have everything stopped for the user of id, the caller's
// own device. Her passkey must sign for it: whoever stole a session could otherwise
// keep her out of everything, and only an administrator lets her in again.
func (s *Service) LockChallenge(ctx context.Context, c Caller, id DeviceID) (ToSign, error) {
	d, _, err := s.target(ctx, c, ActLock, id)
	if err != nil {
		return ToSign{}, err
	}
	now := s.Now().UTC()
	text, err := json.Marshal(lockStatement{1, PurposeLock, d.User, statementDevice{d.ID, d.Name}, now})
	if err != nil {
		return ToSign{}, fmt.Errorf("state lock: %w", err)
	}
	g := NewGesture(Gesture{ID: lockID(d), Device: d.ID, Purpose: PurposeLock, Statement: text, ExpiresAt: now.Add(GestureLife)})
	if err := s.Gestures.SaveGesture(ctx, g); err != nil {
		return ToSign{}, fmt.Errorf("save gesture: %w", err)
	}
	options, err := s.AssertionOptions(ctx, d.ID, g.Challenge())
	return ToSign{text, options}, err
}

// lockID: one device does it once at a time.
func lockID(d Device) string { return PurposeLock + ":" + string(d.ID) }

// LockOwn stops everything for the user of id, given the assertion that
// LockChallenge asked for. The challenge serves once, whatever comes of it.
func (s *Service) LockOwn(ctx context.Context, c Caller, id DeviceID, assertion []byte) error {
	d, _, err := s.target(ctx, c, ActLock, id)
	if err != nil {
		return err
	}
	g, err := s.Gestures.TakeGesture(ctx, lockID(d), PurposeLock, s.Now())
	if err != nil {
		return err
	}
	as, err := s.VerifyAssertion(ctx, d.ID, g.Challenge(), assertion)
	if err != nil {
		return err
	}
	use := as.Use()
	return s.lock(ctx, LockChange{User: d.User, Device: d.ID, Used: &use}, c.by(d))
}

// LockUser stops everything for a user, on the word of an administrator.
func (s *Service) LockUser(ctx context.Context, id UserID, by Actor) error {
	return s.lock(ctx, LockChange{User: id}, by)
}

func (s *Service) lock(ctx context.Context, c LockChange, by Actor) error {
	if err := s.Locks.LockUser(ctx, c, by); err != nil {
		return err
	}
	if s.Locked != nil {
		s.Locked(ctx, c.User)
	}
	return nil
}

// UnlockUser lets a user be asked again, by clients that she had frozen too. Nobody but an administrator does it: who
// holds her phone may be the one whom she locked out.
func (s *Service) UnlockUser(ctx context.Context, id UserID, by Actor) error {
	return s.Locks.UnlockUser(ctx, id, by)
}

// IsLocked reports whether nobody may ask user id. For nobody it takes as long.
func (s *Service) IsLocked(ctx context.Context, id UserID) (bool, error) {
	if s.Locks == nil {
		return false, nil
	}
	at, _, err := s.Locks.LockOf(ctx, id)
	return !at.IsZero(), err
}
