package main_test

import (
	"fmt"
	"testing"
)

// crashAsk is one request as its OP and its user know it.
type crashAsk struct {
	name    string // the binding message, which no other has
	op      string // hook or realm
	acked   bool   // the OP heard that it was taken
	verdict string // how the user answers: approved or denied
	heard   string // the state that her phone heard of
}

// crashRow is one request as Mitome has stored it.
type crashRow struct {
	id, op, name, state string

	ends     int    // audit rows of its end
	evidence int    // statements of its decision
	reports  int    // jobs that tell the OP
	outcome  string // of those
	marked   bool   // a kill came when the report may have been on its way
}

// crashCall is one report as the OP got it.
type crashCall struct {
	id    string // by which a receiver knows repetitions; realms give none
	state string
	took  bool // the OP said yes
}

type kind string

const (
	lost        kind = "lost"
	doubled     kind = "doubled"
	flipped     kind = "flipped"
	unexplained kind = "unexplained"
)

// fault is what is wrong with one request.
type fault struct {
	kind kind
	why  string
}

func (f fault) String() string { return fmt.Sprintf("%s: %s", f.kind, f.why) }

// once says that the OP must not be told this end twice.
func (r crashRow) once() bool { return r.op == "realm" && r.state == "approved" }

// faultsOf is everything in which the OP, the phone and Mitome disagree.
func faultsOf(a crashAsk, rows []crashRow, calls []crashCall) (out []fault) {
	note := func(bad bool, k kind, why string) {
		if bad {
			out = append(out, fault{k, why})
		}
	}
	if len(rows) == 0 {
		note(a.acked, lost, "its OP heard yes, and there is no such request")
		note(a.heard != "", lost, "it was answered, and there is no such request")
		note(len(calls) > 0, flipped, "the OP was told of a request that there is not")
		return out
	}
	note(len(rows) > 1, doubled, "it was stored twice")
	r := rows[0]
	decided := r.state == "approved" || r.state == "denied"
	// What its OP never heard of may have been taken back.
	forgotten := r.state == "withdrawn" && !a.acked
	note(!decided && !forgotten, lost, "the user's answer does not stand")
	note(decided && r.state != a.verdict, flipped, "the user answered otherwise")
	note(a.heard != "" && r.state != a.heard, flipped, "the phone heard of another end")
	note(r.ends > 1, doubled, "it ended twice")
	note(r.ends == 0, lost, "its end is not in the audit log")
	note(decided && r.evidence == 0, lost, "there is no evidence of the decision")
	note(decided && r.reports == 0, lost, "nobody reports it")
	note(r.reports > 1, doubled, "two jobs report it")
	return append(out, reportFaults(a, r, calls)...)
}

// reportFaults is what is wrong with how the OP was told.
func reportFaults(a crashAsk, r crashRow, calls []crashCall) (out []fault) {
	note := func(bad bool, k kind, why string) {
		if bad {
			out = append(out, fault{k, why})
		}
	}
	took, ids := 0, map[string]bool{}
	for _, c := range calls {
		ids[c.id] = true
		if c.took {
			took++
		}
		note(c.state != r.state, flipped, "the OP was told of another end")
	}
	note(r.once() && len(calls) > 1, doubled, "an OP that must hear it once was told twice")
	note(r.once() && r.marked && r.outcome != "unsure", doubled, "it may have been heard, and was said again")
	note(len(ids) > 1, doubled, "repetitions cannot be told from new reports")
	switch r.outcome {
	case "": // see reports
	case "done":
		note(took == 0, lost, "the OP took no report that is said to be done")
	case "refused":
		note(a.acked, lost, "the OP refused the report of a request that it waits for")
	case "unsure":
		note(!r.once(), unexplained, "it could have been said again")
		note(!r.marked, unexplained, "no kill came between mark and answer")
	default:
		note(true, lost, "the report ended as "+r.outcome)
	}
	return out
}

