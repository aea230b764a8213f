package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// patience is how long a test waits for what should take milliseconds.
const patience = 20 * time.Second

// run runs the bus of db until the test ends.
func run(t *testing.T, db *store.DB) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := db.RunBus(ctx); err != nil {
			t.Errorf("bus: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// hear subscribes to topic and returns what comes.
func hear(t *testing.T, db *store.DB, topic string) <-chan string {
	t.Helper()
	got := make(chan string, 1000)
	t.Cleanup(db.Subscribe(topic, func(payload string) { got <- payload }))
	return got
}

func wait(t *testing.T, got <-chan string) string {
	t.Helper()
	select {
	case s := <-got:
		return s
	case <-time.After(patience):
		t.Fatal("nothing came")
		return ""
	}
}

// onBus selects the connections that wait on the channel of a schema.
const onBus = `FROM pg_stat_activity WHERE query = 'LISTEN "' || $1 || '"'`

// listening waits until so many nodes listen: LISTEN hears nothing of before.
// Backends of the process ids in old are not counted.
func listening(t *testing.T, db *store.DB, nodes int, old ...int) {
	t.Helper()
	query := `SELECT COUNT(*) ` + onBus
	for _, pid := range old {
		query += fmt.Sprintf(" AND pid <> %d", pid)
	}
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for count(t, db, query, db.Channel()) < nodes {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("fewer than %d nodes listen", nodes)
		}
	}
}

// calm waits until db's worker has not been woken for a while: a node wakes it
// when it connects.
func calm(db *store.DB) {
	for {
		select {
		case <-db.Wake():
		case <-time.After(50 * time.Millisecond):
			return
		}
	}
}

func TestBusDeliversInOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		run(t, db)
		got, other := hear(t, db, "frames"), hear(t, db, "others")
		for i := range 100 {
			db.Publish("frames", fmt.Sprint(i))
		}
		for i := range 100 {
			if s := wait(t, got); s != fmt.Sprint(i) {
				t.Fatalf("got %q, want %d", s, i)
			}
		}
		if len(other) != 0 {
			t.Error("another topic heard it")
		}
	})
}

func TestBusCancel(t *testing.T) {
	db := storetest.SQLite(t)
	got := make(chan string, 10)
	cancel := db.Subscribe("frames", func(s string) { got <- s })
	cancel()
	cancel()
	after := hear(t, db, "frames")
	run(t, db)
	db.Publish("frames", "x")
	wait(t, after)
	if len(got) != 0 {
		t.Error("a cancelled subscriber was called")
	}
}

// TestBusCarriesBetweenNodes: each node hears what another says, once, and its
// own once.
func TestBusCarriesBetweenNodes(t *testing.T) {
	url, ring := storetest.PostgresURL(t), seal.New()
	a, b := storetest.Open(t, url, ring), storetest.Open(t, url, ring)
	stranger := storetest.Postgres(t) // same server, another schema
	for _, db := range []*store.DB{a, b, stranger} {
		run(t, db)
	}
	atA, atB, atStranger := hear(t, a, "frames"), hear(t, b, "frames"), hear(t, stranger, "frames")
	listening(t, a, 2)
	listening(t, stranger, 1)
	const n = 200
	for i := range n {
		a.Publish("frames", fmt.Sprint(i))
	}
	for _, at := range []<-chan string{atA, atB} {
		for i := range n {
			if s := wait(t, at); s != fmt.Sprint(i) {
				t.Fatalf("got %q, want %d", s, i)
			}
		}
	}
	b.Publish("frames", "back")
	if s := wait(t, atA); s != "back" {
		t.Errorf("got %q, want %q: a word came twice", s, "back")
	}
	if s := wait(t, atB); s != "back" {
		t.Errorf("got %q, want %q: a word came twice", s, "back")
	}
	if len(atStranger) != 0 {
		t.Error("another installation in the same database heard it")
	}
}

