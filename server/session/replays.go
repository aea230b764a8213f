package session

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// How many proofs are remembered. A proof is remembered for two minutes; a phone
// makes a few of them a minute. What paired devices may have in memory bounds
// what a node can take of them, 4,000 calls a second at some 80 bytes each; anybody can
// make the proofs of strangers.
const (
	maxProofsPerKey = 1 << 10
	maxKnown        = 1 << 19
	maxStrangers    = 1 << 17
)

// digest names a key or a proof. Who finds two proofs with one digest has found
// one that is refused to himself.
type digest [16]byte

func digestOf(s string) digest {
	sum := sha256.Sum256([]byte(s))
	return digest(sum[:16])
}

// replays remembers which proofs were spent, per node, until their iat is too
// old to be taken anyway. When it is full it refuses what is new: to forget
// instead would make a flood of proofs the way to replay an old one.
//
// The zero value is ready.
type replays struct {
	mu    sync.Mutex
	seen  map[digest]struct{} // by key and jti
	keys  map[digest]int      // proofs remembered, by key
	queue []spent             // in order of arrival
}

// spent is one remembered proof. Times are Unix milliseconds: there may be half a
// million of them.
type spent struct {
	id, key digest
	until   int64
}

// spend takes p if it was not taken before. It returns ErrProof for a replay,
// ErrBusy if room proofs are remembered already, or too many of this key.
func (m *replays) spend(p proof, now time.Time, room int) error {
	key, id := digestOf(p.jkt), digestOf(p.jkt+"\x00"+p.claims.JTI)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(now)
	if _, ok := m.seen[id]; ok {
		return fmt.Errorf("%w: replayed", ErrProof)
	}
	if len(m.seen) >= room || m.keys[key] >= maxProofsPerKey {
		return ErrBusy
	}
	if m.seen == nil {
		m.seen, m.keys = map[digest]struct{}{}, map[digest]int{}
	}
	// The longest that any proof stays good, not how long this one does: so the
	// queue, which is in order of arrival, is in order of expiry too.
	m.seen[id] = struct{}{}
	m.keys[key]++
	m.queue = append(m.queue, spent{id, key, now.Add(2*proofSkew + time.Second).UnixMilli()})
	return nil
}

// forget drops what is too old to be replayed.
func (m *replays) forget(now time.Time) {
	n := 0
	for ms := now.UnixMilli(); n < len(m.queue) && m.queue[n].until <= ms; n++ {
		s := m.queue[n]
		delete(m.seen, s.id)
		if m.keys[s.key]--; m.keys[s.key] <= 0 {
			delete(m.keys, s.key)
		}
	}
	m.queue = m.queue[n:]
	if len(m.queue) == 0 {
		m.queue = nil
	}
}
