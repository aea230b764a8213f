// Package tape is the demo's record of protocol messages: whoever sees one pass
// adds it, and whoever shows them reads along.
//
// What is added is to be shown to people, so its secrets have been cut by then:
// see [Cut] and [Short].
package tape

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// Message is one message as it passed.
type Message struct {
	N     int       `json:"n"` // its number on the tape, from 1
	At    time.Time `json:"at"`
	From  string    `json:"from"` // Shop, OP, Mitome or Phone
	To    string    `json:"to"`
	Title string    `json:"title"` // "POST /bc-authorize", "201 Created"
	Lines []string  `json:"lines"` // headers and members of the body, secrets cut
}

// The parties of a demo.
const (
	Shop   = "shop"
	OP     = "op"
	Mitome = "mitome"
	Phone  = "phone"
)

// longest is how many messages a tape keeps. A demo that is left open all day
// does not grow.
const longest = 2000

// Tape keeps messages in the order in which they were added. It is safe for
// concurrent use.
type Tape struct {
	mu    sync.Mutex
	all   []Message
	last  int           // number of the newest
	added chan struct{} // closed when one is added
}

// New returns an empty tape.
func New() *Tape { return &Tape{added: make(chan struct{})} }

// Add numbers a message and puts it at the end.
func (t *Tape) Add(m Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	m.N = t.last
	m.Lines = slices.Clone(m.Lines)
	t.all = append(t.all, m)
	if len(t.all) > longest {
		t.all = slices.Delete(t.all, 0, len(t.all)-longest)
	}
	close(t.added)
	t.added = make(chan struct{})
}

// Last is the number of the newest message; 0 if there is none.
func (t *Tape) Last() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// Since returns what came after message n.
func (t *Tape) Since(n int) []Message {
	news, _ := t.since(n)
	return news
}

func (t *Tape) since(n int) ([]Message, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first, _ := slices.BinarySearchFunc(t.all, n+1, func(m Message, n int) int { return m.N - n })
	return slices.Clone(t.all[first:]), t.added
}

// Wait returns what came after message n, as soon as there is anything.
func (t *Tape) Wait(ctx context.Context, n int) ([]Message, error) {
	for {
		news, added := t.since(n)
		if len(news) > 0 {
			return news, nil
		}
		select {
		case <-added:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Gone stands where a secret stood.
const Gone = "…"

// secrets are the members that nobody may see, and what is shown instead.
var secrets = map[string]string{
	"client_secret": Gone, "client_assertion": Gone, "client_notification_token": Gone, "authorization": Gone,
	"user_code": "******", "code": "******",
}

// handles are the members that are worth recognising, and of which a piece is
// enough for that.
var handles = []string{
	"auth_req_id", "access_token", "refresh_token", "id_token", "id_token_hint", "login_hint_token",
	"idempotency-key", "evidence", "assertion", "urn:openid:params:jwt:claim:auth_req_id",
}

// Cut returns the value of a member as it may be shown.
func Cut(name, value string) string {
	name = strings.ToLower(name)
	if shown, ok := secrets[name]; ok && value != "" {
		return shown
	}
	if slices.Contains(handles, name) {
		return Short(value)
	}
	return value
}

// Short is the beginning of a secret: too little of it to use, enough to know it
// again. A value that is cut already stays as it is.
func Short(s string) string {
	const piece = 6
	if r := []rune(s); len(r) > 2*piece && !strings.HasSuffix(s, Gone) {
		return string(r[:piece]) + Gone
	}
	return Gone
}
