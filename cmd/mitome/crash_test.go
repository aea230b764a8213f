package main_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/server/adminapi"
)

// fewKills is how often TestCrash kills Mitome on each database. `make crash`
// asks for more.
const fewKills = 8

// TestCrash kills Mitome (kill -9) at random moments, again and again, while two
// OPs ask and phones answer, and then accounts for every request: what the OP, the
// phone and Mitome say of it must fit together. One OP may be told a decision as
// often as it takes; the other, as Keycloak is, must not be told an approval twice.
//
// It prints one line for each database. Lost is a request, a decision or a report
// that somebody was told of and that is gone; doubled, what was said or done twice
// though once is all it may be; flipped, an answer that came out as another one.
// Unsure are reports of which nobody can know whether they arrived; unexplained are
// those of them that were not under way at a kill.
func TestCrash(t *testing.T) {
	kills := fewKills
	if asked := os.Getenv("MITOME_TEST_KILLS"); asked != "" {
		var err error
		if kills, err = strconv.Atoi(asked); err != nil || kills < 1 {
			t.Fatalf("MITOME_TEST_KILLS is %q", asked)
		}
	}
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			w := newCrashWorld(t, database)
			stop := w.load()
			for range kills {
				w.life()
			}
			w.start()
			w.ready()
			stop()
			w.settle()
			total := w.account()
			fmt.Printf("crash %s: kills %d, requests %d, unsure %d, lost %d, doubled %d, flipped %d, unexplained %d\n", database,
				kills, total.requests, total.unsure, total.lost, total.doubled, total.flipped, total.unexplained)
			if total.requests == 0 {
				t.Error("nobody asked for anything")
			}
		})
	}
}

// life is one life of Mitome, and its end. Two of six end about a report, which is
// the one moment at which something can become unsure. On a machine that is busy
// little may happen in most of the others, hence some that last until something did.
func (w *crashWorld) life() {
	w.t.Helper()
	w.start()
	switch w.random.IntN(6) {
	case 0:
		w.pause(200 * time.Millisecond) // it has hardly begun
	case 1, 2:
		w.ready()
		w.op.nextReport(time.Second)
		w.pause(8 * time.Millisecond)
	case 3:
		w.ready()
		w.pause(600 * time.Millisecond)
	default:
		w.ready()
		w.op.nextReport(patience)
		w.pause(600 * time.Millisecond)
	}
	w.process.Kill()
	for request := range w.underWay() {
		w.marked[request] = true
	}
}

// pause waits for a random time up to most.
func (w *crashWorld) pause(most time.Duration) {
	<-time.After(time.Duration(w.random.Int64N(int64(most))))
}

// settle returns when nothing waits any more. What the last worker that was killed
// had in hand waits for its lease to lapse; what failed then, for the next attempt.
func (w *crashWorld) settle() {
	w.t.Helper()
	const lease = 60 * time.Second
	db := w.open()
	defer db.Close()
	await(w.t, "all requests to be settled and all reports to end", 2*lease+patience, func() bool {
		var open int
		err := db.QueryRowContext(w.t.Context(), `
			SELECT (SELECT COUNT(*) FROM requests WHERE state = 'pending') +
				(SELECT COUNT(*) FROM outbox WHERE kind = 'report' AND done_at = 0)`).Scan(&open)
		if err != nil {
			w.t.Log(err)
		}
		return err == nil && open == 0
	})
}

// tally is what became of all requests.
type tally struct{ requests, unsure, lost, doubled, flipped, unexplained int }

// account holds every request against what the phones and the OPs know of it.
func (w *crashWorld) account() (total tally) {
	w.t.Helper()
	rows := w.requests()
	byName := map[string][]crashRow{}
	for _, r := range rows {
		byName[r.name] = append(byName[r.name], r)
		if r.outcome == "unsure" {
			total.unsure++
		}
	}
	total.requests = len(rows)
	for _, a := range w.asks() {
		found := byName[a.name]
		delete(byName, a.name)
		calls := w.op.told(a.name)
		for _, r := range found {
			calls = append(calls, w.op.told(r.id)...)
		}
		for _, f := range faultsOf(a, found, calls) {
			total.add(f)
			w.t.Errorf("%s: %v\nasked: %+v\nstored: %+v\nthe OP was told: %+v", a.name, f, a, found, calls)
		}
	}
	for name := range byName {
		total.flipped++
		w.t.Errorf("nobody asked for %s", name)
	}
	w.listed(total.unsure)
	return total
}

func (t *tally) add(f fault) {
	switch f.kind {
	case lost:
		t.lost++
	case doubled:
		t.doubled++
	case flipped:
		t.flipped++
	case unexplained:
		t.unexplained++
	}
}

// listed checks that the operator is shown as many unsure reports as there are.
func (w *crashWorld) listed(want int) {
	w.t.Helper()
	const most = 1000 // the API gives no more
	want = min(want, most)
	list, err := w.admin.Requests(w.t.Context(), adminapi.RequestFilter{Unsure: true, Limit: most})
	if err != nil || len(list) != want {
		w.t.Errorf("the operator is shown %d unsure reports, %v, want %d", len(list), err, want)
	}
}
