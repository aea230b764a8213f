package store

import (
	"context"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
)

const enrollmentColumns = `id, user_id, secret_hash, match_code, session_id, device_name, device_id,
	state, offered_by, created_at, expires_at, version`

func scanEnrollment(row scanner) (e device.Enrollment, err error) {
	err = row.Scan(&e.ID, &e.User, &e.SecretHash, &e.MatchCode, &e.Session, &e.DeviceName, &e.Device,
		&e.State, jsonInto(&e.OfferedBy), timeColumn{&e.CreatedAt}, timeColumn{&e.ExpiresAt}, &e.Version)
	return e, err
}

// CreateEnrollment implements device.Enrollments.
func (db *DB) CreateEnrollment(ctx context.Context, e device.Enrollment) error {
	by, err := jsonText(e.OfferedBy)
	if err != nil {
		return err
	}
	return db.inTx(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO enrollments (`+enrollmentColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			e.ID, e.User, e.SecretHash, e.MatchCode, e.Session, e.DeviceName, e.Device,
			e.State, by, micros(e.CreatedAt), micros(e.ExpiresAt), e.Version)
		if err != nil {
			return fmt.Errorf("insert enrollment: %w", err)
		}
		return t.auditEnrollment(ctx, e, e.OfferedBy)
	})
}

// Enrollment implements device.Enrollments.
func (db *DB) Enrollment(ctx context.Context, id device.EnrollmentID) (device.Enrollment, error) {
	e, err := first(ctx, db.reader(), q(`SELECT `+enrollmentColumns+` FROM enrollments WHERE id = $1`, id), scanEnrollment)
	return e, instead(err, device.ErrEnrollmentNotFound)
}

// EnrollmentBySecret implements device.Enrollments.
func (db *DB) EnrollmentBySecret(ctx context.Context, hash []byte) (device.Enrollment, error) {
	e, err := first(ctx, db.reader(), q(`SELECT `+enrollmentColumns+` FROM enrollments WHERE secret_hash = $1`, hash), scanEnrollment)
	return e, instead(err, device.ErrEnrollmentNotFound)
}

// DueEnrollments implements device.Enrollments.
func (db *DB) DueEnrollments(ctx context.Context, now time.Time, limit int) ([]device.Enrollment, error) {
	out, err := collect(ctx, db.reader(), q(`SELECT `+enrollmentColumns+` FROM enrollments
		WHERE state IN ('offered', 'claimed', 'confirmed') AND expires_at <= $1
		ORDER BY expires_at, id LIMIT $2`, micros(now), limit), scanEnrollment)
	if err != nil {
		return nil, fmt.Errorf("due enrollments: %w", err)
	}
	return out, nil
}

// UpdateEnrollment implements device.Enrollments.
func (db *DB) UpdateEnrollment(ctx context.Context, next device.Enrollment, by device.Actor) error {
	return db.inTx(ctx, func(t *tx) error { return t.moveEnrollment(ctx, next, by) })
}

// moveEnrollment is the compare-and-set of both updates.
func (t *tx) moveEnrollment(ctx context.Context, next device.Enrollment, by device.Actor) error {
	err := t.must(ctx, device.ErrEnrollmentChanged, q(`
		UPDATE enrollments
		SET state = $1, match_code = $2, session_id = $3, device_name = $4, device_id = $5, expires_at = $6,
			version = version + 1
		WHERE id = $7 AND version = $8`,
		next.State, next.MatchCode, next.Session, next.DeviceName, next.Device, micros(next.ExpiresAt),
		next.ID, next.Version))
	if err != nil {
		return fmt.Errorf("update enrollment: %w", err)
	}
	if next.State.Final() {
		if _, err := t.exec(ctx, `DELETE FROM ceremonies WHERE enrollment_id = $1`, next.ID); err != nil {
			return fmt.Errorf("delete ceremony: %w", err)
		}
	}
	return t.auditEnrollment(ctx, next, by)
}

func (t *tx) auditEnrollment(ctx context.Context, e device.Enrollment, by device.Actor) error {
	return t.audit(ctx, audit.Entry{
		Word: audit.OfEnrollment(e.State), By: by, User: e.User, Device: e.Device,
		Detail: map[string]string{"enrollment": string(e.ID)},
	})
}

// CompleteEnrollment implements device.Enrollments.
func (db *DB) CompleteEnrollment(ctx context.Context, c device.Completion, by device.Actor) error {
	d := c.Device
	return db.inTx(ctx, func(t *tx) error {
		if err := t.moveEnrollment(ctx, c.Next, by); err != nil {
			return err
		}
		if err := t.hasStill(ctx, d.User, c.Had); err != nil {
			return err
		}
		if err := t.addDevice(ctx, d, by); err != nil {
			return err
		}
		if err := t.addCredential(ctx, c.Passkey); err != nil {
			return err
		}
		if err := t.tie(ctx, session.ID(c.Next.Session), d, by); err != nil {
			return err
		}
		return t.tell(ctx, d.User, d.ID, d.ID)
	})
}

// addDevice stores a device with its addresses.
func (t *tx) addDevice(ctx context.Context, d device.Device, by device.Actor) error {
	_, err := t.exec(ctx, `
		INSERT INTO devices (id, user_id, enrollment_id, name, state, created_at, active_at, revoked_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		d.ID, d.User, d.Enrollment, d.Name, d.State, micros(d.CreatedAt), micros(d.ActiveAt), micros(d.RevokedAt))
	if err != nil {
		return fmt.Errorf("insert device: %w", err)
	}
	if err := t.addAddresses(ctx, d); err != nil {
		return err
	}
	if d.State != device.Cooling {
		return nil
	}
	return t.audit(ctx, audit.Entry{Word: audit.DeviceCooling, By: by, User: d.User, Device: d.ID})
}

// addCredential stores a passkey. One that is registered already is refused, of
// whomever it is (WebAuthn §7.1 step 26): otherwise one user's passkey would
// answer for another.
func (t *tx) addCredential(ctx context.Context, c device.Credential) error {
	transports, err := jsonText(c.Transports)
	if err != nil {
		return err
	}
	err = t.must(ctx, device.ErrPasskey, q(`
		INSERT INTO credentials (id, device_id, webauthn_id, public_key, aaguid, attestation, sign_count,
			backup_eligible, backed_up, transports, created_at, attested_at, model, key_protection)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (webauthn_id) DO NOTHING`,
		c.ID, c.Device, c.WebAuthnID, c.PublicKey, notNil(c.AAGUID), c.Attestation, c.SignCount,
		c.BackupEligible, c.BackedUp, transports, micros(c.CreatedAt),
		micros(c.Attested.At), c.Attested.Model, c.Attested.Keys))
	if err != nil {
		return fmt.Errorf("insert credential: %w", err)
	}
	return nil
}

func ceremonyAAD(id device.EnrollmentID) seal.AAD {
	return seal.AAD{Table: "ceremonies", Row: string(id), Column: "data"}
}

// SaveCeremony implements device.Ceremonies.
func (db *DB) SaveCeremony(ctx context.Context, id device.EnrollmentID, data []byte) error {
	sealed, err := db.ring.Seal(data, ceremonyAAD(id))
	if err != nil {
		return err
	}
	return db.inTx(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `
			INSERT INTO ceremonies (enrollment_id, data, created_at) VALUES ($1, $2, $3)
			ON CONFLICT (enrollment_id) DO UPDATE SET data = excluded.data, created_at = excluded.created_at`,
			id, sealed, micros(t.now))
		if err != nil {
			return fmt.Errorf("save ceremony: %w", err)
		}
		return nil
	})
}

// TakeCeremony implements device.Ceremonies.
func (db *DB) TakeCeremony(ctx context.Context, id device.EnrollmentID) ([]byte, error) {
	var sealed []byte
	err := db.inTx(ctx, func(t *tx) (err error) {
		sealed, err = first(ctx, t, q(`DELETE FROM ceremonies WHERE enrollment_id = $1 RETURNING data`, id), one[[]byte])
		return instead(err, device.ErrPasskey)
	})
	if err != nil {
		return nil, fmt.Errorf("take ceremony: %w", err)
	}
	return db.ring.Open(sealed, ceremonyAAD(id))
}
