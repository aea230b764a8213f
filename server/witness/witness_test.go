package witness_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/witness"
)

var _ approval.Witness = (*witness.Witness)(nil)

// kept is a store that may be down.
type kept struct {
	mu     sync.Mutex
	down   bool
	notes  []witness.Note
	writes int
}

func (k *kept) WriteNotes(_ context.Context, notes []witness.Note) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.down {
		return errors.New("down")
	}
	k.writes++
	k.notes = append(k.notes, notes...)
	return nil
}

func (k *kept) set(down bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = down
}

// count returns how many rows of word there are, and the last of them.
func (k *kept) count(word audit.Word) (n int, last witness.Note) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, note := range k.notes {
		if note.Word == word {
			n, last = n+1, note
		}
	}
	return n, last
}

func request(id string) approval.Request {
	return approval.Request{ID: approval.RequestID(id), UserID: "u"}
}

func by(d string) device.Actor { return device.Actor{Kind: device.ActorDevice, ID: d} }

// run runs do beside a witness, and returns when that has ended.
func run(t *testing.T, do func(w *witness.Witness, k *kept)) *kept {
	t.Helper()
	k := &kept{}
	synctest.Test(t, func(t *testing.T) {
		w := &witness.Witness{Store: k, Log: slog.New(slog.DiscardHandler), Now: time.Now}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		do(w, k)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return k
}

// pass lets time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// TestALookIsWrittenOnce: a device that polls costs one row, and no write.
func TestALookIsWrittenOnce(t *testing.T) {
	k := run(t, func(w *witness.Witness, _ *kept) {
		for i := range 1000 {
			w.Saw(request("R1"), by("D1"), fmt.Append(nil, "view ", i))
			pass(10 * time.Millisecond)
		}
		w.Saw(request("R1"), by("D2"), []byte("view"))
		w.Saw(request("R2"), by("D1"), []byte("view"))
	})
	if n, last := k.count(audit.RequestShown); n != 3 || last.Request != "R2" || last.Device != "D1" || last.User != "u" || len(last.Detail["view"]) != 43 {
		t.Errorf("got %d rows, the last %+v", n, last)
	}
	if k.writes != 2 {
		t.Errorf("%d writes, want 2", k.writes)
	}
}

// TestRefusalsDoNotFillTheLog: of an hour's answers that do not hold, ten a second,
// few are written, and these say how many were not.
func TestRefusalsDoNotFillTheLog(t *testing.T) {
	for _, tt := range []struct {
		device   string
		min, max int
	}{{"D1", 60, 75}, {"", 350, 400}} {
		sent := 0
		k := run(t, func(w *witness.Witness, _ *kept) {
			for range 36_000 {
				w.Refused(device.Refusal{Act: "approve", Request: "R1", Device: device.DeviceID(tt.device), By: by(tt.device)})
				sent++
				pass(100 * time.Millisecond)
			}
		})
		n, last := k.count(audit.PasskeyRefused)
		if n < tt.min || n > tt.max || last.Detail["act"] != "approve" || last.Request != "R1" {
			t.Errorf("%q: got %d rows, the last %+v", tt.device, n, last)
		}
		total := n
		for _, note := range k.notes {
			var more int
			fmt.Sscan(note.Detail["not_written"], &more)
			total += more
		}
		if total > sent || total < sent-700 {
			t.Errorf("%q: the rows tell of %d, sent were %d", tt.device, total, sent)
		}
	}
}

// TestOneDeviceSilencesNoOther: what is written of one is not taken from another.
func TestOneDeviceSilencesNoOther(t *testing.T) {
	k := run(t, func(w *witness.Witness, _ *kept) {
		for range 100 {
			w.Refused(device.Refusal{Device: "D1"})
			w.Refused(device.Refusal{})
		}
		w.Refused(device.Refusal{Device: "D2"})
	})
	if !slices.ContainsFunc(k.notes, func(n witness.Note) bool { return n.Device == "D2" }) {
		t.Error("D2 is not written")
	}
}

// TestNotesWaitForTheDatabase: what it does not take is written later, once and in
// order, with the time when it happened; and what has no room is dropped.
func TestNotesWaitForTheDatabase(t *testing.T) {
	var began time.Time
	k := run(t, func(w *witness.Witness, k *kept) {
		k.set(true)
		began = time.Now()
		for i := range 20_000 {
			w.Saw(request(fmt.Sprint("R", i)), by("D1"), nil)
		}
		pass(time.Minute)
		k.set(false)
		pass(time.Second)
	})
	if len(k.notes) != 10_000 {
		t.Fatalf("got %d notes", len(k.notes))
	}
	for i, n := range k.notes {
		if n.Request != approval.RequestID(fmt.Sprint("R", i)) || !n.At.Equal(began) {
			t.Fatalf("note %d is %+v", i, n)
		}
	}
}
