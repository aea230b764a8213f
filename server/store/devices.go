package store

import (
	"context"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
)

// TopicRevoked carries the id of a device that was revoked a moment ago.
const TopicRevoked = "device.revoked"

const deviceColumns = `d.id, d.user_id, d.enrollment_id, d.name, d.state, d.created_at, d.active_at, d.revoked_at, d.used_at`

func scanDevice(row scanner) (d device.Device, err error) {
	return d, row.Scan(deviceDest(&d)...)
}

func deviceDest(d *device.Device) []any {
	return []any{
		&d.ID, &d.User, &d.Enrollment, &d.Name, &d.State,
		timeColumn{&d.CreatedAt}, timeColumn{&d.ActiveAt}, timeColumn{&d.RevokedAt}, timeColumn{&d.UsedAt},
	}
}

// Device implements device.Devices.
func (db *DB) Device(ctx context.Context, id device.DeviceID) (device.Device, error) {
	all, err := db.devices(ctx, `d.id = $1`, id)
	if err == nil && len(all) == 0 {
		err = device.ErrDeviceNotFound
	}
	if err != nil {
		return device.Device{}, err
	}
	return all[0], nil
}

// DevicesOf implements device.Devices.
func (db *DB) DevicesOf(ctx context.Context, u device.UserID) ([]device.Device, error) {
	return db.devices(ctx, `d.user_id = $1`, u)
}

// devices reads devices with their addresses, in one query: this is on the way
// of every request that comes in.
func (db *DB) devices(ctx context.Context, where string, arg any) ([]device.Device, error) {
	var out []device.Device
	s := q(`SELECT `+deviceColumns+`, COALESCE(a.id, ''), `+addressColumns+`
		FROM devices d LEFT JOIN addresses a ON a.device_id = d.id
		WHERE `+where+`
		ORDER BY d.created_at, d.id, a.created_at, a.id`, arg)
	err := db.reader().each(ctx, s, func(row scanner) error {
		var d device.Device
		var id push.AddressID
		var stored addressRow
		if err := row.Scan(append(append(deviceDest(&d), &id), stored.dest()...)...); err != nil {
			return err
		}
		if n := len(out); n == 0 || out[n-1].ID != d.ID {
			out = append(out, d)
		}
		if id == "" {
			return nil
		}
		a, err := stored.open(db.ring, id)
		if err != nil {
			return err
		}
		last := &out[len(out)-1]
		last.Addresses = append(last.Addresses, a)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	return out, nil
}

// RenameDevice implements device.Devices.
func (db *DB) RenameDevice(ctx context.Context, id device.DeviceID, name string, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error {
		user, err := first(ctx, t, q(`UPDATE devices SET name = $1 WHERE id = $2 RETURNING user_id`, name, id), one[device.UserID])
		if err != nil {
			return fmt.Errorf("rename device: %w", instead(err, device.ErrDeviceNotFound))
		}
		return t.audit(ctx, audit.Entry{Word: audit.DeviceRenamed, By: by, User: user, Device: id})
	})
}

// RevokeDevice implements device.Devices.
func (db *DB) RevokeDevice(ctx context.Context, id device.DeviceID, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error { return t.revoke(ctx, id, audit.DeviceRevoked, by) })
}

// revoke ends a device and all that it had; word says how it came to that.
func (t *tx) revoke(ctx context.Context, id device.DeviceID, word audit.Word, by device.Actor) error {
	was, err := first(ctx, t, q(`SELECT `+deviceColumns+` FROM devices d WHERE d.id = $1`, id), scanDevice)
	if err != nil {
		return fmt.Errorf("revoke device: %w", instead(err, device.ErrDeviceNotFound))
	}
	n, err := t.exec(ctx, `UPDATE devices SET state = 'revoked', active_at = 0, revoked_at = $1 WHERE id = $2 AND state <> 'revoked'`,
		micros(t.now), id)
	if err != nil {
		return fmt.Errorf("revoke device: %w", err)
	}
	if n == 0 {
		return nil // revoked before
	}
	for _, forget := range []string{
		`DELETE FROM addresses WHERE device_id = $1`,
		`DELETE FROM session_devices WHERE device_id = $1`,
		`DELETE FROM challenges WHERE device_id = $1`,
		`DELETE FROM hint_grants WHERE device_id = $1`,
		`DELETE FROM hint_tokens WHERE device_id = $1`,
	} {
		if _, err := t.exec(ctx, forget, id); err != nil {
			return fmt.Errorf("revoke device: %w", err)
		}
	}
	t.words = append(t.words, notice{TopicRevoked, string(id)})
	if err := t.tell(ctx, was.User, id, ""); err != nil {
		return err
	}
	return t.audit(ctx, audit.Entry{Word: word, By: by, User: was.User, Device: id})
}

// acted writes down that device id did something at a time, to the minute, so
// that a device in steady use costs next to nothing. It comes before whatever
// else touches what belongs to the device: that is the order of revoke, and two
// that lock in different orders wait for each other on PostgreSQL.
func (t *tx) acted(ctx context.Context, id device.DeviceID, at time.Time) error {
	return t.then(ctx, "note use of device", q(`UPDATE devices SET used_at = $1 WHERE id = $2 AND used_at < $3`,
		micros(at), id, micros(at.Add(-time.Minute))))
}

const credentialColumns = `id, device_id, webauthn_id, public_key, aaguid, attestation, sign_count,
	backup_eligible, backed_up, transports, created_at, attested_at, model, key_protection`

func scanCredential(row scanner) (c device.Credential, err error) {
	err = row.Scan(&c.ID, &c.Device, &c.WebAuthnID, &c.PublicKey, &c.AAGUID, &c.Attestation, &c.SignCount,
		&c.BackupEligible, &c.BackedUp, jsonInto(&c.Transports), timeColumn{&c.CreatedAt},
		timeColumn{&c.Attested.At}, &c.Attested.Model, &c.Attested.Keys)
	return c, err
}

// CredentialsOf implements device.Devices.
func (db *DB) CredentialsOf(ctx context.Context, id device.DeviceID) ([]device.Credential, error) {
	out, err := collect(ctx, db.reader(), q(`SELECT `+credentialColumns+`
		FROM credentials WHERE device_id = $1 ORDER BY created_at, id`, id), scanCredential)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	return out, nil
}
