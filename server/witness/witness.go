// Package witness writes down what changes nothing and belongs into the audit log
// all the same: that a device was given a request to show, and that what a passkey
// was said to have signed did not hold.
//
// # Why
//
// What changes something is written in the transaction that changes it. A look
// changes nothing, and devices look often: to write each time would have the
// database pay for every poll, and whoever polls fill the log. So a device's first
// look at a request counts, and what there is to write is gathered and written
// twice a second; a node that is killed takes half a second of it along. What is
// signed after a look is not among it: the view that a passkey is to sign is
// written with its challenge.
//
// Who sends answers that do not hold is a stranger, if only with a stolen session.
// So few of them are written for each device, and fewer for those who name none;
// the next row that is written says how many were not.
package witness

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
)

// Note is a row of the log and when what it tells of happened.
type Note struct {
	audit.Entry
	At time.Time
}

// Store keeps notes. Package server/store implements it.
type Store interface {
	// WriteNotes writes notes, in order. Of a device's looks at one request, on
	// whichever node, the first is written.
	WriteNotes(ctx context.Context, notes []Note) error
}

// What bounds the log and the memory of a node.
const (
	writeEvery = 500 * time.Millisecond
	lastWrite  = 5 * time.Second // how long the end of a node waits for it
	batch      = 200             // notes in one transaction
	maxNotes   = 10_000          // that wait to be written
	maxLooks   = 20_000          // that are remembered, twice
	maxKnown   = 10_000          // devices that are counted apart; the others share a count

	deviceBurst, deviceEvery     = 10, time.Minute
	strangerBurst, strangerEvery = 30, 10 * time.Second
)

// Witness gathers notes. It implements [approval.Witness] and userapi's Refusals.
// Store, Log and Now are needed.
type Witness struct {
	Store Store
	Log   *slog.Logger
	Now   func() time.Time

	mu        sync.Mutex
	notes     []Note
	dropped   int
	looks     [2]map[look]struct{} // the newer ones first
	known     map[device.DeviceID]*count
	strangers *count
}

// look is one device's at one request.
type look struct {
	request approval.RequestID
	device  device.DeviceID
}

// count is how many answers may be written yet, and how many were not.
type count struct {
	limit  *rate.Limiter
	unsaid int
}

// Saw implements [approval.Witness].
func (w *Witness) Saw(r approval.Request, by device.Actor, view []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.first(look{r.ID, device.DeviceID(by.ID)}) {
		return
	}
	sum := sha256.Sum256(view)
	w.note(audit.Entry{
		Word: audit.RequestShown, By: by, Request: r.ID, User: r.UserID, Device: device.DeviceID(by.ID),
		Detail: map[string]string{"view": base64.RawURLEncoding.EncodeToString(sum[:])},
	})
}

// first reports whether l is new to this node. What it has forgotten the store
// still knows.
func (w *Witness) first(l look) bool {
	for _, seen := range w.looks {
		if _, ok := seen[l]; ok {
			return false
		}
	}
	if w.looks[0] == nil || len(w.looks[0]) >= maxLooks {
		w.looks = [2]map[look]struct{}{{}, w.looks[0]}
	}
	w.looks[0][l] = struct{}{}
	return true
}

// Refused writes down that a passkey's answer did not hold, if not too many did
// not of late.
func (w *Witness) Refused(r device.Refusal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.countOf(r.Device)
	if !c.limit.AllowN(w.Now(), 1) {
		c.unsaid++
		return
	}
	detail := map[string]string{"act": r.Act}
	if c.unsaid > 0 {
		detail["not_written"] = strconv.Itoa(c.unsaid)
		c.unsaid = 0
	}
	w.note(audit.Entry{
		Word: audit.PasskeyRefused, By: r.By, Request: approval.RequestID(r.Request), User: r.User, Device: r.Device, Detail: detail,
	})
}

func (w *Witness) countOf(d device.DeviceID) *count {
	if w.known == nil {
		w.known = map[device.DeviceID]*count{}
		w.strangers = &count{limit: rate.NewLimiter(rate.Every(strangerEvery), strangerBurst)}
	}
	if c, ok := w.known[d]; ok {
		return c
	}
	if len(w.known) >= maxKnown {
		w.forget()
	}
	if d == "" || len(w.known) >= maxKnown {
		return w.strangers
	}
	w.known[d] = &count{limit: rate.NewLimiter(rate.Every(deviceEvery), deviceBurst)}
	return w.known[d]
}

// forget drops the devices that are as good as new.
func (w *Witness) forget() {
	now := w.Now()
	for d, c := range w.known {
		if c.unsaid == 0 && c.limit.TokensAt(now) >= deviceBurst {
			delete(w.known, d)
		}
	}
}

func (w *Witness) note(e audit.Entry) {
	if len(w.notes) >= maxNotes {
		w.dropped++
		return
	}
	w.notes = append(w.notes, Note{e, w.Now()})
}

// Run writes what was gathered until ctx ends, and then what is left.
func (w *Witness) Run(ctx context.Context) error {
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
			defer cancel()
			w.write(ctx)
			return nil
		case <-tick.C:
			w.write(ctx)
		}
	}
}

// write stores what was gathered. What the database does not take waits for the
// next time.
func (w *Witness) write(ctx context.Context) {
	for {
		w.mu.Lock()
		n, dropped := min(len(w.notes), batch), w.dropped
		some := w.notes[:n:n]
		w.dropped = 0
		w.mu.Unlock()
		if dropped > 0 {
			w.Log.Error("looks and refusals that the audit log lacks", "count", dropped)
		}
		if n == 0 {
			return
		}
		if err := w.Store.WriteNotes(ctx, some); err != nil {
			if ctx.Err() == nil {
				w.Log.Error("looks and refusals are not written yet", "err", err)
			}
			return
		}
		w.mu.Lock()
		w.notes = w.notes[n:]
		w.mu.Unlock()
	}
}
