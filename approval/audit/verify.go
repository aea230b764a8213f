package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"
)

// Kind is what is wrong with the log at one place.
type Kind string

// What can be wrong.
const (
	Altered   Kind = "altered"   // a row says something else than when it was sealed
	Missing   Kind = "missing"   // a row was sealed and is not there
	Added     Kind = "added"     // a row was put in after its time had been sealed
	Reordered Kind = "reordered" // a row stands in another's place
	Broken    Kind = "broken"    // the chain itself was changed
	Truncated Kind = "truncated" // the end is not there
)

// Fault is one thing that is wrong.
type Fault struct {
	Kind  Kind   `json:"kind"`
	Row   string `json:"row,omitempty"`
	Seq   int64  `json:"seq,omitempty"`
	Batch int64  `json:"batch,omitempty"`
	Text  string `json:"text"`
}

// Report is what came of verifying.
type Report struct {
	Holds   bool      `json:"holds"`
	Rows    int64     `json:"rows"` // sealed
	Batches int64     `json:"batches"`
	Waiting int64     `json:"waiting"` // too new to be sealed
	Removed int64     `json:"removed"` // by signed removals
	Until   time.Time `json:"until"`   // when the last batch was sealed
	Faults  []Fault   `json:"faults"`
}

// Verifier goes along the chain: every batch with its links, then the rows that
// are in none, then the removals, then Done.
type Verifier struct {
	// Open returns what a signature signs if a key of the operator's made it.
	Open func(jws string) ([]byte, error)
	Now  time.Time
	// Against is a checkpoint that was kept outside; nil if there is none.
	Against *Checkpoint

	report  Report
	last    Batch
	seen    bool // the batch of Against
	tallies map[string]*tally
	oldest  time.Time // of the rows that wait
}

func (v *Verifier) fault(kind Kind, at Fault, format string, args ...any) {
	at.Kind, at.Text = kind, fmt.Sprintf(format, args...)
	v.report.Faults = append(v.report.Faults, at)
}

// Batch checks the next one, with the links from b.First to b.Last as they are.
func (v *Verifier) Batch(b Batch, links []Link) {
	at := Fault{Batch: b.N}
	if b.N != v.last.N+1 {
		v.fault(Missing, at, "after batch %d comes batch %d", v.last.N, b.N)
	} else if b.First != v.last.Last+1 || !bytes.Equal(b.Prev, v.last.Hash) {
		v.fault(Broken, at, "batch %d does not continue the one before it", b.N)
	}
	if !bytes.Equal(BatchHash(b.N, b.Prev, links), b.Hash) {
		v.fault(Broken, at, "the links %d to %d are not those that were sealed", b.First, b.Last)
	}
	payload, err := v.Open(b.Checkpoint)
	if err == nil {
		var c Checkpoint
		if c, err = ReadCheckpoint(payload); err == nil && !c.of(b) {
			err = fmt.Errorf("it is the checkpoint of batch %d with another hash", c.Batch)
		}
	}
	if err != nil {
		v.fault(Broken, at, "the checkpoint of batch %d does not hold: %v", b.N, err)
	}
	if v.Against != nil && v.Against.Batch == b.N {
		v.seen = true
		if !v.Against.of(b) {
			v.fault(Broken, at, "the checkpoint that was kept is of another chain")
		}
	}
	v.links(b, links)
	v.last = b
	v.report.Batches++
	v.report.Rows += int64(len(links))
	v.report.Until = b.SealedAt
}

// links checks the places of one batch and what stands there.
func (v *Verifier) links(b Batch, links []Link) {
	want := b.First
	var prev *Row
	for i, l := range links {
		v.gap(b, want, l.Seq-1)
		want = l.Seq + 1
		at := Fault{Row: l.RowID, Seq: l.Seq, Batch: b.N}
		if l.Removed != "" {
			v.tally(l.Removed).add(l.Seq)
		}
		switch {
		case l.Row == nil && l.Removed == "":
			v.fault(Missing, at, "the row was sealed and is not there")
		case l.Row == nil, l.Removed != "" && len(l.Row.Salt) == 0:
		case !bytes.Equal(l.Row.Hash(), l.Hash):
			v.differs(at, links, i)
		}
		if l.Row == nil {
			continue
		}
		if prev != nil && l.Row.before(*prev) {
			v.fault(Reordered, at, "the row stands after %s, which is newer", prev.ID)
		}
		prev = l.Row
	}
	v.gap(b, want, b.Last)
}