// TestCrashAccounts: the accounts of TestCrash would show each kind of fault.
func TestCrashAccounts(t *testing.T) {
	yes := crashAsk{name: "n", op: "realm", acked: true, verdict: "approved", heard: "approved"}
	row := crashRow{id: "r", op: "realm", name: "n", state: "approved", ends: 1, evidence: 1, reports: 1, outcome: "done"}
	call := crashCall{state: "approved", took: true}
	tests := []struct {
		name   string
		change func(*crashAsk, *crashRow)
		calls  []crashCall
		want   kind // empty: all is well
	}{
		{"all is well", func(*crashAsk, *crashRow) {}, []crashCall{call}, ""},
		{"gone", func(_ *crashAsk, r *crashRow) { *r = crashRow{} }, nil, lost},
		{"answered and still waiting", func(_ *crashAsk, r *crashRow) { r.state = "pending" }, nil, lost},
		{"answered and expired", func(_ *crashAsk, r *crashRow) { r.state = "expired" }, nil, lost},
		{"withdrawn, its OP waits", func(a *crashAsk, r *crashRow) { a.heard, r.state, r.outcome = "", "withdrawn", "" }, nil, lost},
		{"withdrawn, its OP has given it up", func(a *crashAsk, r *crashRow) {
			*a, *r = crashAsk{op: "realm", verdict: "approved"}, crashRow{op: "realm", state: "withdrawn", ends: 1}
		}, nil, ""},
		{"a no became a yes", func(a *crashAsk, _ *crashRow) { a.verdict, a.heard = "denied", "" }, []crashCall{call}, flipped},
		{"the phone heard otherwise", func(a *crashAsk, _ *crashRow) { a.heard = "expired" }, []crashCall{call}, flipped},
		{"the OP heard otherwise", func(*crashAsk, *crashRow) {}, []crashCall{{state: "denied", took: true}}, flipped},
		{"no evidence", func(_ *crashAsk, r *crashRow) { r.evidence = 0 }, []crashCall{call}, lost},
		{"not in the audit log", func(_ *crashAsk, r *crashRow) { r.ends = 0 }, []crashCall{call}, lost},
		{"ended twice", func(_ *crashAsk, r *crashRow) { r.ends = 2 }, []crashCall{call}, doubled},
		{"no report", func(_ *crashAsk, r *crashRow) { r.reports, r.outcome = 0, "" }, nil, lost},
		{"two reports", func(_ *crashAsk, r *crashRow) { r.reports = 2 }, []crashCall{call}, doubled},
		{"done, and nobody heard", func(*crashAsk, *crashRow) {}, nil, lost},
		{"an approval told twice", func(*crashAsk, *crashRow) {}, []crashCall{call, call}, doubled},
		{"a denial told twice", func(a *crashAsk, r *crashRow) { a.verdict, a.heard, r.state = "denied", "denied", "denied" },
			[]crashCall{{state: "denied"}, {state: "denied", took: true}}, ""},
		{"told twice under two names", func(_ *crashAsk, r *crashRow) { r.op = "hook" },
			[]crashCall{{"1", "approved", true}, {"2", "approved", true}}, doubled},
		{"told twice under one name", func(_ *crashAsk, r *crashRow) { r.op = "hook" },
			[]crashCall{{"1", "approved", true}, {"1", "approved", true}}, ""},
		{"killed on the way, and said again", func(_ *crashAsk, r *crashRow) { r.marked = true }, []crashCall{call}, doubled},
		{"killed on the way", func(_ *crashAsk, r *crashRow) { r.marked, r.outcome = true, "unsure" }, []crashCall{call}, ""},
		{"killed on the way, unheard", func(_ *crashAsk, r *crashRow) { r.marked, r.outcome = true, "unsure" }, nil, ""},
		{"unsure for no reason", func(_ *crashAsk, r *crashRow) { r.outcome = "unsure" }, []crashCall{call}, unexplained},
		{"unsure where it may be repeated", func(_ *crashAsk, r *crashRow) { r.op, r.marked, r.outcome = "hook", true, "unsure" },
			[]crashCall{call}, unexplained},
		{"refused", func(_ *crashAsk, r *crashRow) { r.outcome = "refused" }, []crashCall{{state: "approved"}}, lost},
		{"refused, its OP has given it up", func(a *crashAsk, r *crashRow) { a.acked, r.outcome = false, "refused" }, []crashCall{{state: "approved"}}, ""},
		{"too late", func(_ *crashAsk, r *crashRow) { r.outcome = "too_late" }, nil, lost},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, r := yes, row
			tt.change(&a, &r)
			rows := []crashRow{r}
			if r == (crashRow{}) {
				rows = nil
			}
			got := faultsOf(a, rows, tt.calls)
			if tt.want == "" && len(got) != 0 {
				t.Errorf("got %v", got)
			}
			for _, f := range got {
				if f.kind == tt.want {
					return
				}
			}
			if tt.want != "" {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
	if got := faultsOf(yes, []crashRow{row, row}, []crashCall{call}); len(got) != 1 || got[0].kind != doubled {
		t.Errorf("stored twice: got %v", got)
	}
}
