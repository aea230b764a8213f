package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// errText: a value has bytes that no text column of PostgreSQL can hold. Whoever
// looks for such a value finds nothing; whoever stores one is refused. SQLite
// would take it, and the two must not differ.
var errText = errors.New("store: text is not UTF-8 or holds a NUL")

// querier is a transaction, or readers.
type querier interface {
	execAll(ctx context.Context, all []stmt) ([]int64, error)
	each(ctx context.Context, s stmt, scan func(scanner) error) error
	// later carries s out before whatever comes next, at the latest before the
	// commit. If that is when it fails, or changes no rows and was to change some,
	// the transaction ends with the error that s has for it.
	later(ctx context.Context, s step) error
}

// tx is one transaction, the moment it began, and what follows its commit.
type tx struct {
	q      querier
	db     *DB
	now    time.Time
	queued bool     // jobs were stored
	words  []notice // to be published
	rows   int      // ids given by rowID
}

// inTx runs fn in a transaction that commits if fn returns nil; when inTx returns
// nil it is durable. On SQLite fn may run on the goroutine of another caller, see
// [group]. Workers are woken and words published after the commit: inside,
// PostgreSQL would take a lock on the whole database for each (3–9 times fewer
// commits a second).
func (db *DB) inTx(ctx context.Context, fn func(*tx) error) error {
	t := &tx{db: db}
	run := func(q querier) error {
		t.q, t.now = q, db.Now()
		return fn(t)
	}
	if err := db.transact(ctx, run); err != nil {
		return err
	}
	if t.queued {
		db.signal()
		db.Publish(topicOutbox, "")
	}
	for _, n := range t.words {
		db.Publish(n.Topic, n.Payload)
	}
	return nil
}

// transact is inTx without what follows the commit.
func (db *DB) transact(ctx context.Context, run func(querier) error) error {
	if db.pool != nil {
		return runPipeline(ctx, db.pool, run)
	}
	return db.group.do(ctx, run)
}

// alone is inTx for a fn of one statement, which is a transaction by itself. It
// does not go together with reads: one of those that fails would take it back.
func (db *DB) alone(ctx context.Context, fn func(*tx) error) error {
	if db.pool != nil {
		return fn(db.slowReader())
	}
	return db.inTx(ctx, fn)
}

// reader is for statements that stand alone and read, and only read: on
// PostgreSQL they may go together with others, and fail with those.
func (db *DB) reader() *tx { return &tx{q: db.reads, db: db, now: db.Now()} }

// slowReader is reader for statements that go over many rows: they go by
// themselves, and nobody waits behind them.
func (db *DB) slowReader() *tx { return &tx{q: db.slow, db: db, now: db.Now()} }

// stmt is SQL and what its placeholders stand for.
type stmt struct {
	text string
	args []any
}

func q(text string, args ...any) stmt { return stmt{text, args} }

// step is a statement whose rows nobody waits for.
type step struct {
	stmt
	doing string
	none  error // what it means if no rows are changed; nil: nothing
}

// result is what came of the step when it changed n rows, or failed.
func (s step) result(n int64, err error) error {
	if err == nil && n == 0 {
		err = s.none
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.doing, err)
	}
	return nil
}

// exec returns how many rows were changed.
func (t *tx) exec(ctx context.Context, text string, args ...any) (int64, error) {
	if err := checkText(args); err != nil {
		return 0, err
	}
	n, err := t.q.execAll(ctx, []stmt{{text, args}})
	if err != nil {
		return 0, err
	}
	return n[0], nil
}

// must is exec where no rows changed is the answer other.
func (t *tx) must(ctx context.Context, other error, s stmt) error {
	n, err := t.exec(ctx, s.text, s.args...)
	if err == nil && n == 0 {
		return other
	}
	return err
}

// then carries s out without waiting for it where the database is far: several
// statements then cost one way there and back.
func (t *tx) then(ctx context.Context, doing string, s stmt) error {
	return t.thenMust(ctx, doing, nil, s)
}