func TestBusReconnects(t *testing.T) {
	url, ring := storetest.PostgresURL(t), seal.New()
	a, b := storetest.Open(t, url, ring), storetest.Open(t, url, ring)
	run(t, a)
	run(t, b)
	atB := hear(t, b, "frames")
	listening(t, a, 2)
	calm(b)
	cut := cutAll(t, a)
	select { // what was said meanwhile is lost, so the worker looks at once
	case <-b.Wake():
	case <-time.After(patience):
		t.Error("the worker was not woken after the break")
	}
	listening(t, a, 2, cut...)
	a.Publish("frames", "again")
	if s := wait(t, atB); s != "again" {
		t.Errorf("got %q", s)
	}
}

// cutAll ends every connection on the bus, as a restart of PostgreSQL would, and
// returns their process ids.
func cutAll(t *testing.T, db *store.DB) (pids []int) {
	t.Helper()
	rows, err := db.Raw().QueryContext(t.Context(), `SELECT pid, pg_terminate_backend(pid) `+onBus, db.Channel())
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var pid int
		var cut bool
		if err := rows.Scan(&pid, &cut); err != nil || !cut {
			t.Fatalf("cut %v, %v", cut, err)
		}
		pids = append(pids, pid)
	}
	return pids
}

func TestCommitWakesOtherNodes(t *testing.T) {
	url, ring := storetest.PostgresURL(t), seal.New()
	a, b := storetest.Open(t, url, ring), storetest.Open(t, url, ring)
	run(t, a)
	run(t, b)
	listening(t, a, 2)
	calm(b)
	enqueue(t, a, approval.Notify{Address: "a1"})
	select {
	case <-b.Wake():
	case <-time.After(patience):
		t.Error("the other node was not woken")
	}
}

func TestRevocationIsPublished(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		run(t, db)
		s, got := people(db), hear(t, db, store.TopicRevoked)
		d := s.NewDevice(t, s.NewUser(t, "corp", "A"), s.Session(t), devicetest.Start)
		for range 2 { // the second time nothing happens, so nothing is said
			if err := db.RevokeDevice(t.Context(), d.ID, devicetest.Admin); err != nil {
				t.Fatal(err)
			}
		}
		db.Publish(store.TopicRevoked, "end")
		if first, second := wait(t, got), wait(t, got); first != string(d.ID) || second != "end" {
			t.Errorf("got %q, then %q", first, second)
		}
	})
}

// TestPublishIsBounded: a word that is too long, and words that nobody carries
// away, are dropped and block nobody.
func TestPublishIsBounded(t *testing.T) {
	db := storetest.SQLite(t)
	got := make(chan string, 30_000)
	t.Cleanup(db.Subscribe("frames", func(s string) { got <- s }))
	db.Publish("frames", strings.Repeat("x", 8000))
	for i := range 20_000 {
		db.Publish("frames", fmt.Sprint(i))
	}
	db.Publish("end", "")
	ended := hear(t, db, "end")
	run(t, db)
	if s := wait(t, got); s != "0" {
		t.Errorf("got a word of %d bytes first, want %q", len(s), "0")
	}
	db.Publish("end", "")
	wait(t, ended)
	if n := len(got) + 1; n != 10_000 {
		t.Errorf("%d words were kept, want 10,000", n)
	}
}

// TestPayloadsFit: PostgreSQL refuses a NOTIFY of 8,000 bytes or more.
func TestPayloadsFit(t *testing.T) {
	for _, test := range []struct {
		name    string
		payload string
		count   int
		want    int // payloads at least
	}{
		{"none", "", 0, 0},
		{"coalesced", "x", 100, 1},
		{"many", strings.Repeat("x", 100), 1000, 14},
		{"as long as may be", strings.Repeat("x", 6990), 3, 3},
		{"escapes that swell it", strings.Repeat("\"", 6990), 1, 0},
	} {
		payloads := store.Pack(test.payload, test.count)
		for _, p := range payloads {
			if len(p) >= 8000 {
				t.Errorf("%s: a payload of %d bytes", test.name, len(p))
			}
		}
		if len(payloads) < test.want || test.name == "coalesced" && len(payloads) != 1 {
			t.Errorf("%s: %d payloads, want %d", test.name, len(payloads), test.want)
		}
	}
}
