package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"
)

// How long to wait before connecting again.
const (
	retryMin = 100 * time.Millisecond
	retryMax = 5 * time.Second
)

// pingEvery is how long a silent connection is trusted.
const pingEvery = 15 * time.Second

// envelope is the payload of one NOTIFY: as many words as fit.
type envelope struct {
	From  string   `json:"f"` // the node, which has told its own subscribers already
	Words []notice `json:"w"`
}

// channel is the name that the nodes on one schema share.
func (db *DB) channel() string {
	sum := sha256.Sum256([]byte(db.schema))
	return "mitome_" + hex.EncodeToString(sum[:8])
}

// runPostgresBus has one goroutine for each of: words to this node's
// subscribers, words to the others, words from the others. Words from others
// pass through the first, so that a subscriber is called by one alone.
func (db *DB) runPostgresBus(ctx context.Context) error {
	node := newID()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { db.runLocalBus(ctx); return nil })
	g.Go(func() error { db.send(ctx, node); return nil })
	g.Go(func() error { db.listen(ctx, node); return nil })
	return g.Wait()
}

// send is the one that notifies: what piles up while it waits for the database
// leaves as one NOTIFY, because each takes a lock on the whole database.
func (db *DB) send(ctx context.Context, node string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-db.bus.remote.ready:
		}
		for _, payload := range pack(node, db.bus.remote.take()) {
			_, err := db.write.ExecContext(ctx, `SELECT pg_notify($1, $2)`, db.channel(), payload)
			if err != nil && ctx.Err() == nil { // the words are lost, as Publish says they may be
				db.log.Warn("bus: cannot notify", "err", err)
			}
		}
	}
}

// pack fits words into as few payloads as it can.
func pack(node string, words []notice) []string {
	var out []string
	for len(words) > 0 {
		n, size := 0, 64
		for n < len(words) {
			b, err := json.Marshal(words[n])
			if err != nil {
				return out // strings always encode
			}
			if size += len(b) + 1; size > 7900 && n > 0 {
				break
			}
			n++
		}
		b, err := json.Marshal(envelope{node, words[:n]})
		if err != nil {
			return out
		}
		if len(b) < 8000 { // escapes may have made a single word too long
			out = append(out, string(b))
		}
		words = words[n:]
	}
	return out
}

// listen takes words from other nodes. When a connection is lost, so is what was
// said meanwhile: the worker then looks for jobs at once, and others re-read
// what they live by on their own clock.
func (db *DB) listen(ctx context.Context, node string) {
	wait := retryMin
	for ctx.Err() == nil {
		began := time.Now()
		if err := db.hear(ctx, node); err != nil && ctx.Err() == nil {
			db.log.Warn("bus: not listening", "err", err, "again_in", wait)
		}
		if time.Since(began) > retryMax {
			wait = retryMin
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, retryMax)
	}
}

// hear listens on one connection until it breaks.
func (db *DB) hear(ctx context.Context, node string) error {
	conn, err := pgx.Connect(ctx, db.busURL)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{db.channel()}.Sanitize()); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	db.signal()
	for {
		got, err := next(ctx, conn)
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		if got == nil {
			continue
		}
		var e envelope
		if json.Unmarshal([]byte(got.Payload), &e) != nil || e.From == node {
			continue // not ours to read, or our own
		}
		for _, w := range e.Words {
			db.bus.local.add(w)
		}
	}
}

// next waits for one notification. It returns nil after a while without any, in
// which it has made sure that somebody is still there: a network that drops
// packets ends no connection.
func next(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	short, cancel := context.WithTimeout(ctx, pingEvery)
	defer cancel()
	got, err := conn.WaitForNotification(short)
	if err == nil || ctx.Err() != nil || short.Err() == nil {
		return got, err
	}
	short, cancel = context.WithTimeout(ctx, pingEvery)
	defer cancel()
	return nil, conn.Ping(short)
}