// gap says that the links from one place to another are not there.
func (v *Verifier) gap(b Batch, from, to int64) {
	if from <= to {
		v.fault(Missing, Fault{Seq: from, Batch: b.N}, "the links %d to %d are not there", from, to)
	}
}

// differs says in what way the row of links[i] is not what was sealed there.
func (v *Verifier) differs(at Fault, links []Link, i int) {
	h := links[i].Row.Hash()
	for _, other := range links {
		if bytes.Equal(other.Hash, h) {
			v.fault(Reordered, at, "the row was sealed at place %d", other.Seq)
			return
		}
	}
	v.fault(Altered, at, "the row (%s, %s) is not as it was sealed", links[i].Row.Word, links[i].Row.At.UTC().Format(time.RFC3339))
}

// Loose takes a row that is in no batch: it waits to be sealed, or was put in
// among those that are.
func (v *Verifier) Loose(r Row) {
	if !v.report.Until.IsZero() && r.At.Before(v.report.Until.Add(-Late)) {
		v.fault(Added, Fault{Row: r.ID}, "the row (%s, %s) is in no batch, though its time was sealed",
			r.Word, r.At.UTC().Format(time.RFC3339))
		return
	}
	v.report.Waiting++
	if v.oldest.IsZero() || r.At.Before(v.oldest) {
		v.oldest = r.At
	}
}

// Removed takes a statement of why content is gone.
func (v *Verifier) Removed(id, statement string) {
	payload, err := v.Open(statement)
	if err == nil {
		var r Removal
		if r, err = readRemoval(payload); err == nil && r.ID == id {
			t := v.tally(id)
			t.stated = true
			if t.n == r.Rows && t.sum() == r.Seqs {
				v.report.Removed += t.n
				return
			}
			v.fault(Missing, Fault{}, "%d row(s) are removed under %s, and it was signed for %d others", t.n, id, r.Rows)
			return
		}
	}
	v.tally(id).stated = true
	v.fault(Broken, Fault{}, "the removal %s does not hold", id)
}

// Done returns what was found.
func (v *Verifier) Done() Report {
	for id, t := range v.tallies {
		if !t.stated {
			v.fault(Missing, Fault{}, "%d row(s) are removed under %s, which nobody signed", t.n, id)
		}
	}
	if v.Against != nil && !v.seen {
		v.fault(Truncated, Fault{Batch: v.Against.Batch},
			"the log ends with batch %d, and a checkpoint says that there was batch %d with %d rows", v.last.N, v.Against.Batch, v.Against.Rows)
	}
	if v.last.N == 0 && v.report.Waiting > 0 && v.oldest.Before(v.Now.Add(-Late)) {
		v.fault(Missing, Fault{}, "nothing is sealed, and there are rows since %s", v.oldest.UTC().Format(time.RFC3339))
	}
	slices.SortStableFunc(v.report.Faults, func(a, b Fault) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
	v.report.Holds = len(v.report.Faults) == 0
	return v.report
}

// tally counts the places of one removal, and hashes them in their order.
type tally struct {
	n      int64
	h      hash.Hash
	stated bool
}

func newTally() *tally { return &tally{h: sha256.New()} }

func (t *tally) add(seq int64) {
	t.n++
	t.h.Write(binary.BigEndian.AppendUint64(nil, uint64(seq)))
}

func (t *tally) sum() string { return base64.RawURLEncoding.EncodeToString(t.h.Sum(nil)) }

func (v *Verifier) tally(id string) *tally {
	if v.tallies == nil {
		v.tallies = map[string]*tally{}
	}
	if v.tallies[id] == nil {
		v.tallies[id] = newTally()
	}
	return v.tallies[id]
}
