package approval

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// Pending returns the requests that wait for the caller, oldest first.
func (s *Service) Pending(ctx context.Context, w Who) ([]Request, error) {
	users := w.users()
	if len(users) == 0 {
		return nil, nil
	}
	all, err := s.Store.PendingFor(ctx, users, s.Now())
	return slices.DeleteFunc(all, func(r Request) bool {
		_, ok := w.deviceOf(r)
		return !ok
	}), err
}

// Shown is a request as one device may see it.
type Shown struct {
	Request Request // State is as of now
	View    []byte  // what to show, as JSON
}

// Show returns one request to a device of its user; ErrNotFound to anybody else.
func (s *Service) Show(ctx context.Context, id RequestID, w Who, locale string) (Shown, error) {
	r, d, err := s.owned(ctx, id, w)
	if err != nil {
		return Shown{}, err
	}
	r.State = r.StateAt(s.Now())
	v := s.viewer(r, w, locale)
	if r.State == Pending {
		if v.Unfit, err = s.unfit(ctx, r, d); err != nil {
			return Shown{}, err
		}
	}
	view, err := s.Views.View(r, v)
	if err != nil {
		return Shown{}, fmt.Errorf("view of %s: %w", id, err)
	}
	if r.State == Pending && s.Witness != nil {
		s.Witness.Saw(r, w.actor(d.ID), view)
	}
	return Shown{r, view}, nil
}

// ToSign is the options of one ceremony, and the view that will be signed.
type ToSign struct {
	View    []byte
	Options json.RawMessage // {"publicKey": PublicKeyCredentialRequestOptions}
}

// Challenge readies the caller's device to approve: the view is rendered, kept
// to the byte, and the passkey asked to sign over it. A second call voids the
// first, so a device never holds two ways to say yes.
func (s *Service) Challenge(ctx context.Context, id RequestID, w Who, locale string) (ToSign, error) {
	r, d, err := s.owned(ctx, id, w)
	if err != nil {
		return ToSign{}, err
	}
	if err := r.open(s.Now()); err != nil {
		return ToSign{}, err
	}
	if err := s.Views.Approvable(r); err != nil {
		return ToSign{}, err
	}
	if why, err := s.unfit(ctx, r, d); why != nil || err != nil {
		return ToSign{}, cmp.Or(err, why)
	}
	if err := s.nearEnough(r, w); err != nil {
		return ToSign{}, err
	}
	view, err := s.Views.View(r, s.viewer(r, w, locale))
	if err != nil {
		return ToSign{}, fmt.Errorf("view of %s: %w", id, err)
	}
	ch := newChallenge(id, d.ID, view, s.Now())
	by := w.actor(d.ID)
	ch.User, ch.By = r.UserID, &by
	if err := s.Challenges.SaveChallenge(ctx, ch); err != nil {
		return ToSign{}, fmt.Errorf("save challenge: %w", err)
	}
	options, err := s.Passkeys.AssertionOptions(ctx, d.ID, ch.Bytes())
	if err != nil {
		return ToSign{}, err
	}
	return ToSign{view, options}, nil
}

// open returns ErrSettled or ErrExpired for a request that takes no answer.
func (r Request) open(now time.Time) error {
	switch r.StateAt(now) {
	case Pending:
		return nil
	case Expired:
		return ErrExpired
	}
	return ErrSettled
}

// Answer is what a device sends.
type Answer struct {
	Request   RequestID
	Who       Who
	Verdict   Verdict
	NotMe     bool   // a denial that says "I did not start this"; its consequences need the assertion
	UserCode  string // what was typed, if the request asks for a code
	Assertion []byte // PublicKeyCredential as JSON; of an approval, or of a NotMe that is to have consequences

	capable bool // by a capability, see [Service.DenyBy]
}

// Format implements fmt.Formatter: what was typed stays out of logs and errors.
func (a Answer) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%s of %s", a.Verdict, a.Request) }

// Decide records the user's answer. A yes needs the code, if the request asks
// for one, and a passkey over exactly what was shown. A no needs neither:
// nothing should stand between a user and refusing.
func (s *Service) Decide(ctx context.Context, a Answer) (Request, error) {
	r, d, err := s.owned(ctx, a.Request, a.Who)
	if err != nil {
		return Request{}, err
	}
	if err := r.open(s.Now()); err != nil {
		return r, err
	}
	switch a.Verdict {
	case Deny:
		return s.deny(ctx, r, d, a)
	case Approve:
		return s.approve(ctx, r, d, a)
	}
	return r, fmt.Errorf("approval: verdict %q is neither approve nor deny", a.Verdict)
}

