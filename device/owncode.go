package device

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// OwnCode is whether a user of the caller's has a code, and since when.
type OwnCode struct {
	User   User
	Device Device    // the caller's, by which she may change it
	SetAt  time.Time // zero: she has none
}

// codeStatement says what the user agrees to when she changes her code. Neither
// the code nor anything made of it is in it.
type codeStatement struct {
	Version int             `json:"version"`
	Action  string          `json:"action"` // one of the two purposes
	User    UserID          `json:"user"`
	By      statementDevice `json:"by"`
	At      time.Time       `json:"at"`
}

// OwnCodes returns what is known of the codes of the caller's users.
func (s *Service) OwnCodes(ctx context.Context, c Caller) ([]OwnCode, error) {
	var out []OwnCode
	for _, d := range c.Devices {
		u, err := s.Users.User(ctx, d.User)
		if err != nil {
			return nil, fmt.Errorf("find user: %w", err)
		}
		code, err := s.UserCodes.UserCode(ctx, d.User)
		if err != nil {
			return nil, fmt.Errorf("read user code: %w", err)
		}
		out = append(out, OwnCode{u, d, code.SetAt})
	}
	return out, nil
}

// CodeChallenge begins to set the code of the user of id, the caller's own
// device, or to take it away where code is empty. Her passkey must sign for it,
// because a session may be stolen from a browser that is left open. The code is
// only judged here, so that nobody signs for one that is refused.
func (s *Service) CodeChallenge(ctx context.Context, c Caller, id DeviceID, code string) (ToSign, error) {
	d, _, err := s.target(ctx, c, ActUserCode, id)
	if err != nil {
		return ToSign{}, err
	}
	purpose, err := codePurpose(code)
	if err != nil {
		return ToSign{}, err
	}
	now := s.Now().UTC()
	text, err := json.Marshal(codeStatement{1, purpose, d.User, statementDevice{d.ID, d.Name}, now})
	if err != nil {
		return ToSign{}, fmt.Errorf("state change of code: %w", err)
	}
	g := NewGesture(Gesture{
		ID: codeID(purpose, d), Device: d.ID, Purpose: purpose, Statement: text, ExpiresAt: now.Add(GestureLife),
	})
	if err := s.Gestures.SaveGesture(ctx, g); err != nil {
		return ToSign{}, fmt.Errorf("save gesture: %w", err)
	}
	options, err := s.AssertionOptions(ctx, d.ID, g.Challenge())
	return ToSign{text, options}, err
}

// SetOwnCode sets the code of the user of id, or takes it away where code is
// empty, given the assertion that CodeChallenge asked for. The challenge serves
// once, whatever comes of it.
func (s *Service) SetOwnCode(ctx context.Context, c Caller, id DeviceID, code string, assertion []byte) error {
	d, _, err := s.target(ctx, c, ActUserCode, id)
	if err != nil {
		return err
	}
	purpose, err := codePurpose(code)
	if err != nil {
		return err
	}
	g, err := s.Gestures.TakeGesture(ctx, codeID(purpose, d), purpose, s.Now())
	if err != nil {
		return err
	}
	as, err := s.VerifyAssertion(ctx, d.ID, g.Challenge(), assertion)
	if err != nil {
		return err
	}
	used := as.Use()
	change := UserCodeChange{User: d.User, Device: d.ID, Used: &used}
	if purpose == PurposeClearCode {
		return s.UserCodes.SetUserCode(ctx, change, c.by(d))
	}
	return s.setCode(ctx, change, code, c.by(d))
}

// codePurpose is what is done with code, if that may be.
func codePurpose(code string) (string, error) {
	if code == "" {
		return PurposeClearCode, nil
	}
	_, err := fitCode(code)
	return PurposeSetCode, err
}

// codeID: one device does one such thing at a time.
func codeID(purpose string, d Device) string { return purpose + ":" + string(d.ID) }
