package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/witness"
)

// sealingPart is how fast the audit log is sealed: what flows leave behind in ten
// seconds must be sealed in far less.
const sealingPart = "sealing"

const (
	sealedRows  = 50_000
	sealedBatch = 200 // as serve does
)

// sealing measures on every engine that there is.
func (b *bench) sealing(ctx context.Context, dir string) error {
	databases := map[string]string{sqliteEngine: "sqlite:" + filepath.Join(dir, "sealing.db")}
	if b.postgres != "" {
		url, err := beside(ctx, b.postgres, "mitome_bench_sealing")
		if err != nil {
			return err
		}
		databases[postgresEngine] = url
	}
	for _, engine := range []string{sqliteEngine, postgresEngine} {
		if databases[engine] == "" {
			continue
		}
		say("sealing %d rows of the audit log on %s", sealedRows, engine)
		rate, err := sealAll(ctx, databases[engine])
		if err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
		b.print("audit_rows_sealed_per_second_"+engine, rate, "1/s")
	}
	return nil
}

// sealAll fills a log and seals it, and returns how many rows that were a second.
func sealAll(ctx context.Context, url string) (rate float64, err error) {
	keys, now := seal.New(), time.Now()
	db, err := store.Open(ctx, url, store.Options{Ring: keys, Now: func() time.Time { return now }})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Migrate(ctx); err != nil {
		return 0, err
	}
	if err := fill(ctx, db, now); err != nil {
		return 0, err
	}
	signer, err := sign.New(keys.SigningKey())
	if err != nil {
		return 0, err
	}
	now = now.Add(time.Minute) // young rows are left alone
	chain := &store.AuditChain{DB: db, Sign: signer.SignAudit, Issuer: "https://mitome.example"}
	began, total := time.Now(), 0
	for {
		n, err := chain.Seal(ctx, sealedBatch)
		if err != nil {
			return 0, err
		}
		if total += n; n == 0 {
			break
		}
	}
	if total != sealedRows {
		return 0, fmt.Errorf("%d rows were sealed, want %d", total, sealedRows)
	}
	return float64(total) / time.Since(began).Seconds(), nil
}

// fill writes rows that are as large as those of a flow.
func fill(ctx context.Context, db *store.DB, now time.Time) error {
	row := audit.Entry{
		Word: audit.PasskeyRefused, By: device.Actor{Kind: device.ActorDevice, ID: "3NPQ5NSKW6HJJVXQIYZ2W5UZJQ"},
		Request: "QK6E5LRNBKQ2T3ZDZ4W2QXJ6LM", User: "5C7K3HXZRZC2Z5T5D4UQ2YJ7QI", Device: "3NPQ5NSKW6HJJVXQIYZ2W5UZJQ",
		Detail: map[string]string{"act": "approve"},
	}
	notes := make([]witness.Note, sealedBatch)
	for i := range notes {
		notes[i] = witness.Note{Entry: row, At: now}
	}
	for range sealedRows / sealedBatch {
		if err := db.WriteNotes(ctx, notes); err != nil {
			return fmt.Errorf("fill log: %w", err)
		}
	}
	return nil
}
