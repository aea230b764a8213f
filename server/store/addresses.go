package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/seal"
)

const addressColumns = `a.channel, a.target, a.key, a.locale, a.since, a.doubtful_since`

// addressRow is addressColumns. A device without an address has none of them.
type addressRow struct {
	channel, locale *string
	target, key     []byte
	since, doubtful *int64
}

func (r *addressRow) dest() []any {
	return []any{&r.channel, &r.target, &r.key, &r.locale, &r.since, &r.doubtful}
}

// open is the row as an address.
func (r *addressRow) open(ring Sealer, id push.AddressID) (push.Address, error) {
	target, err := ring.Open(r.target, targetAAD(id))
	if err != nil {
		return push.Address{}, fmt.Errorf("address %s: %w", id, err)
	}
	key, err := openKey(ring, r.key, id)
	if err != nil {
		return push.Address{}, fmt.Errorf("key of address %s: %w", id, err)
	}
	return push.Address{
		ID: id, Channel: push.Channel(*r.channel), Target: push.Target(target), Key: key,
		Locale: *r.locale, Since: moment(*r.since), Doubtful: moment(*r.doubtful),
	}, nil
}

func targetAAD(id push.AddressID) seal.AAD {
	return seal.AAD{Table: "addresses", Row: string(id), Column: "target"}
}

func keyAAD(id push.AddressID) seal.AAD {
	return seal.AAD{Table: "addresses", Row: string(id), Column: "key"}
}

// sealKey is nil where there is no key. The first byte is the length of the
// public half, which divides the two.
func sealKey(ring Sealer, k push.DeviceKey, id push.AddressID) ([]byte, error) {
	if k.IsZero() {
		return nil, nil
	}
	if len(k.P256DH) > 255 {
		return nil, fmt.Errorf("store: key of %d bytes", len(k.P256DH))
	}
	plain := append([]byte{byte(len(k.P256DH))}, k.P256DH...)
	return ring.Seal(append(plain, k.Auth...), keyAAD(id))
}

func openKey(ring Sealer, sealed []byte, id push.AddressID) (push.DeviceKey, error) {
	if len(sealed) == 0 {
		return push.DeviceKey{}, nil
	}
	plain, err := ring.Open(sealed, keyAAD(id))
	if err != nil {
		return push.DeviceKey{}, err
	}
	if len(plain) == 0 || len(plain) < 1+int(plain[0]) {
		return push.DeviceKey{}, errors.New("store: key is cut short")
	}
	n := 1 + int(plain[0])
	return push.DeviceKey{P256DH: plain[1:n], Auth: plain[n:]}, nil
}

// Address returns one address and the device it belongs to, without that
// device's other addresses. It returns device.ErrDeviceNotFound if the address
// was removed.
func (db *DB) Address(ctx context.Context, id push.AddressID) (push.Address, device.Device, error) {
	var row addressRow
	d, err := first(ctx, db.reader(), q(`SELECT `+deviceColumns+`, `+addressColumns+`
		FROM addresses a JOIN devices d ON d.id = a.device_id WHERE a.id = $1`, id),
		func(s scanner) (d device.Device, err error) {
			return d, s.Scan(append(deviceDest(&d), row.dest()...)...)
		})
	if err != nil {
		return push.Address{}, device.Device{}, instead(err, device.ErrDeviceNotFound)
	}
	a, err := row.open(db.ring, id)
	if err != nil {
		return push.Address{}, device.Device{}, err
	}
	return a, d, nil
}

// addAddresses stores the addresses of a new device.
func (t *tx) addAddresses(ctx context.Context, d device.Device) error {
	for _, a := range d.Addresses {
		if err := t.insertAddress(ctx, d.ID, a); err != nil {
			return err
		}
	}
	return nil
}

