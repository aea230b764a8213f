package store_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// TestDeliveriesAndViewsAreAudited: which device was told, how it went, and which
// gave its user something to sign, from where.
func TestDeliveriesAndViewsAreAudited(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		timed(db)
		s, ctx := all(db), t.Context()
		u := s.People.NewUser(t, "corp", "A")
		d := s.People.NewDevice(t, u, s.People.Session(t), approvaltest.Start)
		r := approvaltest.Request(u.ID)
		if _, err := db.CreateRequest(ctx, r, asked(d.ID), device.Mitome); err != nil {
			t.Fatal(err)
		}
		jobs, err := db.ClaimJobs(ctx, 1, time.Minute)
		if err != nil || len(jobs) != 1 {
			t.Fatalf("claimed %d jobs, %v", len(jobs), err)
		}
		end(t, db, jobs[0], "done")
		n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1 AND request_id = $2 AND user_id = $3 AND device_id = $4
			AND actor_kind = 'mitome' AND detail = '{"channel":"websocket","outcome":"done"}' AND length(salt) = 16`,
			audit.RequestDelivered, r.ID, u.ID, d.ID)
		if n != 1 {
			t.Errorf("%d rows say that the device was told", n)
		}
		if err := db.FinishJob(ctx, jobs[0], "done", ""); err == nil {
			t.Fatal("a job ended twice")
		}
		if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1`, audit.RequestDelivered); n != 1 {
			t.Errorf("%d rows of one delivery", n)
		}

		by := device.Actor{Kind: device.ActorDevice, ID: string(d.ID), IP: netip.MustParseAddr("192.0.2.1")}
		c := approval.Challenge{Request: r.ID, Device: d.ID, Nonce: []byte("n"), View: []byte("secret words"), User: u.ID, By: &by}
		if err := db.SaveChallenge(ctx, c); err != nil {
			t.Fatal(err)
		}
		n = count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1 AND request_id = $2 AND user_id = $3 AND device_id = $4
			AND actor_id = $4 AND actor_ip = '192.0.2.1' AND detail LIKE '%view%' AND detail NOT LIKE '%secret%'`,
			audit.RequestViewed, r.ID, u.ID, d.ID)
		if n != 1 {
			t.Errorf("%d rows say what the device was given to sign", n)
		}
		c.Request = "none"
		if err := db.SaveChallenge(ctx, c); err == nil {
			t.Fatal("a challenge for nothing")
		}
		if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1`, audit.RequestViewed); n != 1 {
			t.Errorf("%d rows of one view", n)
		}
	})
}
