package device

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// ToSign is what a passkey is asked to sign, and what is to be shown for it.
type ToSign struct {
	Statement []byte          // JSON; exactly these bytes are signed
	Options   json.RawMessage // {"publicKey": PublicKeyCredentialRequestOptions}
}

// lostStatement says what the user agrees to when she reports a device lost.
type lostStatement struct {
	Version int             `json:"version"`
	Action  string          `json:"action"`
	User    UserID          `json:"user"`
	Device  statementDevice `json:"device"`
	By      statementDevice `json:"by"`
	At      time.Time       `json:"at"`
}

type statementDevice struct {
	ID   DeviceID `json:"id"`
	Name string   `json:"name"`
}

// LostChallenge begins to take out another device of the caller's user. The
// caller's own passkey must sign what is done to which device: a session may be
// stolen from a browser that is left open, and the first thing a thief would do
// is to silence the device that could stop him.
func (s *Service) LostChallenge(ctx context.Context, c Caller, id DeviceID) (ToSign, error) {
	d, by, err := s.target(ctx, c, ActLose, id)
	if err != nil {
		return ToSign{}, err
	}
	now := s.Now().UTC()
	text, err := json.Marshal(lostStatement{
		Version: 1, Action: "device.lost", User: d.User, At: now,
		Device: statementDevice{d.ID, d.Name}, By: statementDevice{by.ID, by.Name},
	})
	if err != nil {
		return ToSign{}, fmt.Errorf("state loss: %w", err)
	}
	g := NewGesture(Gesture{
		ID: lostID(by, d), Device: by.ID, Purpose: PurposeLost, Statement: text, ExpiresAt: now.Add(GestureLife),
	})
	if err := s.Gestures.SaveGesture(ctx, g); err != nil {
		return ToSign{}, fmt.Errorf("save gesture: %w", err)
	}
	options, err := s.AssertionOptions(ctx, by.ID, g.Challenge())
	return ToSign{text, options}, err
}

// lostID: one device asks about another one thing at a time.
func lostID(by, d Device) string { return PurposeLost + ":" + string(by.ID) + ":" + string(d.ID) }

// Lost ends device id, given the assertion that LostChallenge asked for. The
// challenge serves once, whatever comes of it.
func (s *Service) Lost(ctx context.Context, c Caller, id DeviceID, assertion []byte) error {
	d, by, err := s.target(ctx, c, ActLose, id)
	if err != nil {
		return err
	}
	g, err := s.Gestures.TakeGesture(ctx, lostID(by, d), PurposeLost, s.Now())
	if err != nil {
		return err
	}
	as, err := s.VerifyAssertion(ctx, by.ID, g.Challenge(), assertion)
	if err != nil {
		return err
	}
	return s.Lifecycle.LoseDevice(ctx, id, as.Use(), c.by(by))
}
