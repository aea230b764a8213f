package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// Late is how long after its time a row may be committed and still be taken into
// the chain. One that is older than that, and in no batch when those after it
// were sealed, was put there by somebody.
const Late = 15 * time.Minute

// Row is one row of the log as it stands in the database.
type Row struct {
	ID        string
	At        time.Time
	Word      Word
	ActorKind string
	ActorID   string
	ActorIP   string
	Request   string
	User      string
	Device    string
	Detail    string // JSON
	Salt      []byte // empty: the content was erased
}

// Hash covers all of the row. Each field has its length before it, because
// otherwise what moves from the end of one to the start of the next would not
// show; the salt makes the hash say nothing of a row that was erased.
func (r Row) Hash() []byte {
	h := sha256.New()
	h.Write([]byte("mitome/audit/row/v1\x00"))
	for _, field := range []string{
		string(r.Salt), r.ID, fmt.Sprint(r.At.UnixMicro()), string(r.Word), r.ActorKind, r.ActorID, r.ActorIP,
		r.Request, r.User, r.Device, r.Detail,
	} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(field))))
		h.Write([]byte(field))
	}
	return h.Sum(nil)
}

// before is the order in which rows of one batch are sealed.
func (r Row) before(other Row) bool {
	if !r.At.Equal(other.At) {
		return r.At.Before(other.At)
	}
	return r.ID < other.ID
}

// Link is the place of a row in the chain.
type Link struct {
	Seq     int64
	RowID   string
	Hash    []byte // of the row
	Removed string // the removal that took its content away
	Row     *Row   // nil: it is not there
}

// Batch is links that were signed together, and hold on to the batch before.
type Batch struct {
	N, First, Last int64
	Prev, Hash     []byte
	SealedAt       time.Time
	Checkpoint     string // JWS
}

// BatchHash is the hash of batch n over links, after the batch with the hash prev.
func BatchHash(n int64, prev []byte, links []Link) []byte {
	h := sha256.New()
	h.Write([]byte("mitome/audit/batch/v1\x00"))
	number := func(v int64) { h.Write(binary.BigEndian.AppendUint64(nil, uint64(v))) }
	text := func(b []byte) { number(int64(len(b))); h.Write(b) }
	number(n)
	text(prev)
	for _, l := range links {
		number(l.Seq)
		text([]byte(l.RowID))
		text(l.Hash)
	}
	return h.Sum(nil)
}

// The versions of what is signed.
const (
	checkpointVersion = "mitome/audit-checkpoint/v1"
	removalVersion    = "mitome/audit-removal/v1"
)

// Checkpoint is what Mitome signs of the chain: that it was so long, and that
// this was its hash. Kept elsewhere it shows that the end was cut off.
type Checkpoint struct {
	Version string    `json:"v"`
	Issuer  string    `json:"iss"`
	Batch   int64     `json:"batch"`
	Rows    int64     `json:"rows"` // how many are sealed up to here
	Hash    string    `json:"hash"` // base64url
	At      time.Time `json:"at"`
}

// CheckpointOf is what there is to sign of b.
func CheckpointOf(b Batch, issuer string) Checkpoint {
	return Checkpoint{
		Version: checkpointVersion, Issuer: issuer, Batch: b.N, Rows: b.Last,
		Hash: base64.RawURLEncoding.EncodeToString(b.Hash), At: b.SealedAt.UTC(),
	}
}

// ReadCheckpoint reads what was signed.
func ReadCheckpoint(payload []byte) (Checkpoint, error) {
	var c Checkpoint
	if err := json.Unmarshal(payload, &c); err != nil {
		return c, fmt.Errorf("read checkpoint: %w", err)
	}
	if c.Version != checkpointVersion {
		return c, fmt.Errorf("read checkpoint: it is a %q", c.Version)
	}
	return c, nil
}

// of reports whether c speaks of b.
func (c Checkpoint) of(b Batch) bool {
	hash, err := base64.RawURLEncoding.DecodeString(c.Hash)
	return err == nil && c.Batch == b.N && c.Rows == b.Last && bytes.Equal(hash, b.Hash)
}

// RemovalKind is why content was removed.
type RemovalKind string

// The kinds of removal.
const (
	Pruned RemovalKind = "pruned" // it was older than is kept
	Erased RemovalKind = "erased" // it was about a user who is erased
)

// Removal is what Mitome signs when content leaves the log: without it a row that
// is gone counts as missing.
type Removal struct {
	Version string      `json:"v"`
	ID      string      `json:"id"`
	Kind    RemovalKind `json:"kind"`
	By      string      `json:"by"`
	At      time.Time   `json:"at"`
	Rows    int64       `json:"rows"`
	Seqs    string      `json:"seqs"` // base64url of the hash over their places
}

// NewRemoval is the removal of the rows at seqs, which are in ascending order.
func NewRemoval(id string, kind RemovalKind, by string, at time.Time, seqs []int64) Removal {
	t := newTally()
	for _, s := range seqs {
		t.add(s)
	}
	return Removal{Version: removalVersion, ID: id, Kind: kind, By: by, At: at.UTC(), Rows: t.n, Seqs: t.sum()}
}

// readRemoval reads what was signed.
func readRemoval(payload []byte) (Removal, error) {
	var r Removal
	if err := json.Unmarshal(payload, &r); err != nil {
		return r, fmt.Errorf("read removal: %w", err)
	}
	if r.Version != removalVersion {
		return r, fmt.Errorf("read removal: it is a %q", r.Version)
	}
	return r, nil
}
