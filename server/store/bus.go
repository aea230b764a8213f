package store

import (
	"context"
	"sync"
)

// notice is one word on the bus.
type notice struct{ Topic, Payload string }

// maxPayload is what may be published: a NOTIFY carries less than 8,000 bytes,
// and the topic and the envelope take some of them.
const maxPayload = 7000

// maxWaiting bounds what a node keeps while PostgreSQL is away. What is over is
// dropped: every word on the bus only saves its reader time.
const maxWaiting = 10_000

// bus is the words that wait to be carried, here and to other nodes.
type bus struct {
	mu     sync.Mutex
	subs   map[string][]*subscriber
	local  waiting // for this node's subscribers
	remote waiting // for other nodes; PostgreSQL only
}

type subscriber struct{ fn func(payload string) }

func newBus() bus {
	return bus{subs: map[string][]*subscriber{}, local: newWaiting(), remote: newWaiting()}
}

// Publish tells every subscriber of topic, on every node, this one among them.
// It does not block and may lose the word: nothing may rest on it alone.
// Delivery is the work of [DB.RunBus].
func (db *DB) Publish(topic, payload string) {
	if len(payload) > maxPayload {
		return
	}
	n := notice{topic, payload}
	if topic != topicOutbox { // this node's own worker was woken already
		db.bus.local.add(n)
	}
	if db.postgres {
		db.bus.remote.add(n)
	}
}

// Subscribe has fn called with each payload, one at a time and in order, until
// cancel is called. Fn must not block: it holds up everybody's words.
func (db *DB) Subscribe(topic string, fn func(payload string)) (cancel func()) {
	b, s := &db.bus, &subscriber{fn}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs[topic] = append(b.subs[topic], s)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		kept := make([]*subscriber, 0, len(b.subs[topic])) // a copy: the old one may be in use
		for _, other := range b.subs[topic] {
			if other != s {
				kept = append(kept, other)
			}
		}
		b.subs[topic] = kept
	}
}

// deliver calls the subscribers of each word.
func (db *DB) deliver(words []notice) {
	for _, n := range words {
		if n.Topic == topicOutbox {
			db.signal()
			continue
		}
		db.bus.mu.Lock()
		subs := db.bus.subs[n.Topic]
		db.bus.mu.Unlock()
		for _, s := range subs {
			s.fn(n.Payload)
		}
	}
}

// RunBus carries words until ctx ends: to this node's subscribers and, on
// PostgreSQL, between the nodes.
func (db *DB) RunBus(ctx context.Context) error {
	if db.postgres {
		return db.runPostgresBus(ctx)
	}
	db.runLocalBus(ctx)
	return nil
}

// runLocalBus delivers what this node publishes.
func (db *DB) runLocalBus(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-db.bus.local.ready:
			db.deliver(db.bus.local.take())
		}
	}
}

// waiting is a bounded queue. A word without payload that waits already is not
// repeated: it says the same however often it is said.
type waiting struct {
	mu    *sync.Mutex
	words []notice
	bare  map[string]bool // topics of which a word without payload waits
	ready chan struct{}
}

func newWaiting() waiting {
	return waiting{mu: new(sync.Mutex), bare: map[string]bool{}, ready: make(chan struct{}, 1)}
}

func (w *waiting) add(n notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bare := n.Payload == ""
	if bare && w.bare[n.Topic] || len(w.words) >= maxWaiting {
		return
	}
	w.words = append(w.words, n)
	if bare {
		w.bare[n.Topic] = true
	}
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

func (w *waiting) take() []notice {
	w.mu.Lock()
	defer w.mu.Unlock()
	words := w.words
	w.words = nil
	clear(w.bare)
	return words
}
