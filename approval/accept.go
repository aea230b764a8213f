package approval

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// Accept takes an OP's ask: it is judged, stored with all that must follow from
// it, and known to be durable when Accept returns. A repeated ask returns the
// request that it made the first time, with a nil error; one that comes under
// the reference of another is ErrRefReused, one whose time is over ErrExpired.
//
// It returns ErrUnknownUser, ErrBindingMessage, ErrACR, ErrScope, ErrNoCode or
// ErrCodeShape for an ask that cannot be put to anybody. Where a.ReportsRefusals, such an ask
// is stored as a request that is denied already, and its error is nil.
func (s *Service) Accept(ctx context.Context, a Ask, by device.Actor) (Request, error) {
	if a.Ref == "" { // else all asks without one would be repetitions of the first
		return Request{}, errors.New("approval: ask without a reference")
	}
	r := s.newRequest(a)
	if r.StateAt(r.CreatedAt) == Expired { // for all alike, whoever was meant
		return Request{}, ErrExpired
	}
	adm, refusal := s.Policy.Admit(a)
	user, devices, err := s.addressee(ctx, a, by)
	standing, barred := s.askable(ctx, user.ID, a, by)
	if err == nil {
		err = barred
	}
	if !s.passes(a) { // after all was read: it must not be quicker than a stranger's
		err = a.unknown()
	}
	if err != nil { // before a refusal by policy: a stranger learns nothing of the user from it
		refusal = err
	}
	if a.ByCode() && len(devices) == 1 {
		r.OnlyDevice = devices[0].ID
	}
	r.UserID, r.BindingMessage = user.ID, adm.BindingMessage
	if refusal == nil {
		r.Code, refusal = newCode(s.Codes, r.ID, adm.CodeSource, adm.Code)
	}
	if refusal == nil {
		devices, refusal = s.able(ctx, r, devices)
	}
	effects := s.fanOut(r, []Effect{Notify{}}, devices)
	if refusal != nil && !a.ReportsRefusals {
		return s.refused(ctx, r, refusal)
	}
	if refusal != nil {
		if r, effects, err = refuse(r, refusal); err != nil {
			return Request{}, refusal
		}
	}
	return s.create(ctx, r, effects, by, standing)
}

// refused is the answer to an ask that is refused and of which nothing is stored.
// If it repeats one that was taken it is not refused: what was right then stays
// so, though the user's only device is gone meanwhile.
func (s *Service) refused(ctx context.Context, r Request, refusal error) (Request, error) {
	earlier, err := s.Store.RequestByRef(ctx, r.OP, r.RefHash)
	switch {
	case errors.Is(err, ErrNotFound):
		return Request{}, refusal
	case err != nil:
		return Request{}, fmt.Errorf("find repeated request: %w", err)
	}
	return r.repeats(earlier)
}

// newRequest is a in the words of a request; nothing in it is judged yet.
func (s *Service) newRequest(a Ask) Request {
	now := s.Now()
	ref := sha256.Sum256([]byte(a.Ref))
	return Request{
		ID: a.ID, OP: a.OP, RefHash: ref[:], Fingerprint: s.Codes.Lookup("request body", string(a.Body)), Handle: a.Handle,
		ClientID: a.ClientID, ClientName: a.ClientName, Scope: a.Scope,
		ACRValues: a.ACRValues, Context: showable(a.Context),
		State: Pending, CreatedAt: now, ExpiresAt: a.end(now), ReportAfter: now.Add(a.Guard),
	}
}

// LongestLife is how long a user has at most to answer, whatever the OP says: the
// older a question, the likelier that somebody else comes by (NIST SP 800-63B-4
// §3.1.3.2, ASVS 6.5.5).
const LongestLife = 10 * time.Minute

// end is when a's request is over.
func (a Ask) end(now time.Time) time.Time {
	if end := now.Add(LongestLife); a.ExpiresAt.After(end) {
		return end
	}
	return a.ExpiresAt
}

// addressee finds who is meant and her devices that may decide. A user without
// one is unknown, after the same two reads as one who is not there at all.
func (s *Service) addressee(ctx context.Context, a Ask, by device.Actor) (device.User, []device.Device, error) {
	if a.ByCode() {
		return s.shower(ctx, a, by)
	}
	sub := a.Subject
	sub.OP = a.OP // no OP reaches the users of another, whatever its connector read
	u, err := s.People.FindUser(ctx, sub)
	if err != nil && !errors.Is(err, device.ErrUnknownUser) {
		return device.User{}, nil, fmt.Errorf("find user: %w", err)
	}
	all, err := s.People.DevicesOf(ctx, u.ID)
	if err != nil {
		return device.User{}, nil, fmt.Errorf("find devices: %w", err)
	}
	var able []device.Device
	for _, d := range all {
		if d.MayApprove() {
			able = append(able, d)
		}
	}
	if len(able) == 0 {
		return device.User{}, nil, ErrUnknownUser
	}
	return u, able, nil
}

// refuse returns r as denied from the start, for the reason that err stands for.
// It keeps neither who was meant nor what was said: nobody will be shown it.
func refuse(r Request, err error) (Request, []Effect, error) {
	r.UserID, r.OnlyDevice, r.BindingMessage, r.Context = "", "", "", nil
	var reason Reason
	switch {
	case errors.Is(err, ErrUnknownUser):
		reason = ReasonUnknownUser
	case errors.Is(err, ErrHintToken):
		reason = ReasonHintToken
	case errors.Is(err, ErrBindingMessage):
		reason = ReasonBindingMessage
	case errors.Is(err, ErrACR):
		reason = ReasonACR
	case errors.Is(err, ErrScope):
		reason = ReasonScope
	case errors.Is(err, ErrNoCode):
		reason = ReasonNoUserCode
	case errors.Is(err, ErrCodeShape):
		reason = ReasonUserCodeShape
	default: // a fault of ours, not of the ask's
		return r, nil, err
	}
	r, _, err = Step(r, Refused{reason}, r.CreatedAt)
	return r, []Effect{Report{}}, err
}

// create stores r, whose user stands at p; nil is that nothing limits it.
func (s *Service) create(ctx context.Context, r Request, effects []Effect, by device.Actor, p *Prompts) (stored Request, err error) {
	if r.State == Pending && p != nil {
		stored, err = s.prompted(ctx, r, effects, by, *p)
	} else {
		stored, err = s.Store.CreateRequest(ctx, r, effects, by)
	}
	switch {
	case errors.Is(err, ErrDuplicate):
		return r.repeats(stored)
	case err != nil:
		return Request{}, fmt.Errorf("create request: %w", err)
	}
	return stored, nil
}

// repeats returns what is stored under r's reference. The same body is a
// repetition; another is somebody else holding the OP's token, or a broken OP.
func (r Request) repeats(stored Request) (Request, error) {
	if !bytes.Equal(stored.Fingerprint, r.Fingerprint) {
		return Request{}, ErrRefReused
	}
	return stored, nil
}
