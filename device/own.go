package device

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Caller is a session that acts on its users' devices.
type Caller struct {
	Devices []Device // that the session stands for, at most one a user
	IP      netip.Addr
}

// by is the caller as the audit log names it when it acts by d.
func (c Caller) by(d Device) Actor { return Actor{Kind: ActorDevice, ID: string(d.ID), IP: c.IP} }

// target returns device id and the caller's device that would act on it, if the
// rules let it. A stranger's device does not exist.
func (s *Service) target(ctx context.Context, c Caller, act Act, id DeviceID) (d, by Device, err error) {
	if d, err = s.Devices.Device(ctx, id); err != nil {
		return Device{}, Device{}, err
	}
	i := slices.IndexFunc(c.Devices, func(own Device) bool { return own.User == d.User })
	if i < 0 {
		return Device{}, Device{}, ErrDeviceNotFound
	}
	return d, c.Devices[i], May(c.Devices[i], act, d)
}

// OwnDevices returns all devices of the caller's users but the revoked, oldest
// first for each.
func (s *Service) OwnDevices(ctx context.Context, c Caller) ([]Device, error) {
	var out []Device
	for _, own := range c.Devices {
		devices, err := s.kept(ctx, own.User)
		if err != nil {
			return nil, err
		}
		out = append(out, devices...)
	}
	return out, nil
}

// RenameOwn gives a device of the caller's another name.
func (s *Service) RenameOwn(ctx context.Context, c Caller, id DeviceID, name string) error {
	_, by, err := s.target(ctx, c, ActRename, id)
	if err != nil {
		return err
	}
	return s.Rename(ctx, id, name, c.by(by))
}

// RevokeOwn ends the caller's very device, or one that cools. Another one that
// is active is ErrNotAllowed: see [Service.LostChallenge].
func (s *Service) RevokeOwn(ctx context.Context, c Caller, id DeviceID) error {
	d, by, err := s.target(ctx, c, ActRevoke, id)
	if err != nil {
		return err
	}
	if d.ID == by.ID {
		return s.Devices.RevokeDevice(ctx, id, c.by(by))
	}
	return s.CancelDevice(ctx, c, id)
}

// ConfirmDevice makes a cooling device active, on the word of an active one.
// That it is active already is no error: the wait was over first.
func (s *Service) ConfirmDevice(ctx context.Context, c Caller, id DeviceID) error {
	d, by, err := s.target(ctx, c, ActConfirm, id)
	if errors.Is(err, ErrNotAllowed) && d.ID != by.ID {
		return nil
	}
	if err != nil {
		return err
	}
	return s.Lifecycle.ActivateDevice(ctx, id, c.by(by))
}

// CancelDevice revokes a cooling device, on the word of an active one. If it
// became active meanwhile it is ErrDeviceChanged.
func (s *Service) CancelDevice(ctx context.Context, c Caller, id DeviceID) error {
	_, by, err := s.target(ctx, c, ActCancel, id)
	if err != nil {
		return err
	}
	return s.Lifecycle.CancelDevice(ctx, id, c.by(by))
}

// Activate ends the cooling of a device on the word of an administrator.
func (s *Service) Activate(ctx context.Context, id DeviceID, by Actor) error {
	d, err := s.Devices.Device(ctx, id)
	if err != nil || d.State == Active {
		return err
	}
	return s.Lifecycle.ActivateDevice(ctx, id, by)
}

// ActivateDue makes up to limit devices active that have cooled off, and returns
// how many.
func (s *Service) ActivateDue(ctx context.Context, limit int) (int, error) {
	due, err := s.Lifecycle.DueDevices(ctx, s.Now(), limit)
	if err != nil {
		return 0, fmt.Errorf("find due devices: %w", err)
	}
	n := 0
	for _, d := range due {
		err := s.Lifecycle.ActivateDevice(ctx, d.ID, Mitome)
		switch {
		case errors.Is(err, ErrDeviceChanged): // confirmed or cancelled in between
		case err != nil:
			return n, fmt.Errorf("activate device %s: %w", d.ID, err)
		default:
			n++
		}
	}
	return n, nil
}
