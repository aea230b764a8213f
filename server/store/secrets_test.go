package store_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// secrets is what must stand nowhere in the database, by what it is.
type secrets map[string]string

// plant stores each secret where it belongs, by way of who would store it.
func plant(t *testing.T, db *store.DB, ring *seal.Ring) secrets {
	t.Helper()
	ctx, s := t.Context(), all(db)
	svc := device.Service{Users: db, Devices: db, Enrollments: db, Ceremonies: db, Lifecycle: db, Gestures: db, UserCodes: db, CodeKeys: ring, Now: time.Now}
	keeper := session.Keeper{Store: db, Now: time.Now}

	token, held, err := keeper.Issue(ctx, "jkt")
	if err != nil {
		t.Fatal(err)
	}
	u := s.People.NewUser(t, "corp", "A")
	d := s.People.NewDevice(t, u, string(held.ID), time.Now())
	out := secrets{
		"token": token, "target": string(d.Addresses[0].Target), "hint": "aiko.tanaka@example.org",
		"ceremony": "challenge-of-a-registration", "handle": "bearer-of-the-op", "code": "WDJB-MJHT", "code as typed": "WDJBMJHT",
		"user's own code": "KTPX7731",
	}
	sub := devicetest.Subscription("https://push.example/a-subscription-of-aiko", time.Now())
	if _, err := db.AddAddress(ctx, device.NewAddress{Device: d.ID, Address: sub, Most: 5}, devicetest.Admin); err != nil {
		t.Fatal(err)
	}
	out["subscription"], out["key"], out["shared secret"] = string(sub.Target), string(sub.Key.P256DH), string(sub.Key.Auth)
	out["code at a till"] = string(showCode(t, db, d.ID, held.ID).Value)
	offer, err := svc.Offer(ctx, u.ID, devicetest.Admin)
	if err != nil {
		t.Fatal(err)
	}
	out["pairing secret"] = string(offer.Secret)
	if err := db.SaveCeremony(ctx, offer.Enrollment.ID, []byte(out["ceremony"])); err != nil {
		t.Fatal(err)
	}
	if err := svc.AddHint(ctx, u.ID, device.Hint{Kind: "email", Value: out["hint"]}, devicetest.Admin); err != nil {
		t.Fatal(err)
	}
	if err := svc.SetUserCode(ctx, u.ID, out["user's own code"], devicetest.Admin); err != nil {
		t.Fatal(err)
	}
	approvals := approval.Service{Store: db, People: &svc, Codes: ring, Policy: codePolicy{}, Now: time.Now}
	r, err := approvals.Accept(ctx, approval.Ask{
		ID: approval.NewRequestID(), OP: "corp", Ref: "ref-" + out["handle"], Body: []byte(out["handle"]), Handle: approval.Secret(out["handle"]),
		Subject: device.Subject{OP: "corp", Hint: device.Hint{Kind: "email", Value: out["hint"]}}, UserCode: out["code"],
		ExpiresAt: time.Now().Add(time.Minute),
	}, device.Mitome)
	if err != nil || len(r.Code.MAC) == 0 {
		t.Fatalf("accepted with code %v, %v", r.Code, err)
	}
	return out
}

// codePolicy has every code typed.
type codePolicy struct{ approval.Policy }

func (codePolicy) Admit(a approval.Ask) (approval.Admission, error) {
	return approval.Admission{CodeSource: approval.CodeUserCode, Code: a.UserCode}, nil
}

func (codePolicy) Permits(approval.Request, approval.Ceremony) error { return nil }

func (s secrets) findIn(t *testing.T, where string, data []byte) {
	t.Helper()
	for what, secret := range s {
		if bytes.Contains(data, []byte(secret)) {
			t.Errorf("%s stands in plain in %s", what, where)
		}
	}
}

func TestNoSecretInRows(t *testing.T) {
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			ring := seal.New()
			db := storetest.Open(t, url(t), ring)
			s := plant(t, db, ring)
			for _, table := range tables(t, db) {
				for _, row := range dump(t, db, table) {
					s.findIn(t, table, row)
				}
			}
		})
	}
}

// TestNoSecretInFile looks at every byte, the write-ahead log's too: a secret
// that was ever written in plain would be there.
func TestNoSecretInFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mitome.db")
	ring := seal.New()
	s := plant(t, storetest.Open(t, "sqlite:"+path, ring), ring)
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 2 {
		t.Fatalf("got %v, %v, want the database and its log", files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s.findIn(t, filepath.Base(f), b)
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v, want 0600", filepath.Base(f), info.Mode(), err)
		}
	}
}

// TestSealedColumnsAreKnown: each column of bytes is either known to be sealed,
// and then Reseal rewrites it, or is here, with why it need not be.
func TestSealedColumnsAreKnown(t *testing.T) {
	open := []string{
		"hints.hash", "hint_tokens.hash", "hint_tokens.spent_for",
		"enrollments.secret_hash", "addresses.target_hash", "assertions.id", "requests.ref_hash", "requests.fingerprint", "requests.code_mac", // hashes
		"credentials.webauthn_id", "credentials.public_key", "credentials.aaguid", // public
		"challenges.nonce",                     // worthless without the passkey
		"challenges.view",                      // what the request's own row says
		"gestures.nonce", "gestures.statement", // the same of another act
		"audit.salt",
		"audit_batches.hash", "audit_batches.prev", "audit_links.hash", // of rows with a salt
	}
	db := storetest.Postgres(t)
	rows, err := db.Raw().QueryContext(t.Context(), `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = current_schema() AND data_type = 'bytea' ORDER BY table_name, column_name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			t.Fatal(err)
		}
		got = append(got, column)
	}
	want := append(store.SealedColumns(), open...)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("columns of bytes\n got %v\nwant %v", got, want)
	}
}

// TestSealedValueStaysInItsRow: who can write the database still cannot have one
// request answered with another's handle.
func TestSealedValueStaysInItsRow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a, b := enqueue(t, db), enqueue(t, db)
		_, err := db.Raw().ExecContext(ctx, `UPDATE requests SET handle = (SELECT handle FROM requests WHERE id = $1) WHERE id = $2`, a, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Request(ctx, a); err != nil {
			t.Error(err)
		}
		if r, err := db.Request(ctx, b); err == nil || r.Handle != "" {
			t.Error("a handle was read that belongs to another request")
		}
	})
}

func TestSecretsDoNotPrint(t *testing.T) {
	r := approvaltest.Request("u")
	a := push.Address{ID: "a", Target: "https://push.example/secret"}
	text := fmt.Sprintf("%v %+v %#v %v %+v", r, r, r.Handle, a, a)
	if strings.Contains(text, "handle-") || strings.Contains(text, "push.example") {
		t.Errorf("a secret prints: %s", text)
	}
}

func tables(t *testing.T, db *store.DB) []string {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table'`
	if db.IsPostgres() {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()`
	}
	rows, err := db.Raw().QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	if len(out) < 10 {
		t.Fatalf("only %d tables: %v", len(out), out)
	}
	return out
}

// dump returns each row of table as bytes.
func dump(t *testing.T, db *store.DB, table string) [][]byte {
	t.Helper()
	rows, err := db.Raw().QueryContext(t.Context(), `SELECT t.* FROM `+table+` t`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for rows.Next() {
		values := make([]sql.RawBytes, len(columns))
		dest := make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		var row []byte
		for _, v := range values {
			row = append(append(row, v...), 0)
		}
		out = append(out, row)
	}
	return out
}
