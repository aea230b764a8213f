package store_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// engines is both databases, for suites that open their own.
var engines = map[string]func(testing.TB) *store.DB{
	"sqlite": storetest.SQLite, "postgres": storetest.Postgres,
}

func TestDeviceStore(t *testing.T) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			devicetest.RunStore(t, func(t *testing.T) devicetest.Stores { return people(open(t)) })
		})
	}
}

func TestApprovalStore(t *testing.T) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			approvaltest.RunStore(t, func(t *testing.T) approvaltest.Stores { return all(open(t)) })
		})
	}
}

// people is db as package devicetest wants it.
func people(db *store.DB) devicetest.Stores {
	return devicetest.Stores{
		Users: db, Devices: db, Enrollments: db, Ceremonies: db, Lifecycle: db, Gestures: db, Passkeys: db, Addresses: db, UserCodes: db, HintTokens: db,
		Session: func(t testing.TB) string { return string(newSession(t, db)) },
		SessionDevices: func(t testing.TB, id string) []device.Device {
			t.Helper()
			s, err := db.Session(t.Context(), session.ID(id))
			if err != nil {
				t.Fatal(err)
			}
			return s.Devices
		},
		Told:   func(t testing.TB, id device.DeviceID) []push.AddressID { return targets(t, db, "device", string(id)) },
		Tested: func(t testing.TB, id device.DeviceID) []push.AddressID { return targets(t, db, "test", string(id)) },
	}
}

// targets are the addresses that the jobs of a kind go to, as they were stored.
func targets(t testing.TB, db *store.DB, kind, subject string) (out []push.AddressID) {
	t.Helper()
	rows, err := db.RawRead().QueryContext(t.Context(),
		`SELECT target FROM outbox WHERE kind = $1 AND subject = $2 ORDER BY created_at, id`, kind, subject)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var a push.AddressID
		if err := rows.Scan(&a); err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

// all is db as package approvaltest wants it.
func all(db *store.DB) approvaltest.Stores {
	return approvaltest.Stores{
		Requests: db, Challenges: db, Failures: db, Evidence: db, Listing: db, People: people(db),
		Jobs: func(t testing.TB, id approval.RequestID, kind string) int {
			t.Helper()
			return count(t, db, `SELECT COUNT(*) FROM outbox WHERE subject = $1 AND kind = $2`, id, kind)
		},
		EndReport: func(t testing.TB, id approval.RequestID, state approval.ReportState, cause string) {
			t.Helper()
			j := claimReport(t, db, id)
			if err := db.FinishJob(t.Context(), j, outbox.Outcome(state), cause); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func newSession(t testing.TB, db *store.DB) session.ID {
	t.Helper()
	id, now := session.ID(rand.Text()), time.Now()
	err := db.CreateSession(t.Context(), session.Session{ID: id, JKT: "jkt", CreatedAt: now, ExpiresAt: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// claimReport claims the job that reports request id.
func claimReport(t testing.TB, db *store.DB, id approval.RequestID) outbox.Job {
	t.Helper()
	jobs, err := db.ClaimJobs(t.Context(), 100, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if j.Kind == "report" && j.Subject == string(id) {
			return j
		}
	}
	t.Fatalf("no report of %s among %d jobs", id, len(jobs))
	return outbox.Job{}
}

// count is the number that query selects.
func count(t testing.TB, db *store.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.Raw().QueryRowContext(context.WithoutCancel(t.Context()), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