// insertAddress refuses a target that the device has already.
func (t *tx) insertAddress(ctx context.Context, d device.DeviceID, a push.Address) error {
	target, err := t.db.ring.Seal([]byte(a.Target), targetAAD(a.ID))
	if err != nil {
		return err
	}
	key, err := sealKey(t.db.ring, a.Key, a.ID)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `
		INSERT INTO addresses (id, device_id, channel, target, key, locale, target_hash, created_at, since)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		a.ID, d, a.Channel, target, key, a.Locale, t.db.targetHash(a), micros(t.now), micros(a.Since))
	if err != nil {
		return fmt.Errorf("insert address: %w", err)
	}
	return nil
}

// targetHash finds a target again; nil for a socket, whose target says no more
// than its device.
func (db *DB) targetHash(a push.Address) []byte {
	if a.Channel == push.WebSocket {
		return nil
	}
	return db.ring.Lookup("push target", string(a.Channel)+" "+string(a.Target))
}

// AddAddress implements device.Addresses. The device is locked first, so that
// its addresses are counted exactly and none is added to one that is revoked
// meanwhile.
func (db *DB) AddAddress(ctx context.Context, n device.NewAddress, by device.Actor) (id push.AddressID, err error) {
	hash := db.targetHash(n.Address)
	err = db.inTx(ctx, func(t *tx) error {
		user, err := t.lockDevice(ctx, n.Device)
		if err != nil {
			return err
		}
		if err := t.takeOver(ctx, hash, n, by); err != nil {
			return err
		}
		id, err = first(ctx, t, q(`SELECT id FROM addresses WHERE target_hash = $1 AND device_id = $2`, hash, n.Device),
			one[push.AddressID])
		if err == nil {
			return t.refresh(ctx, id, n.Address)
		}
		if err := instead(err, nil); err != nil {
			return fmt.Errorf("find address: %w", err)
		}
		id = n.Address.ID
		if err := t.insertAddress(ctx, n.Device, n.Address); err != nil {
			return err
		}
		if err := t.makeRoom(ctx, n, by); err != nil {
			return err
		}
		if err := t.tryNew(ctx, n.Device, id); err != nil {
			return err
		}
		return t.audit(ctx, audit.Entry{
			Word: audit.AddressAdded, By: by, User: user, Device: n.Device,
			Detail: map[string]string{"address": string(id), "channel": string(n.Address.Channel)},
		})
	})
	return id, err
}

// lockDevice returns whose the device is; device.ErrDeviceNotFound if it is
// revoked.
func (t *tx) lockDevice(ctx context.Context, id device.DeviceID) (device.UserID, error) {
	user, err := first(ctx, t, q(`UPDATE devices SET name = name WHERE id = $1 AND state <> 'revoked' RETURNING user_id`, id),
		one[device.UserID])
	if err != nil {
		return "", fmt.Errorf("lock device: %w", instead(err, device.ErrDeviceNotFound))
	}
	return user, nil
}

// takeOver removes the target from devices that may not share it: whoever holds
// the phone or the browser now is not who held it then. Their jobs that still
// wait find the address gone.
func (t *tx) takeOver(ctx context.Context, hash []byte, n device.NewAddress, by device.Actor) error {
	args := []any{hash, n.Device}
	for _, d := range n.Shared {
		args = append(args, d)
	}
	return t.removeAddresses(ctx, removal{"taken over", by}, q(`DELETE FROM addresses WHERE target_hash = $1
		AND device_id NOT IN (`+list(2, len(args)-1)+`) RETURNING `+removedColumns, args...))
}

// refresh stores what the device says anew of an address that it has.
func (t *tx) refresh(ctx context.Context, id push.AddressID, a push.Address) error {
	key, err := sealKey(t.db.ring, a.Key, id)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE addresses SET key = $1, locale = $2, since = $3, doubtful_since = 0 WHERE id = $4`,
		key, a.Locale, micros(a.Since), id)
	if err != nil {
		return fmt.Errorf("refresh address: %w", err)
	}
	return nil
}

// makeRoom forgets the addresses beyond n.Most, but never the one just added.
func (t *tx) makeRoom(ctx context.Context, n device.NewAddress, by device.Actor) error {
	return t.removeAddresses(ctx, removal{"too many", by}, q(`DELETE FROM addresses
		WHERE device_id = $1 AND channel <> $2 AND id <> $3 AND id NOT IN (
			SELECT id FROM addresses WHERE device_id = $1 AND channel <> $2 AND id <> $3
			ORDER BY since DESC, id LIMIT $4) RETURNING `+removedColumns,
		n.Device, push.WebSocket, n.Address.ID, n.Most-1))
}

// DropAddress implements device.Addresses.
func (db *DB) DropAddress(ctx context.Context, d device.DeviceID, id push.AddressID, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		user, err := t.lockDevice(ctx, d)
		if err != nil {
			return err
		}
		channel, err := first(ctx, t, q(`DELETE FROM addresses WHERE id = $1 AND device_id = $2 RETURNING channel`, id, d), one[string])
		if err != nil {
			return fmt.Errorf("drop address: %w", instead(err, device.ErrAddressNotFound))
		}
		return t.audit(ctx, audit.Entry{
			Word: audit.AddressRemoved, By: by, User: user, Device: d,
			Detail: map[string]string{"address": string(id), "channel": channel, "reason": "dropped"},
		})
	})
}
