package store

import (
	"context"
	"crypto/rand"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
)

// audit writes one row of the log. The salt makes the hash of a row say nothing
// of what stood there, so that a person's data can be erased later while the
// chain over the hashes still holds.
func (t *tx) audit(ctx context.Context, e audit.Entry) error {
	detail, err := jsonText(e.Detail)
	if err != nil {
		return err
	}
	salt := make([]byte, 16)
	rand.Read(salt) // never fails, says crypto/rand
	id := t.rowID()
	return t.then(ctx, "audit "+string(e.Word), q(`
		INSERT INTO audit (id, at, word, actor_kind, actor_id, actor_ip, request_id, user_id, device_id, detail, salt)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		id, micros(t.now), e.Word, e.By.Kind, e.By.ID, ipText(e.By), e.Request, e.User, e.Device, detail, salt))
}

// ipText is where a came from, if from anywhere.
func ipText(a device.Actor) string {
	if !a.IP.IsValid() {
		return ""
	}
	return a.IP.String()
}
