package session

import (
	"errors"
	"strconv"
	"testing"
	"time"
)

// TestMemoryIsBounded: when many keys together fill the memory it takes nothing
// new, forgets nothing old, and has room again when time has passed. It looks
// inside because 100,000 signatures would take minutes.
func TestMemoryIsBounded(t *testing.T) {
	const room = 100_000
	var m replays
	now := time.Unix(1_800_000_000, 0)
	of := func(i int) proof {
		return proof{jkt: strconv.Itoa(i), claims: proofClaims{JTI: "j"}}
	}
	for i := range room {
		if err := m.spend(of(i), now, room); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.spend(of(room), now, room); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: got %v, want ErrBusy", err)
	}
	if err := m.spend(of(0), now, room); !errors.Is(err, ErrProof) {
		t.Errorf("the first again: got %v, want ErrProof", err)
	}
	now = now.Add(2*proofSkew + 2*time.Second)
	if err := m.spend(of(0), now, room); err != nil {
		t.Errorf("later: %v", err)
	}
	if len(m.seen) != 1 || len(m.keys) != 1 || len(m.queue) != 1 {
		t.Errorf("%d, %d and %d are kept, want 1 of each", len(m.seen), len(m.keys), len(m.queue))
	}
}
