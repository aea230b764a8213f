package websocket

import (
	"context"
	"slices"
	"time"
)

// The measures of the look at what has changed.
const (
	lookTimeout = 5 * time.Second
	// overlap is how far back each look goes beyond the one before. It covers the
	// life of a ticket, and besides the clocks of nodes that differ, a transaction
	// that commits late, and a socket that opened between two looks.
	overlap = ticketLife + time.Minute
	// lookFresh is how old the last look may be for tickets to be given or taken.
	lookFresh = 2 * time.Second
)

// Change is something that happened to who may hear what: a device was revoked
// (no Session), a session is over (no Device), or it stands for a device more.
type Change struct{ Session, Device string }

// watchChanges looks for changes until ctx ends. What it could not look for it
// looks for next time.
func (h *Hub) watchChanges(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	since, failing := time.Now(), false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		now := time.Now()
		ask, cancel := context.WithTimeout(ctx, lookTimeout)
		changes, err := h.Changes(ask, since.Add(-overlap))
		cancel()
		if err != nil {
			if !failing && ctx.Err() == nil {
				h.Log.ErrorContext(ctx, "cannot ask for revoked devices", "err", err)
			}
			failing = true
			continue
		}
		since, failing = now, false
		h.apply(changes, now)
	}
}

// apply brings the sockets in line with what a look, which began at a time,
// found. Most of it was found by the looks before, too.
func (h *Hub) apply(changes []Change, began time.Time) {
	revoked := map[string]bool{}
	for _, c := range changes {
		h.note(c)
		if c.Session == "" {
			revoked[c.Device] = true
			h.revoke(c.Device)
		}
	}
	for _, c := range changes {
		switch {
		case c.Session == "":
		case c.Device == "":
			h.leave(c.Session)
		case !revoked[c.Device]:
			h.join(c.Session, c.Device)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looked = began
	for name, n := range h.recent {
		if began.Sub(n.heard) > ticketLife+ticketSkew {
			delete(h.recent, name)
		}
	}
}

// news is what is known of a session or a device of which something changed.
type news struct {
	heard  time.Time // for the last time
	over   bool
	joined []string // devices that the session stands for besides
}

// note has tickets refused that were issued before c.
func (h *Hub) note(c Change) {
	name := c.Session
	if name == "" {
		name = c.Device
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.recent[name]
	n.heard = time.Now()
	switch {
	case c.Session == "" || c.Device == "":
		n.over = true
	case !slices.Contains(n.joined, c.Device):
		n.joined = append(n.joined, c.Device)
	}
	h.recent[name] = n
}

// looksFresh is for those who hold the mutex.
func (h *Hub) looksFresh(now time.Time) bool { return now.Sub(h.looked) <= lookFresh }

// unchanged reports whether this node can say that c still stands as its ticket
// says: it has looked just now, and found nothing of it.
func (h *Hub) unchanged(c Client, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running || !h.looksFresh(now) {
		return false
	}
	of := h.recent[c.Session]
	missing := func(d string) bool { return !slices.Contains(c.Devices, d) && !h.recent[d].over }
	lost := func(d string) bool { return h.recent[d].over }
	return !of.over && !slices.ContainsFunc(of.joined, missing) && !slices.ContainsFunc(c.Devices, lost)
}
