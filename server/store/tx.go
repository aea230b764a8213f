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

// querier is a transaction or a pool of readers.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// tx is one transaction, the moment it began, and what follows its commit.
type tx struct {
	q       querier
	db      *DB
	now     time.Time
	queued  bool     // jobs were stored
	words   []notice // to be published
	entries int      // audit rows written
}

// inTx runs fn in a transaction that commits if fn returns nil. Workers are woken
// and words published after the commit: inside, PostgreSQL would take a lock on
// the whole database for each (3–9 times fewer commits a second).
func (db *DB) inTx(ctx context.Context, fn func(*tx) error) error {
	sqlTx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer sqlTx.Rollback() // does nothing once committed
	t := &tx{q: sqlTx, db: db, now: db.Now()}
	if err := fn(t); err != nil {
		return err
	}
	if err := sqlTx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
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

// reader is for statements that stand alone and read.
func (db *DB) reader() *tx { return &tx{q: db.read, db: db, now: db.Now()} }

// stmt is SQL and what its placeholders stand for.
type stmt struct {
	text string
	args []any
}

func q(text string, args ...any) stmt { return stmt{text, args} }

// exec returns how many rows were changed.
func (t *tx) exec(ctx context.Context, text string, args ...any) (int64, error) {
	if err := checkText(args); err != nil {
		return 0, err
	}
	res, err := t.q.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// must is exec where no rows changed is the answer other.
func (t *tx) must(ctx context.Context, other error, s stmt) error {
	n, err := t.exec(ctx, s.text, s.args...)
	if err == nil && n == 0 {
		return other
	}
	return err
}

// each calls scan for every row. A query by text that cannot be stored has none.
func (t *tx) each(ctx context.Context, s stmt, scan func(scanner) error) error {
	if err := checkText(s.args); err != nil {
		return nil
	}
	rows, err := t.q.QueryContext(ctx, s.text, s.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
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
		v := reflect.ValueOf(a)
		if v.Kind() == reflect.String && (!utf8.ValidString(v.String()) || strings.ContainsRune(v.String(), 0)) {
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

// newID names a row.
func newID() string { return rand.Text() }

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
