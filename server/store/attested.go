package store

import (
	"context"
	"fmt"

	"github.com/mitome-ciba/mitome/device"
)

// AttestedDevice is a device that has proved what its authenticator is.
type AttestedDevice struct {
	ID     device.DeviceID
	Name   string
	User   device.UserID
	Model  string
	AAGUID []byte
}

// AttestedDevices returns all that are not revoked, by their id.
func (db *DB) AttestedDevices(ctx context.Context) ([]AttestedDevice, error) {
	out, err := collect(ctx, db.reader(), q(`
		SELECT d.id, d.name, d.user_id, c.model, c.aaguid
		FROM credentials c JOIN devices d ON d.id = c.device_id
		WHERE c.attested_at > 0 AND d.state <> $1
		ORDER BY d.id`, device.Revoked), func(row scanner) (a AttestedDevice, err error) {
		err = row.Scan(&a.ID, &a.Name, &a.User, &a.Model, &a.AAGUID)
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("read attested devices: %w", err)
	}
	return out, nil
}
