package limit_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/server/limit"
	"github.com/mitome-ciba/mitome/server/web"
)

// tryOnce is one try of who, right or wrong; false if it was not taken.
func tryOnce(t *testing.T, l *limit.Tries, who string, now time.Time, wrong bool) bool {
	t.Helper()
	end, err := l.Begin(who, now)
	var rate *web.RateError
	switch {
	case err == nil:
		end(wrong)
	case !errors.As(err, &rate) || rate.Wait <= 0 || rate.Wait > 3*time.Second:
		t.Errorf("got %v, want a wait of at most 3 s", err)
	}
	return err == nil
}

func TestTries(t *testing.T) {
	var l limit.Tries
	now := time.Now()
	for range 100 {
		if !tryOnce(t, &l, "till", now, false) {
			t.Fatal("one who is right was refused")
		}
	}
	taken := 0
	for tryOnce(t, &l, "till", now, true) {
		taken++
	}
	if taken != 20 {
		t.Errorf("%d wrong tries were taken, want 20", taken)
	}
	if tryOnce(t, &l, "till", now, false) {
		t.Error("then one that may be right was taken")
	}
	if !tryOnce(t, &l, "kiosk", now, true) {
		t.Error("another was refused for it")
	}
	if tryOnce(t, &l, "till", now.Add(-time.Hour), true) {
		t.Error("a clock that was set back forgave")
	}
	if now = now.Add(3 * time.Second); !tryOnce(t, &l, "till", now, true) || tryOnce(t, &l, "till", now, true) {
		t.Error("a wait of three seconds is not worth one try")
	}
}

// TestTriesAtOnce: many that are under way together are no more than one after
// the other.
func TestTriesAtOnce(t *testing.T) {
	var l limit.Tries
	now := time.Now()
	var taken sync.Map
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if end, err := l.Begin("till", now); err == nil {
				taken.Store(i, end)
			}
		})
	}
	wg.Wait()
	n := 0
	taken.Range(func(_, end any) bool { n++; end.(func(bool))(false); return true })
	if n != 20 {
		t.Errorf("%d were under way at once, want 20", n)
	}
	if !tryOnce(t, &l, "till", now, false) {
		t.Error("what was right was not given back")
	}
}

// TestTriesAreBounded: names are the callers' own words.
func TestTriesAreBounded(t *testing.T) {
	var l limit.Tries
	now := time.Now()
	for i := range 10_000 {
		tryOnce(t, &l, strconv.Itoa(i), now, true)
	}
	taken := 0
	for i := range 100 {
		if tryOnce(t, &l, "late "+strconv.Itoa(i), now, true) {
			taken++
		}
	}
	if taken != 20 {
		t.Errorf("%d of those without room were taken, want 20 between them", taken)
	}
	if !tryOnce(t, &l, "1", now, true) {
		t.Error("one who was there before lost his count")
	}
	if now = now.Add(time.Hour); !tryOnce(t, &l, "a new one", now, true) {
		t.Error("nobody was forgotten")
	}
}