// thenMust is then where no rows changed ends the transaction with other.
func (t *tx) thenMust(ctx context.Context, doing string, other error, s stmt) error {
	st := step{s, doing, other}
	if err := checkText(s.args); err != nil {
		return st.result(0, err)
	}
	return t.q.later(ctx, st)
}

// execAll carries out all of them and returns how many rows each changed.
func (t *tx) execAll(ctx context.Context, all []stmt) ([]int64, error) {
	for _, s := range all {
		if err := checkText(s.args); err != nil {
			return nil, err
		}
	}
	return t.q.execAll(ctx, all)
}

// each calls scan for every row. A query by text that cannot be stored has none.
func (t *tx) each(ctx context.Context, s stmt, scan func(scanner) error) error {
	if err := checkText(s.args); err != nil {
		return nil
	}
	return t.q.each(ctx, s, scan)
}

// collect returns what scan makes of each row.
func collect[T any](ctx context.Context, t *tx, s stmt, scan func(scanner) (T, error)) ([]T, error) {
	var out []T
	err := t.each(ctx, s, func(row scanner) error {
		v, err := scan(row)
		out = append(out, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// first returns what scan makes of the first row, or sql.ErrNoRows.
func first[T any](ctx context.Context, t *tx, s stmt, scan func(scanner) (T, error)) (T, error) {
	all, err := collect(ctx, t, s, scan)
	if err == nil && len(all) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		var none T
		return none, err
	}
	return all[0], nil
}

// one scans a single column of the first row.
func one[T any](row scanner) (v T, err error) {
	err = row.Scan(&v)
	return v, err
}

// instead says "no rows" in the words of the port.
func instead(err, missing error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return missing
	}
	return err
}

type scanner interface{ Scan(dest ...any) error }

// checkText finds strings, named types of them too, that cannot be stored.
func checkText(args []any) error {
	for _, a := range args {
		text, ok := a.(string)
		if v := reflect.ValueOf(a); !ok && v.Kind() == reflect.String {
			text = v.String()
		}
		if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
			return errText
		}
	}
	return nil
}

// list writes "$n, $n+1, …" for count placeholders: PostgreSQL's = ANY($1) is not SQLite's.
func list(n, count int) string {
	var b strings.Builder
	for i := range count {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(n+i))
	}
	return b.String()
}

// orNull stores an empty string as NULL, where a column refers to another table.
func orNull[S ~string](s S) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// jsonText is v as JSON, without the escapes that are meant for HTML.
func jsonText(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// jsonColumn scans a column of JSON into *T.
type jsonColumn[T any] struct{ into *T }

func jsonInto[T any](into *T) jsonColumn[T] { return jsonColumn[T]{into} }

// Scan implements sql.Scanner. NULL leaves the value as it is.
func (c jsonColumn[T]) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(src), c.into)
	case []byte:
		return json.Unmarshal(src, c.into)
	}
	return fmt.Errorf("store: JSON column holds %T", src)
}

// timeColumn scans a column of microseconds.
type timeColumn struct{ into *time.Time }

// Scan implements sql.Scanner.
func (c timeColumn) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("store: time column holds %T", src)
	}
	*c.into = moment(us)
	return nil
}

// newID names a thing that others may see, or guess at.
func newID() string { return rand.Text() }

// rowID names a row of a table that only grows. Ids begin with the time, so that
// new rows stand next to one another in the index and a commit writes one page of
// it, not one for each row; and those of one transaction, which has one time, say
// which came first.
func (t *tx) rowID() string {
	t.rows++
	return fmt.Sprintf("%s-%03d-%s", strconv.FormatInt(micros(t.now), 36), t.rows, newID()[:16])
}

// storable makes text of unknown origin fit for a column: it is for people.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// notNil stores an empty value where NULL is not allowed.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
