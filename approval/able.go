package approval

import (
	"context"
	"fmt"

	"github.com/mitome-ciba/mitome/device"
)

// able returns those of the devices on which r can be approved: nobody is asked
// in vain. It returns ErrACR if there is none, or if no passkey on them could
// reach what r asks for; whether one may be synced is known since it was made.
//
// A device that is left out is not notified. It lists the request all the same,
// because whoever holds it may refuse.
func (s *Service) able(ctx context.Context, r Request, devices []device.Device) ([]device.Device, error) {
	best := weakest(r)
	picky := s.Policy.Permits(r, best) != nil
	if !picky && len(r.ACRValues) == 0 { // the usual case reads nothing
		return devices, nil
	}
	var out []device.Device
	var why error
	for _, d := range devices {
		passkeys, err := s.Passkeys.CredentialsOf(ctx, d.ID)
		if err != nil {
			return nil, fmt.Errorf("find passkeys: %w", err)
		}
		permitted := !picky
		for _, c := range passkeys {
			k := r.by(c)
			if err := s.Policy.Permits(r, k); err != nil {
				why = err
				continue
			}
			permitted = true
			best = best.orBetter(k)
		}
		if permitted {
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrACR, why)
	}
	if !s.Policy.Grade(r, best).Met {
		return nil, ErrACR
	}
	return out, nil
}

// unfit returns why none of d's passkeys may approve r; nil if one may.
func (s *Service) unfit(ctx context.Context, r Request, d device.Device) (why, err error) {
	if why = s.Policy.Permits(r, weakest(r)); why == nil {
		return nil, nil
	}
	passkeys, err := s.Passkeys.CredentialsOf(ctx, d.ID)
	if err != nil {
		return nil, fmt.Errorf("find passkeys: %w", err)
	}
	for _, c := range passkeys {
		if why = s.Policy.Permits(r, r.by(c)); why == nil {
			return nil, nil
		}
	}
	return why, nil
}

// by is what an approval of r by passkey c will consist of, if all goes well.
// What a rule must know of a passkey is read from it here.
func (r Request) by(c device.Credential) Ceremony {
	return Ceremony{
		UserVerified: true, BackupEligible: c.BackupEligible, UserCode: r.Code.Source != NoCode,
		Attested: c.Proven(), Keys: c.Keys(),
	}
}

// ceremony is what an approval of r consisted of.
func (r Request) ceremony(as device.Assertion) Ceremony {
	c := r.by(as.Credential)
	c.UserVerified, c.BackedUp = as.UserVerified, as.BackedUp
	return c
}

// weakest is the ceremony by the passkey of which the least is known. What it may
// approve every passkey may.
func weakest(r Request) Ceremony {
	return r.by(device.Credential{BackupEligible: true})
}

// orBetter is what either of two passkeys can do.
func (c Ceremony) orBetter(o Ceremony) Ceremony {
	c.BackupEligible = c.BackupEligible && o.BackupEligible
	c.Attested = c.Attested || o.Attested
	if o.Keys == device.KeyHardware {
		c.Keys = o.Keys
	}
	return c
}
