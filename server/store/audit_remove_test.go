package store_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

func TestPruningKeepsTheChain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := sealer(t, db)
		c.log(t, 6)
		c.seal(t)
		before := c.clock.Now()
		c.log(t, 3)
		c.clock.pass(time.Second)
		total := 0
		for {
			n, err := c.Prune(t.Context(), before, devicetest.Admin, 4)
			if err != nil {
				t.Fatal(err)
			}
			if total += n; n == 0 {
				break
			}
			c.clock.pass(time.Second)
		}
		if left := words(t, db); total != 6 || len(left) != 5 || left[3] != audit.LogPruned || left[4] != audit.LogPruned {
			t.Errorf("pruned %d, left %v, want what is newer and two rows that say so", total, left)
		}
		c.seal(t)
		if r := c.verify(t, c.checkpoint(t)); !r.Holds || r.Removed != 6 || r.Rows != 11 {
			t.Errorf("got %+v", r)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = 'audit.pruned' AND actor_id = 'aiko'`); n != 2 {
			t.Error("the log does not say who removed them")
		}
	})
}

func TestRowsThatAreNotSealedAreNotPruned(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := sealer(t, db)
		c.log(t, 3)
		if n, err := c.Prune(t.Context(), c.clock.Now().Add(time.Hour), devicetest.Admin, 10); n != 0 || err != nil {
			t.Errorf("pruned %d, %v", n, err)
		}
	})
}

// TestARemovalIsSignedFor: what was done to removed rows and to the statements.
func TestARemovalIsSignedFor(t *testing.T) {
	for name, query := range map[string]string{
		"the statement is gone":        `DELETE FROM audit_removals`,
		"the statement is another's":   `UPDATE audit_removals SET statement = (SELECT b.checkpoint FROM audit_batches b WHERE b.n = 1)`,
		"the statement is of no key":   `UPDATE audit_removals SET statement = 'a.b.c'`,
		"one more row is gone":         `UPDATE audit_links SET removed = (SELECT r.id FROM audit_removals r) WHERE seq = 4`,
		"a row is gone in its stead":   `UPDATE audit_links SET seq = -seq WHERE seq = 1`,
		"a row is said to be its only": `UPDATE audit_links SET removed = '' WHERE seq = 2`,
	} {
		db := storetest.SQLite(t)
		c := sealer(t, db)
		c.log(t, 3)
		c.seal(t)
		before := c.clock.Now()
		c.log(t, 3)
		if n, err := c.Prune(t.Context(), before, devicetest.Admin, 10); n != 3 || err != nil {
			t.Fatalf("pruned %d, %v", n, err)
		}
		c.seal(t)
		if r := c.verify(t, nil); !r.Holds {
			t.Fatalf("got %+v", r)
		}
		c.exec(t, query)
		if r := c.verify(t, nil); r.Holds {
			t.Errorf("%s: the log holds", name)
		}
	}
}

// known is a user with all that Mitome may know of one.
func known(t *testing.T, db *store.DB) (device.User, device.Device, approval.Request) {
	t.Helper()
	s, ctx := all(db), t.Context()
	u := s.People.NewUser(t, "corp", "hanako-subject")
	if err := db.AddHint(ctx, u, device.Hint{Kind: "username", Value: "hanako"}, devicetest.Admin); err != nil {
		t.Fatal(err)
	}
	d := s.People.NewDevice(t, u, s.People.Session(t), approvaltest.Start)
	by := device.Actor{Kind: device.ActorDevice, ID: string(d.ID), IP: netip.MustParseAddr("192.0.2.77")}
	if err := db.RenameDevice(ctx, d.ID, "hanako-phone", by); err != nil {
		t.Fatal(err)
	}
	r := approvaltest.Request(u.ID)
	r.BindingMessage = "hanako-message"
	if _, err := db.CreateRequest(ctx, r, []approval.Effect{approval.Report{}}, device.Mitome); err != nil {
		t.Fatal(err)
	}
	return u, d, r
}

func TestErasedUserLeavesNothingAndTheChainHolds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, ctx := sealer(t, db), t.Context()
		u, d, r := known(t, db)
		other := all(db).People.NewUser(t, "corp", "taro")
		c.seal(t)
		kept := c.checkpoint(t)
		if err := db.EraseUser(ctx, u.ID, devicetest.Admin); err == nil {
			t.Fatal("erased while an OP waits")
		}
		r.State = approval.Denied
		r.Decision = &approval.Decision{Verdict: approval.Deny, Device: d.ID}
		by := device.Actor{Kind: device.ActorDevice, ID: string(d.ID), IP: netip.MustParseAddr("192.0.2.77")}
		if err := db.UpdateRequest(ctx, approval.Change{Next: r, By: by}); err != nil {
			t.Fatal(err)
		}
		all(db).EndReport(t, r.ID, approval.Reported, "")
		if err := db.LockUser(ctx, device.LockChange{User: u.ID, Device: d.ID}, by); err != nil {
			t.Fatal(err)
		}
		if err := db.EraseUser(ctx, u.ID, devicetest.Admin); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM outbox WHERE subject = $1`, u.ID); n != 0 {
			t.Errorf("%d jobs still name her", n)
		}
		for range 3 { // sealed, then erased, then known to be over
			c.seal(t)
			if _, err := c.Erase(ctx, 100); err != nil {
				t.Fatal(err)
			}
			c.clock.pass(audit.Late)
		}
		c.seal(t)
		for _, table := range tables(t, db) {
			for _, row := range dump(t, db, table) {
				for _, personal := range []string{"hanako", "192.0.2.77", string(d.ID)} {
					if bytes.Contains(row, []byte(personal)) && table != "session_changes" {
						t.Errorf("%s still says %s: %q", table, personal, row)
					}
				}
			}
		}
		if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE user_id = $1 OR actor_id = $1`, u.ID); n != 0 {
			t.Errorf("%d rows of the log still name her", n)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM audit_erasures`); n != 0 {
			t.Error("the erasure does not end")
		}
		if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE user_id = $1`, other.ID); n == 0 {
			t.Error("another user's rows are erased")
		}
		if report := c.verify(t, kept); !report.Holds || report.Removed == 0 {
			t.Errorf("got %+v", report)
		}
		if got := words(t, db); !slices.Contains(got, audit.UserErased) || !slices.Contains(got, audit.LogErased) || !slices.Contains(got, audit.RequestDenied) {
			t.Errorf("what happened is gone too: %v", got)
		}
		if _, err := db.User(ctx, u.ID); err == nil {
			t.Error("the user is there")
		}
		if err := db.EraseUser(ctx, u.ID, devicetest.Admin); err == nil {
			t.Error("erased twice")
		}
	})
}

func TestOldJobsAndRequestsAreForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		clock, ctx := timed(db), t.Context()
		s := all(db)
		u := s.People.NewUser(t, "corp", "A")
		ask := func() approval.Request {
			r := approvaltest.Request(u.ID)
			if _, err := db.CreateRequest(ctx, r, nil, device.Mitome); err != nil {
				t.Fatal(err)
			}
			return r
		}
		end := func(r approval.Request, effects ...approval.Effect) {
			r.State, r.Decision = approval.Denied, &approval.Decision{Verdict: approval.Deny}
			if err := db.UpdateRequest(ctx, approval.Change{Next: r, Effects: effects, By: device.Mitome}); err != nil {
				t.Fatal(err)
			}
		}
		waiting, reported, unreported, ended := ask(), ask(), ask(), ask()
		end(reported, approval.Report{})
		clock.pass(time.Minute)
		s.EndReport(t, reported.ID, approval.Reported, "")
		end(unreported, approval.Report{})
		end(ended)
		if n, err := db.ForgetRequests(ctx, approvaltest.Start.Add(-time.Hour), 10); n != 0 || err != nil {
			t.Errorf("of a time before all: forgot %d, %v", n, err)
		}
		clock.pass(48 * time.Hour)
		if n, err := db.ForgetJobs(ctx, clock.Now(), 10); n != 0 || err != nil {
			t.Errorf("forgot %d jobs, %v, want none: reports stay", n, err)
		}
		if n, err := db.ForgetRequests(ctx, clock.Now(), 10); n != 2 || err != nil {
			t.Errorf("forgot %d requests, %v", n, err)
		}
		for _, r := range []approval.Request{waiting, unreported} {
			if _, err := db.Request(ctx, r.ID); err != nil {
				t.Errorf("a request that is not over: %v", err)
			}
		}
		for _, r := range []approval.Request{reported, ended} {
			if _, err := db.Request(ctx, r.ID); err == nil {
				t.Error("an old request is there")
			}
		}
		if n := count(t, db, `SELECT COUNT(*) FROM outbox WHERE subject = $1`, reported.ID); n != 0 {
			t.Error("its report is there")
		}
	})
}

func TestOldDeliveriesAreForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		clock := timed(db)
		s := all(db)
		d := s.People.NewDevice(t, s.People.NewUser(t, "corp", "A"), s.People.Session(t), approvaltest.Start)
		enqueue(t, db, asked(d.ID)...)
		jobs, err := db.ClaimJobs(t.Context(), 10, time.Minute)
		if err != nil || len(jobs) == 0 {
			t.Fatalf("claimed %d jobs, %v", len(jobs), err)
		}
		end(t, db, jobs[0], "done")
		if n, err := db.ForgetJobs(t.Context(), clock.Now(), 10); n != 0 || err != nil {
			t.Errorf("too young: forgot %d, %v", n, err)
		}
		clock.pass(time.Hour)
		if n, err := db.ForgetJobs(t.Context(), clock.Now(), 10); n != 3 || err != nil { // the other addresses had nothing more to do
			t.Errorf("forgot %d, %v, want all three", n, err)
		}
	})
}
