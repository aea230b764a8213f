package store_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
	"github.com/mitome-ciba/mitome/server/witness"
)

// TestFirstLooksAreAudited: of a device's looks at a request the first is written,
// whichever node tells of it, with the time when it was; and none at a request that
// was erased meanwhile.
func TestFirstLooksAreAudited(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		clock := timed(db)
		s, ctx := all(db), t.Context()
		u := s.People.NewUser(t, "corp", "A")
		d := s.People.NewDevice(t, u, s.People.Session(t), approvaltest.Start)
		r := approvaltest.Request(u.ID)
		if _, err := db.CreateRequest(ctx, r, asked(d.ID), device.Mitome); err != nil {
			t.Fatal(err)
		}
		by := device.Actor{Kind: device.ActorDevice, ID: string(d.ID), IP: netip.MustParseAddr("192.0.2.1")}
		look := func(request approval.RequestID, at time.Time) witness.Note {
			return witness.Note{At: at, Entry: audit.Entry{
				Word: audit.RequestShown, By: by, Request: request, User: u.ID, Device: d.ID, Detail: map[string]string{"view": "hash"},
			}}
		}
		at := clock.Now()
		clock.pass(time.Second)
		for range 2 {
			if err := db.WriteNotes(ctx, []witness.Note{look(r.ID, at), look(r.ID, clock.Now()), look("erased", at)}); err != nil {
				t.Fatal(err)
			}
		}
		if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1`, audit.RequestShown); n != 1 {
			t.Errorf("%d rows of one look", n)
		}
		n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1 AND at = $2 AND request_id = $3 AND user_id = $4 AND device_id = $5
			AND actor_kind = 'device' AND actor_id = $5 AND actor_ip = '192.0.2.1' AND detail = '{"view":"hash"}' AND length(salt) = 16`,
			audit.RequestShown, at.UnixMicro(), r.ID, u.ID, d.ID)
		if n != 1 {
			t.Errorf("%d rows say all of it", n)
		}
	})
}

// TestNotesThatWaitedAreSealed: what waited for the database is of the time when
// it was written, so that no row stands before ones that are sealed.
func TestNotesThatWaitedAreSealed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := sealer(t, db)
		at := c.clock.Now()
		c.log(t, 1)
		c.clock.pass(time.Hour)
		c.log(t, 1)
		c.seal(t)
		note := witness.Note{At: at, Entry: audit.Entry{Word: audit.PasskeyRefused, By: device.Mitome, Detail: map[string]string{"act": "approve"}}}
		if err := db.WriteNotes(t.Context(), []witness.Note{note}); err != nil {
			t.Fatal(err)
		}
		c.seal(t)
		if r := c.verify(t, nil); !r.Holds || r.Rows != 3 || r.Waiting != 0 {
			t.Errorf("got %+v", r)
		}
	})
}

// TestAskingToSignAgainAndAgainFillsNoLog: the same view is one row however often
// a device asks for its challenge, and another view another.
func TestAskingToSignAgainAndAgainFillsNoLog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		timed(db)
		s, ctx := all(db), t.Context()
		u := s.People.NewUser(t, "corp", "A")
		d := s.People.NewDevice(t, u, s.People.Session(t), approvaltest.Start)
		r := approvaltest.Request(u.ID)
		if _, err := db.CreateRequest(ctx, r, asked(d.ID), device.Mitome); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			c := approval.Challenge{Request: r.ID, Device: d.ID, Nonce: []byte{byte(i)}, View: []byte([]string{"en", "ja"}[i%2]), User: u.ID}
			if err := db.SaveChallenge(ctx, c); err != nil {
				t.Fatal(err)
			}
		}
		if n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1`, audit.RequestViewed); n != 2 {
			t.Errorf("%d rows of two views", n)
		}
	})
}

// TestReadingEvidenceIsAudited: who read it, and about whom; what is not there was
// not read.
func TestReadingEvidenceIsAudited(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		timed(db)
		s, ctx := all(db), t.Context()
		u := s.People.NewUser(t, "corp", "A")
		d := s.People.NewDevice(t, u, s.People.Session(t), approvaltest.Start)
		r := approvaltest.Request(u.ID)
		if _, err := db.CreateRequest(ctx, r, asked(d.ID), device.Mitome); err != nil {
			t.Fatal(err)
		}
		for _, id := range []approval.RequestID{r.ID, "none"} {
			if _, err := db.ReadEvidence(ctx, id, devicetest.Admin); !errors.Is(err, approval.ErrNotFound) {
				t.Errorf("%s: got %v, want %v", id, err, approval.ErrNotFound)
			}
		}
		if _, err := db.Raw().ExecContext(ctx, `INSERT INTO evidence (request_id, jws, created_at) VALUES ($1, 'jws', 1)`, r.ID); err != nil {
			t.Fatal(err)
		}
		if e, err := db.ReadEvidence(ctx, r.ID, devicetest.Admin); err != nil || e.JWS != "jws" || e.Request != r.ID {
			t.Fatalf("got %+v, %v", e, err)
		}
		n := count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1 AND request_id = $2 AND user_id = $3 AND actor_kind = 'admin' AND actor_id = $4`,
			audit.EvidenceRead, r.ID, u.ID, devicetest.Admin.ID)
		if n != 1 || count(t, db, `SELECT COUNT(*) FROM audit WHERE word = $1`, audit.EvidenceRead) != 1 {
			t.Errorf("%d rows say who read it", n)
		}
	})
}
