package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
)

type auditCmd struct {
	Verify     auditVerify     `cmd:"" help:"Look for rows of the log that were altered, removed, added or moved; exit 1 if there are any."`
	Checkpoint auditCheckpoint `cmd:"" help:"Print the newest signed checkpoint: kept elsewhere, it shows later that the end of the log was cut off."`
	Export     auditExport     `cmd:"" help:"Write the log, oldest first, one event a line."`
	Prune      auditPrune      `cmd:"" help:"Remove what is older than a time. The chain keeps the hashes, and says who removed how much."`
}

// withDB runs fn on the database and the keys of the configuration.
func (a *app) withDB(fn func(db *store.DB, keys *seal.Ring) error) (err error) {
	c, err := a.load()
	if err != nil {
		return err
	}
	keys, err := ring(c)
	if err != nil {
		return err
	}
	db, err := openStore(a.ctx, c, keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if pending, err := db.Pending(a.ctx); err != nil {
		return err
	} else if pending {
		return errors.New("the database's schema is older than this program; run mitome migrate")
	}
	return fn(db, keys)
}

type auditVerify struct {
	Keys       string `placeholder:"FILE" help:"The operator's published keys (JWKS), from <public_url>/.well-known/jwks.json; by default those of the key file."`
	Checkpoint string `placeholder:"FILE" help:"A checkpoint that was kept elsewhere: the log must still hold what it speaks of."`
}

// Run verifies the log of the configured database.
func (c auditVerify) Run(a *app) error {
	return a.withDB(func(db *store.DB, keys *seal.Ring) error {
		v, err := c.verifier(a, keys)
		if err != nil {
			return err
		}
		r, err := db.VerifyAudit(a.ctx, v)
		if err != nil {
			return err
		}
		if err := a.show(r, func() { a.showAudit(r) }); err != nil {
			return err
		}
		if !r.Holds {
			return errSaid
		}
		return nil
	})
}

// verifier trusts the keys that the operator has published, and none that come
// with the log.
func (c auditVerify) verifier(a *app, ring *seal.Ring) (*audit.Verifier, error) {
	keys := ring.PublicKeys()
	if c.Keys != "" {
		raw, err := a.read(c.Keys)
		if err != nil {
			return nil, err
		}
		if keys, err = sign.ParseKeys(raw); err != nil {
			return nil, err
		}
	}
	v := &audit.Verifier{Open: opener(keys), Now: time.Now()}
	if c.Checkpoint == "" {
		return v, nil
	}
	jws, err := a.read(c.Checkpoint)
	if err != nil {
		return nil, err
	}
	payload, err := v.Open(strings.TrimSpace(string(jws)))
	if err != nil {
		return nil, fmt.Errorf("the checkpoint in %s does not hold: %w", c.Checkpoint, err)
	}
	against, err := audit.ReadCheckpoint(payload)
	if err != nil {
		return nil, fmt.Errorf("the checkpoint in %s does not hold: %w", c.Checkpoint, err)
	}
	v.Against = &against
	return v, nil
}

func opener(keys jose.JSONWebKeySet) func(string) ([]byte, error) {
	return func(jws string) ([]byte, error) { return sign.VerifyAudit(jws, keys) }
}

// showAudit says what came of verifying.
func (a *app) showAudit(r audit.Report) {
	if r.Holds {
		fmt.Fprintf(a.out, "The log holds: %d row(s) in %d signed batch(es)", r.Rows, r.Batches)
		if r.Batches > 0 {
			fmt.Fprintf(a.out, ", the last of %s", when(r.Until))
		}
		fmt.Fprintf(a.out, ".\n%d row(s) wait to be sealed. The content of %d was removed, which is signed for.\n", r.Waiting, r.Removed)
		return
	}
	fmt.Fprintf(a.out, "The log DOES NOT HOLD: %d fault(s) in %d row(s) and %d batch(es).\n\n", len(r.Faults), r.Rows, r.Batches)
	var rows [][]string
	for _, f := range r.Faults {
		rows = append(rows, []string{string(f.Kind), number(f.Seq), f.Row, number(f.Batch), f.Text})
	}
	a.table([]string{"FAULT", "PLACE", "ROW", "BATCH", "WHAT"}, rows)
}

// number is n for a table; nothing for 0.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

type auditCheckpoint struct{}

// Run prints the newest checkpoint, and nothing else: it goes into a file.
func (auditCheckpoint) Run(a *app) error {
	return a.withDB(func(db *store.DB, keys *seal.Ring) error {
		jws, err := db.Checkpoint(a.ctx)
		if err != nil {
			return err
		}
		payload, err := sign.VerifyAudit(jws, keys.PublicKeys())
		if err != nil {
			return fmt.Errorf("the newest checkpoint does not hold: %w", err)
		}
		return a.show(json.RawMessage(payload), func() { fmt.Fprintln(a.out, jws) })
	})
}

type auditExport struct {
	Format  string    `enum:"json,cef,ocsf" default:"json" help:"json, cef (ArcSight) or ocsf (OCSF 1.3)."`
	Since   time.Time `placeholder:"TIME" help:"From this time on, such as 2026-01-31T00:00:00Z."`
	Until   time.Time `placeholder:"TIME" help:"Before this time."`
	User    string    `placeholder:"ID" help:"Of this user only, by id."`
	Request string    `placeholder:"ID" help:"Of this request only."`
	Word    string    `placeholder:"WORD" help:"This event only, such as request.approved."`
}

// Run writes what is in the log.
func (c auditExport) Run(a *app) error {
	return a.withDB(func(db *store.DB, _ *seal.Ring) error {
		f := store.AuditFilter{Since: c.Since, Until: c.Until, User: c.User, Request: c.Request, Word: c.Word}
		return db.EachAudit(a.ctx, f, func(r audit.Row) error {
			line, err := audit.Export(r, audit.Format(c.Format))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "%s\n", line)
			return err
		})
	})
}

type auditPrune struct {
	Before time.Time `required:"" placeholder:"TIME" help:"Remove rows from before this time, such as 2026-01-31T00:00:00Z. Export them first if they are to be kept elsewhere."`
	By     string    `required:"" placeholder:"NAME" help:"Who removes them, for the log."`
}

// pruneBatch is how many rows one signed removal speaks of.
const pruneBatch = 1000

// Run removes old rows. What is not sealed yet stays.
func (c auditPrune) Run(a *app) error {
	return a.withDB(func(db *store.DB, keys *seal.Ring) error {
		conf, err := a.load()
		if err != nil {
			return err
		}
		signer, err := sign.New(keys.SigningKey())
		if err != nil {
			return err
		}
		chain := &store.AuditChain{DB: db, Sign: signer.SignAudit, Issuer: conf.PublicURL}
		by, total := device.Actor{Kind: device.ActorAdmin, ID: c.By}, 0
		for {
			n, err := chain.Prune(a.ctx, c.Before, by, pruneBatch)
			if err != nil {
				return err
			}
			if total += n; n < pruneBatch {
				break
			}
		}
		return a.show(map[string]int{"removed": total}, func() { fmt.Fprintf(a.out, "Removed %d row(s) of the log.\n", total) })
	})
}