func (s *Service) deny(ctx context.Context, r Request, d device.Device, a Answer) (Request, error) {
	dec := Decision{Verdict: Deny, Reason: ReasonUser, At: s.Now(), Device: d.ID, ByCapability: a.capable}
	by := Change{By: a.Who.actor(d.ID)}
	if a.NotMe && !a.capable {
		dec.Reason = ReasonNotMe
		if disowned, err := s.disown(ctx, r, d, a); !errors.Is(err, errDenyOnly) {
			return disowned, err
		}
	}
	return s.denied(ctx, r, d, dec, by)
}

// denied stores a denial, with what c says besides.
func (s *Service) denied(ctx context.Context, r Request, d device.Device, dec Decision, c Change) (Request, error) {
	return s.apply(ctx, r, Answered{dec}, c, func(c *Change) (err error) {
		if c.Freeze != nil {
			c.Effects = append(c.Effects, Signal{ToWebhook}, Signal{ToSET})
		}
		c.Evidence, err = s.evidence(ctx, c.Next, d, nil, nil)
		return err
	})
}

func (s *Service) approve(ctx context.Context, r Request, d device.Device, a Answer) (Request, error) {
	by := a.Who.actor(d.ID)
	// Asked again although there was a challenge: it may be older than the rule.
	if err := s.Views.Approvable(r); err != nil {
		return r, err
	}
	if err := s.nearEnough(r, a.Who); err != nil {
		return r, err
	}
	if err := s.endBarred(ctx, r); err != nil {
		return r, err
	}
	ch, err := s.Challenges.Challenge(ctx, r.ID, d.ID) // first: a call out of turn costs no try
	if err == nil {
		err = s.unhurried(r, ch)
	}
	if err != nil {
		return r, err
	}
	r, as, err := s.prove(ctx, r, ch, a)
	if err == nil { // by the passkey that signed, and the rules of now; see package policy
		err = s.Policy.Permits(r, r.ceremony(as))
	}
	if err != nil {
		return r, err // the request waits on: another device may be permitted
	}
	dec, met := s.grade(r, d, as)
	use := as.Use()
	r, err = s.apply(ctx, r, Answered{dec}, Change{By: by, Spend: &ch, Used: &use, Calms: met && s.limited(r.OP)}, func(c *Change) (err error) {
		if met {
			c.Evidence, err = s.evidence(ctx, c.Next, d, &ch, &as)
		} else { // the user signed a yes; that it became a no is Mitome's word alone
			c.Evidence, err = s.evidence(ctx, c.Next, d, nil, nil)
		}
		return err
	})
	if err == nil && !met {
		err = ErrACR
	}
	return r, err
}

// prove checks the code, if there is one, and then the passkey. Only both
// together take the user's failures off: whoever holds a stolen session and can
// start requests of his own must not get new guesses by answering those.
func (s *Service) prove(ctx context.Context, r Request, ch Challenge, a Answer) (Request, device.Assertion, error) {
	code := r.Code.Source != NoCode
	if code {
		var err error
		if r, err = s.tryCode(ctx, r, a.UserCode, a.Who.actor(ch.Device)); err != nil {
			return r, device.Assertion{}, err
		}
	}
	as, err := s.Passkeys.VerifyAssertion(ctx, ch.Device, ch.Bytes(), a.Assertion)
	if errors.Is(err, device.ErrPasskey) {
		s.unproved(r, a.Who.actor(ch.Device), "approve")
		return r, as, fmt.Errorf("%w: %w", ErrAssertion, err)
	}
	if err == nil && code {
		err = s.Failures.ForgiveCode(ctx, r.UserID)
	}
	return r, as, err
}

// unproved has written down that what by sent for r as its passkey's answer, in
// order to act so, did not hold.
func (s *Service) unproved(r Request, by device.Actor, act string) {
	if s.Witness != nil {
		s.Witness.Refused(device.Refusal{Act: act, Request: string(r.ID), User: r.UserID, Device: device.DeviceID(by.ID), By: by})
	}
}

