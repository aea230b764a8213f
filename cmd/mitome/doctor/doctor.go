// Package doctor looks at everything that Mitome needs and says, one sentence
// each, what is wrong and what to do about it.
//
// # Why
//
// Whoever runs it is in a hurry and did not write the program. So each finding
// names the setting or the machine to look at, each check goes on where another
// has failed, and what was looked at and found well is said too: a silence could
// mean that nobody looked.
//
// It changes nothing and makes nothing: no table, no folder, no file. What it
// sends to an OP or to a client of ours is what a stranger could send.
package doctor

import (
	"fmt"
	"io"
)

// State is how a finding is meant.
type State string

// The states. A warning is what will become a fault, or is one in most places.
const (
	OK      State = "ok"
	Warning State = "warning"
	Fault   State = "fault"
)

// Finding is one thing that was looked at.
type Finding struct {
	Check string `json:"check"` // what was looked at: configuration, database, op corp
	State State  `json:"state"`
	Text  string `json:"text"` // one sentence; for a fault, with what to do
}

// Report collects findings in the order in which they were made.
type Report struct {
	Findings []Finding
	// Saw is called with each finding at once, if it is set: somebody waits.
	Saw func(Finding)
}

// OK notes that something is well.
func (r *Report) OK(check, format string, args ...any) { r.add(check, OK, format, args) }

// Warn notes something that deserves a look.
func (r *Report) Warn(check, format string, args ...any) { r.add(check, Warning, format, args) }

// Fault notes something that must be mended.
func (r *Report) Fault(check, format string, args ...any) { r.add(check, Fault, format, args) }

func (r *Report) add(check string, s State, format string, args []any) {
	f := Finding{check, s, fmt.Sprintf(format, args...)}
	r.Findings = append(r.Findings, f)
	if r.Saw != nil {
		r.Saw(f)
	}
}

// Count is how many findings have a state.
func (r *Report) Count(s State) (n int) {
	for _, f := range r.Findings {
		if f.State == s {
			n++
		}
	}
	return n
}

// Write writes one finding as a line.
func (f Finding) Write(w io.Writer) {
	fmt.Fprintf(w, "%-8s %s: %s\n", f.State, f.Check, f.Text)
}
