package approval

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/mitome-ciba/mitome/device"
)

// Hints says whom a code means that a device shows. Package device implements it.
type Hints interface {
	// ResolveHint returns device.ErrUnknownUser or device.ErrHintSpent; the code is
	// spent either way.
	ResolveHint(ctx context.Context, u device.HintUse) (device.ResolvedHint, error)
	// UseHint is ResolveHint for whoever needs no reference to the device, or
	// brings that.
	UseHint(ctx context.Context, u device.HintUse) (device.User, device.Device, error)
}

// ResolveHint tells an OP whom a code means, once. It returns ErrUnknownUser or
// ErrHintToken.
func (s *Service) ResolveHint(ctx context.Context, u device.HintUse) (device.ResolvedHint, error) {
	r, err := s.Hints.ResolveHint(ctx, u)
	return r, hintError(err)
}

// ByCode reports whether a device has shown who is meant.
func (a Ask) ByCode() bool { return a.HintToken != "" || a.DeviceRef != "" }

// isFor reports whether device d, which is of r's user, may see r and decide.
func (r Request) isFor(d device.Device) bool {
	return d.MayApprove() && (r.OnlyDevice == "" || r.OnlyDevice == d.ID)
}

// shower returns whose code a brings and the one device that showed it. The code
// is spent for a's reference: an OP that asks again, because it did not hear the
// answer or because we fell over in between, finds the same.
//
// A request that comes by a code must say something. That somebody read a code
// tells who stands there, or who took a picture of it; only what the phone shows
// tells its user what she agrees to.
func (s *Service) shower(ctx context.Context, a Ask, by device.Actor) (device.User, []device.Device, error) {
	ref := sha256.Sum256([]byte(a.Ref))
	use := device.HintUse{Kind: device.HintShown, Value: a.HintToken, OP: a.OP, ClientID: a.ClientID, For: ref[:], By: by}
	if a.HintToken == "" {
		use.Kind, use.Value = device.HintRef, a.DeviceRef
	}
	u, d, err := s.Hints.UseHint(ctx, use)
	if err == nil && a.HintToken == "" {
		err = s.isMeant(ctx, a, u)
	}
	if err != nil {
		return device.User{}, nil, hintError(err)
	}
	if a.BindingMessage == "" && a.UserCode == "" && len(showable(a.Context)) == 0 {
		return device.User{}, nil, ErrBindingMessage
	}
	return u, []device.Device{d}, nil
}

// isMeant returns device.ErrUnknownUser unless a's subject is u: a reference to a
// device says nothing of whom its OP takes the user for.
func (s *Service) isMeant(ctx context.Context, a Ask, u device.User) error {
	sub := a.Subject
	sub.OP = a.OP
	meant, err := s.People.FindUser(ctx, sub)
	if err == nil && meant.ID != u.ID {
		err = device.ErrUnknownUser
	}
	return err
}

// hintError is err in this package's words.
func hintError(err error) error {
	switch {
	case errors.Is(err, device.ErrUnknownUser):
		return ErrUnknownUser
	case errors.Is(err, device.ErrHintSpent):
		return ErrHintToken
	case err != nil:
		return fmt.Errorf("whom a code means: %w", err)
	}
	return nil
}