// grade turns a verified assertion into a decision. What was asked for and not
// reached becomes a denial, because some OPs would assert it all the same.
func (s *Service) grade(r Request, d device.Device, as device.Assertion) (Decision, bool) {
	now := s.Now()
	code := r.Code.Source != NoCode
	g := s.Policy.Grade(r, r.ceremony(as))
	if !g.Met {
		return Decision{Verdict: Deny, Reason: ReasonACR, At: now, Device: d.ID}, false
	}
	dec := Decision{
		Verdict: Approve, At: now, AuthTime: now, Device: d.ID, Credential: as.Credential.ID,
		ACR: g.ACR, AMR: g.AMR, UserVerified: as.UserVerified, BackedUp: as.BackedUp,
		Rules: g.Rules,
	}
	if code {
		dec.UserCode = "verified"
	}
	return dec, true
}

// Recall takes a request back for its OP or an administrator. To another OP it
// is ErrNotFound.
func (s *Service) Recall(ctx context.Context, id RequestID, by device.Actor) (Request, error) {
	r, err := s.Store.Request(ctx, id)
	if err != nil {
		return Request{}, err
	}
	byOP := by.Kind == device.ActorOP
	if byOP && by.OP() != r.OP {
		return Request{}, ErrNotFound
	}
	return s.apply(ctx, r, Recalled{ByOP: byOP}, Change{By: by}, nil)
}

// Asked returns one of an OP's own requests, its state as of now. To another OP
// it is ErrNotFound: telling "not yours" from "not there" would confirm an id.
func (s *Service) Asked(ctx context.Context, id RequestID, op string) (Request, error) {
	r, err := s.Store.Request(ctx, id)
	if err == nil && (op == "" || r.OP != op) {
		err = ErrNotFound
	}
	if err != nil {
		return Request{}, err
	}
	r.State = r.StateAt(s.Now())
	return r, nil
}

// AskedUnder is Asked for an OP that knows a request by the reference under which
// it asked.
func (s *Service) AskedUnder(ctx context.Context, ref, op string) (Request, error) {
	hash := sha256.Sum256([]byte(ref))
	r, err := s.Store.RequestByRef(ctx, op, hash[:])
	if err != nil {
		return Request{}, err
	}
	r.State = r.StateAt(s.Now())
	return r, nil
}

// Expire settles requests whose time is over, up to limit of them, and returns
// how many it settled. One that is decided meanwhile is none of its business,
// and one that cannot be settled does not keep the others from it.
func (s *Service) Expire(ctx context.Context, limit int) (int, error) {
	due, err := s.Store.DueRequests(ctx, s.Now(), limit)
	if err != nil {
		return 0, fmt.Errorf("due requests: %w", err)
	}
	var n int
	var faults []error
	for _, r := range due {
		_, err := s.apply(ctx, r, Lapsed{}, Change{By: device.Mitome}, nil)
		switch {
		case err == nil:
			n++
		case !errors.Is(err, ErrSettled) && !errors.Is(err, ErrConflict):
			faults = append(faults, err)
		}
	}
	return n, errors.Join(faults...)
}

// apply steps r by ev and stores the outcome together with what c holds besides.
// If r moved meanwhile it is read again and stepped again: a try charged by a
// parallel guess must not turn a user's no into an error. First decision wins
// all the same, because Step moves nothing that is final.
func (s *Service) apply(ctx context.Context, r Request, ev Event, c Change, finish func(*Change) error) (Request, error) {
	devices, err := s.People.DevicesOf(ctx, r.UserID)
	if err != nil {
		return r, fmt.Errorf("find devices: %w", err)
	}
	for range 5 {
		var effects []Effect
		c.Next, effects, err = Step(r, ev, s.Now())
		if err != nil {
			return r, err
		}
		c.Effects = s.fanOut(c.Next, effects, devices)
		if finish != nil {
			if err := finish(&c); err != nil {
				return r, err
			}
		}
		err = s.Store.UpdateRequest(ctx, c)
		if err == nil {
			c.Next.Version++
			return c.Next, nil
		}
		if !errors.Is(err, ErrConflict) {
			return r, fmt.Errorf("store %s: %w", r.ID, err)
		}
		if r, err = s.Store.Request(ctx, r.ID); err != nil {
			return r, err
		}
	}
	return r, ErrConflict
}
