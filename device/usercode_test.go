package device_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/seal"
)

var theOP = device.Actor{Kind: device.ActorOP, ID: "corp/prod"}

const (
	herCode  = "WDJB73"
	notHers  = "WDJB74"
	theTill  = "till"
	freeOnes = 5
)

// withCodes is a world whose user s-1 has herCode; s-2 has none.
func withCodes(t *testing.T) (*world, device.User) {
	t.Helper()
	w := newWorld(t)
	w.UserCodes, w.CodeKeys = w.db, seal.New()
	u := w.user(t, "s-1")
	w.user(t, "s-2")
	if err := w.AddHint(t.Context(), u.ID, device.Hint{Kind: "email", Value: "aiko@example.org"}, admin); err != nil {
		t.Fatal(err)
	}
	if err := w.SetUserCode(t.Context(), u.ID, herCode, admin); err != nil {
		t.Fatal(err)
	}
	return w, u
}

func sub(s string) device.Subject { return device.Subject{OP: "corp", Sub: s} }

// try has the client try a code for whom.
func (w *world) try(t *testing.T, whom device.Subject, client, code string) error {
	t.Helper()
	return w.VerifyUserCode(t.Context(), device.CodeTry{Subject: whom, Client: client, Code: code}, theOP)
}

func (w *world) wantTry(t *testing.T, what, client, code string, want error) {
	t.Helper()
	if err := w.try(t, sub("s-1"), client, code); !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func TestVerifyUserCode(t *testing.T) {
	w, _ := withCodes(t)
	byHint := func(kind, value string) device.Subject {
		return device.Subject{OP: "corp", Hint: device.Hint{Kind: kind, Value: value}}
	}
	for _, tt := range []struct {
		name string
		whom device.Subject
		code string
		want error
	}{
		{"right", sub("s-1"), herCode, nil},
		{"by a hint", byHint("email", "Aiko@example.org"), herCode, nil},
		{"as a phone types it", sub("s-1"), "ｗｄｊ－ｂ ７３", nil},
		{"wrong", sub("s-1"), notHers, device.ErrUserCode},
		{"a part of it", sub("s-1"), "WDJB7", device.ErrUserCode},
		{"of nobody", sub("s-9"), herCode, device.ErrUserCode},
		{"of nobody, by a hint", byHint("email", "eve@example.org"), herCode, device.ErrUserCode},
		{"a hint of an unknown form", byHint("badge", "7"), herCode, device.ErrUserCode},
		{"of another OP's user", device.Subject{OP: "bank", Sub: "s-1"}, herCode, device.ErrUserCode},
		{"of a user without one", sub("s-2"), herCode, device.ErrUserCode},
		{"none", sub("s-1"), "", device.ErrNoUserCode},
		{"none of nobody", sub("s-9"), " ー ", device.ErrNoUserCode},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := w.try(t, tt.whom, theTill, tt.code); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestCodesAreTheUsers: two users with one code have nothing in common, and
// neither has one user who sets hers twice.
func TestCodesAreTheUsers(t *testing.T) {
	w, u := withCodes(t)
	first, err := w.UserCodes.UserCode(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.SetUserCode(t.Context(), u.ID, herCode, admin); err != nil {
		t.Fatal(err)
	}
	second, err := w.UserCodes.UserCode(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	if first.Hash == second.Hash || !strings.HasPrefix(first.Hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("got %s and %s", first.Hash, second.Hash)
	}
	w.CodeKeys = seal.New() // whoever has the database and not its keys
	w.wantTry(t, "without the keys", theTill, herCode, device.ErrUserCode)
}

// TestCodeLocks: five wrong ones lock for a quarter of an hour, each one after
// that for twice as long, up to a day; a right one ends it. Neither another
// instance nor a new code does.
func TestCodeLocks(t *testing.T) {
	w, u := withCodes(t)
	for i := range freeOnes - 1 {
		w.wantTry(t, fmt.Sprint("wrong ", i), theTill, notHers, device.ErrUserCode)
	}
	w.wantTry(t, "right at the last", theTill, herCode, nil)
	for range freeOnes {
		w.wantTry(t, "wrong", theTill, notHers, device.ErrUserCode)
	}
	w.wantTry(t, "right, locked", theTill, herCode, device.ErrUserCode)
	w.wantTry(t, "right, by another client", "kiosk", herCode, nil)
	if err := w.SetUserCode(t.Context(), u.ID, "NEW4711", admin); err != nil {
		t.Fatal(err)
	}
	w.wantTry(t, "a new one, locked", theTill, "NEW4711", device.ErrUserCode)
	w.Service = &device.Service{Users: w.db, UserCodes: w.db, CodeKeys: w.CodeKeys, Now: w.Now}
	w.now = w.now.Add(15*time.Minute - time.Second)
	w.wantTry(t, "after a restart, a second too early", theTill, "NEW4711", device.ErrUserCode)
	wait := 15 * time.Minute
	w.now = w.now.Add(time.Second)
	for range 9 {
		w.wantTry(t, "wrong after the lock", theTill, notHers, device.ErrUserCode)
		wait = min(2*wait, 24*time.Hour)
		w.now = w.now.Add(wait - time.Second)
		w.wantTry(t, fmt.Sprint("right, within ", wait), theTill, "NEW4711", device.ErrUserCode)
		w.now = w.now.Add(time.Second)
	}
	w.wantTry(t, "right, after a day", theTill, "NEW4711", nil)
	w.wantTry(t, "wrong, after a right one", theTill, notHers, device.ErrUserCode)
	w.wantTry(t, "right, after one wrong", theTill, "NEW4711", nil)
}

// TestParallelGuessesAreCounted: of many at once no more are compared than one
// after another.
func TestParallelGuessesAreCounted(t *testing.T) {
	w, u := withCodes(t)
	errs := devicetest.Race(4*freeOnes, func(i int) error {
		return w.try(t, sub("s-1"), theTill, fmt.Sprintf("GUESS%02d", i))
	})
	for _, err := range errs {
		if !errors.Is(err, device.ErrUserCode) {
			t.Errorf("got %v, want %v", err, device.ErrUserCode)
		}
	}
	got, err := w.UserCodes.CodeTries(t.Context(), device.Tried{User: u.ID, Client: theTill})
	if err != nil || got.Failures != freeOnes || !got.LockedUntil.Equal(w.now.Add(15*time.Minute)) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// diary notes what is asked of the store.
type diary struct {
	device.UserCodes
	mu    sync.Mutex
	calls []string
}

func (d *diary) note(call string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, call)
}

func (d *diary) UserCode(ctx context.Context, u device.UserID) (device.UserCode, error) {
	d.note("read code")
	return d.UserCodes.UserCode(ctx, u)
}

func (d *diary) CodeTries(ctx context.Context, t device.Tried) (device.CodeTries, error) {
	d.note("read tries")
	return d.UserCodes.CodeTries(ctx, t)
}

func (d *diary) ChargeUserCode(ctx context.Context, t device.Tried, next device.CodeTries) error {
	d.note("charge")
	return d.UserCodes.ChargeUserCode(ctx, t, next)
}

func (d *diary) LockedUserCode(ctx context.Context, t device.Tried, failures int, by device.Actor) error {
	d.note("locked")
	return d.UserCodes.LockedUserCode(ctx, t, failures, by)
}

// allocated is how much fn allocates; other tests may add to it.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestRefusedCodesTakeAsLong: what is refused does the same, so that the time
// does not tell who is known, who has a code and who is locked. That a hash is
// made is seen by the memory that it takes.
func TestRefusedCodesTakeAsLong(t *testing.T) {
	w, _ := withCodes(t)
	d := &diary{UserCodes: w.db}
	w.UserCodes = d
	for range freeOnes { // a lock is written down where nobody is behind it too
		w.wantTry(t, "wrong", "locked", notHers, device.ErrUserCode)
	}
	lastWrong := d.calls[len(d.calls)-4:]
	d.calls = nil
	for range freeOnes {
		if err := w.try(t, sub("s-9"), "locked", notHers); !errors.Is(err, device.ErrUserCode) {
			t.Error(err)
		}
	}
	if got := d.calls[len(d.calls)-4:]; !slices.Equal(got, lastWrong) || !slices.Contains(got, "locked") {
		t.Errorf("the fifth of nobody: %v, of a user: %v", got, lastWrong)
	}
	want := []string{"read tries", "charge", "read code"}
	for name, try := range map[string]struct{ sub, client string }{
		"wrong": {"s-1", theTill}, "locked": {"s-1", "locked"}, "without a code": {"s-2", theTill}, "nobody": {"s-9", theTill},
		"nobody, locked": {"s-9", "locked"},
	} {
		d.calls = nil
		used := allocated(func() {
			if err := w.try(t, sub(try.sub), try.client, notHers); !errors.Is(err, device.ErrUserCode) {
				t.Errorf("%s: %v", name, err)
			}
		})
		if !slices.Equal(d.calls, want) {
			t.Errorf("%s: got %v, want %v", name, d.calls, want)
		}
		if used < 19<<20 {
			t.Errorf("%s: %d bytes were used; nothing was hashed", name, used)
		}
	}
}

// TestNobodyFillsNoTable: names that nobody has are tried under a few names.
func TestNobodyFillsNoTable(t *testing.T) {
	w, _ := withCodes(t)
	seen := map[string]bool{}
	w.UserCodes = &nobodies{w.db, seen}
	for i := range 40 {
		_ = w.try(t, sub(fmt.Sprint("nobody-", i)), fmt.Sprint("client-", i), notHers)
	}
	for name := range seen {
		var n int
		if _, err := fmt.Sscanf(name, "nobody %d", &n); err != nil || n < 0 || n > 255 {
			t.Errorf("tried as %q", name)
		}
	}
	if len(seen) < 10 {
		t.Errorf("%d names for 40", len(seen))
	}
}

type nobodies struct {
	device.UserCodes
	seen map[string]bool
}

func (n *nobodies) CodeTries(_ context.Context, t device.Tried) (device.CodeTries, error) {
	n.seen[t.Nobody+t.Client] = true
	return device.CodeTries{}, errors.New("enough")
}

func TestSetUserCode(t *testing.T) {
	w, u := withCodes(t)
	for _, code := range []string{
		"", "123", "1234567890123", "0000", "1212", "123123", "1234", "4321", "7890", "3210987", "abcd", "EDCBA", "AAAA", "qwerty",
		"pass word", "2580", "ＡＢＣＤ", "12 34", "wdjb73!", "ひみつの言葉", "w\x00djb73", "１１１１", "9012", "letmein",
	} {
		if err := w.SetUserCode(t.Context(), u.ID, code, admin); !errors.Is(err, device.ErrUserCodeShape) {
			t.Errorf("%q: got %v, want %v", code, err, device.ErrUserCodeShape)
		}
	}
	w.wantTry(t, "the old one", theTill, herCode, nil)
	for _, code := range []string{"4071", "sommer23", "７３-ＷＤ", "1357", "1221", "AB12CD34EF56"} {
		if err := w.SetUserCode(t.Context(), u.ID, code, admin); err != nil {
			t.Errorf("%q: %v", code, err)
		}
		w.wantTry(t, code, theTill, code, nil)
	}
	if err := w.ClearUserCode(t.Context(), u.ID, admin); err != nil {
		t.Fatal(err)
	}
	w.wantTry(t, "after it was taken away", theTill, "AB12CD34EF56", device.ErrUserCode)
	if err := w.ClearUserCode(t.Context(), u.ID, admin); err != nil {
		t.Errorf("taken away twice: %v", err)
	}
	for _, err := range []error{w.SetUserCode(t.Context(), "nobody", herCode, admin), w.ClearUserCode(t.Context(), "nobody", admin)} {
		if !errors.Is(err, device.ErrUnknownUser) {
			t.Errorf("got %v, want %v", err, device.ErrUnknownUser)
		}
	}
}

func TestCharge(t *testing.T) {
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		failures int
		wait     time.Duration
	}{
		{0, 0}, {3, 0}, {4, 15 * time.Minute}, {5, 30 * time.Minute}, {6, time.Hour}, {10, 16 * time.Hour}, {11, 24 * time.Hour}, {99, 24 * time.Hour},
	} {
		next, ok := device.CodeTries{Failures: tt.failures, Version: 7}.Charge(now)
		want := device.CodeTries{Failures: tt.failures + 1, Version: 7}
		if tt.wait > 0 {
			want.LockedUntil = now.Add(tt.wait)
		}
		if !ok || next != want {
			t.Errorf("after %d: got %+v, %v, want %+v", tt.failures, next, ok, want)
		}
		if again, ok := next.Charge(now.Add(tt.wait - 1)); tt.wait > 0 && (ok || again != next) {
			t.Errorf("after %d: a locked one was taken", tt.failures)
		}
	}
	spent := device.CodeTries{Failures: 100, Version: 7}
	if next, ok := spent.Charge(now.Add(365 * 24 * time.Hour)); ok || next != spent {
		t.Errorf("after a hundred: one more was taken, a year later: %+v", next)
	}
}
