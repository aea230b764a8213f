package session

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// How many proofs are remembered. A proof is remembered for at most twice
// proofSkew; a phone makes a few of them a minute.
const (
	maxProofsPerKey = 1 << 10
	maxProofs       = 1 << 17
)

// replays remembers which proofs were spent, per node, until their iat is too
// old to be taken anyway. When it is full it refuses what is new: to forget
// instead would make a flood of proofs the way to replay an old one.
//
// The zero value is ready.
type replays struct {
	mu    sync.Mutex
	until map[[sha256.Size]byte]time.Time // by key and jti
	keys  map[string]int                  // proofs remembered, by key
	queue []spent                         // in order of arrival
}

// spent is one remembered proof.
type spent struct {
	id    [sha256.Size]byte
	jkt   string
	until time.Time
}

// spend takes p if it was not taken before. It returns ErrProof for a replay,
// ErrBusy if there is no room to remember p.
func (m *replays) spend(p proof, now time.Time) error {
	id := sha256.Sum256([]byte(p.jkt + "\x00" + p.claims.JTI))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(now)
	if _, ok := m.until[id]; ok {
		return fmt.Errorf("%w: replayed", ErrProof)
	}
	if len(m.until) >= maxProofs || m.keys[p.jkt] >= maxProofsPerKey {
		return ErrBusy
	}
	if m.until == nil {
		m.until, m.keys = map[[sha256.Size]byte]time.Time{}, map[string]int{}
	}
	// The longest that any proof stays good, not how long this one does: so the
	// queue, which is in order of arrival, is in order of expiry too.
	s := spent{id, p.jkt, now.Add(2*proofSkew + time.Second)}
	m.until[id] = s.until
	m.keys[p.jkt]++
	m.queue = append(m.queue, s)
	return nil
}

// forget drops what is too old to be replayed.
func (m *replays) forget(now time.Time) {
	n := 0
	for n < len(m.queue) && !now.Before(m.queue[n].until) {
		s := m.queue[n]
		delete(m.until, s.id)
		if m.keys[s.jkt]--; m.keys[s.jkt] <= 0 {
			delete(m.keys, s.jkt)
		}
		n++
	}
	if n == 0 {
		return
	}
	clear(m.queue[:n]) // so that the array behind the slice holds no strings
	m.queue = m.queue[n:]
	if len(m.queue) == 0 {
		m.queue = nil
	}
}
