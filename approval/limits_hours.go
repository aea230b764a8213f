package approval

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// Hours is when a user does not want to be woken: from From up to To, in minutes
// of the day where she lives, over midnight if To is the earlier. The zero value
// is never.
type Hours struct {
	Zone     string // IANA's name
	From, To int
}

// ErrHours: hours that are none.
var ErrHours = errors.New("approval: invalid quiet hours")

const minutesOfDay = 24 * 60

// Check returns ErrHours if h is neither never nor a time of the day somewhere.
func (h Hours) Check() error {
	if h == (Hours{}) {
		return nil
	}
	for _, m := range []int{h.From, h.To} {
		if m < 0 || m >= minutesOfDay {
			return fmt.Errorf("%w: minute %d", ErrHours, m)
		}
	}
	if h.From == h.To {
		return fmt.Errorf("%w: they end when they begin", ErrHours)
	}
	// "Local" and "" are names that Go knows and nobody lives there.
	if _, err := time.LoadLocation(h.Zone); err != nil || h.Zone == "" || h.Zone == "Local" {
		return fmt.Errorf("%w: unknown zone", ErrHours)
	}
	return nil
}

// Hold reports whether t lies in h. What the clocks there show counts, so that
// the hours keep their place when they are changed in spring and autumn.
func (h Hours) Hold(t time.Time) bool {
	if h == (Hours{}) {
		return false
	}
	zone, err := time.LoadLocation(h.Zone)
	if err != nil { // it was known when it was set
		return false
	}
	local := t.In(zone)
	m := local.Hour()*60 + local.Minute()
	if h.From < h.To {
		return h.From <= m && m < h.To
	}
	return h.From <= m || m < h.To
}

// ClockOf writes a minute of the day as hh:mm.
func ClockOf(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

// OwnHours is the quiet hours of one of the users that a session stands for.
type OwnHours struct {
	User   device.User
	Device device.Device // the session's own, by which they are set
	Hours  Hours
}

// OwnHours returns the quiet hours of each of the caller's users.
func (s *Service) OwnHours(ctx context.Context, w Who) ([]OwnHours, error) {
	var out []OwnHours
	for _, d := range w.Devices {
		u, err := s.People.User(ctx, d.User)
		if err != nil {
			return nil, fmt.Errorf("find user: %w", err)
		}
		h, err := s.Prompts.HoursOf(ctx, u.ID)
		if err != nil {
			return nil, fmt.Errorf("find quiet hours: %w", err)
		}
		out = append(out, OwnHours{User: u, Device: d, Hours: h})
	}
	return out, nil
}

// SetOwnHours sets the quiet hours of the user whose device is one of the
// caller's. It needs no passkey: who holds a session that is not his can by this
// make a phone silent, and what he then has asked waits in its list all the same.
func (s *Service) SetOwnHours(ctx context.Context, w Who, id device.DeviceID, h Hours) error {
	for _, d := range w.Devices {
		if d.ID != id {
			continue
		}
		if !d.MayApprove() {
			return device.ErrCooling
		}
		if err := h.Check(); err != nil {
			return err
		}
		return s.Prompts.SetHours(ctx, d.User, h, w.actor(d.ID))
	}
	return device.ErrDeviceNotFound
}
