// Package optest says, as tests, what every connector to an OP must do. A
// connector's own test hands Run a Case and adds what only its OP does.
package optest

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// Case is one kind of OP and what is particular to it. URL is always where the
// fake OP answers.
type Case struct {
	// Kind names the row of op.Contracts.
	Kind string
	// Open opens the adapter. It uses d as it is given.
	Open func(t *testing.T, url string, d op.Deps) op.Adapter
	// OP serves what the adapter fetches to understand an ask, such as keys; nil
	// if it fetches nothing.
	OP func(url string) http.Handler
	// Now is the time at which everything happens.
	Now time.Time

	// About is what is known of every request that is reported.
	About op.About

	// Genuine makes an ask as the OP sends it; Want is how it must be read. Nil:
	// an OP of this kind asks by other means, and what comes here is refused.
	Genuine func(t *testing.T, url string) *http.Request
	Want    func(t *testing.T, url string) approval.Ask
	// Strip takes its credentials off a genuine ask. Nil: they stand in headers.
	Strip func(*http.Request)
	// Echoes: this OP compares its own secret in the answer to a genuine ask.
	Echoes bool
	// Forgeries are what must be refused.
	Forgeries []Forgery

	// Reports are the requests to report, one for each word that the OP knows,
	// and for each state. Their handle is filled in by the suite.
	Reports []Report
	// Answers are the OP's own answers to the first of Reports beyond those that
	// the suite tries in any case.
	Answers []Answer
	// RepeatSafe is what the adapter must say of each state.
	RepeatSafe map[approval.State]bool
}

// Forgery is something that is not a genuine ask.
type Forgery struct {
	Name   string
	Make   func(t *testing.T, url string) *http.Request
	Want   error // op.ErrUnauthentic or op.ErrMalformed
	Status int   // what Reply then says
}

// Report is a request that has ended.
type Report struct {
	Name    string // of the golden file testdata/report_<name>.golden
	Request approval.Request
	Silent  bool // the OP has no word for it: nothing may be sent
}

// Answer is something that the OP may say to a report.
type Answer struct {
	Name   string
	Status int
	Body   string
	Want   error
}

// handle stands for the OP's secret in all reports. It may appear on the wire
// and nowhere else.
const handle = approval.Secret("handle-4f1d0c9a77e2-secret")

// Run checks one kind of OP.
func Run(t *testing.T, c Case) {
	if c.Genuine == nil {
		t.Run("receives nothing", c.receivesNothing)
	} else {
		t.Run("receive", func(t *testing.T) { c.receive(t) })
		t.Run("reply", func(t *testing.T) { c.reply(t) })
	}
	t.Run("report", func(t *testing.T) { c.report(t) })
	t.Run("carries", c.carries)
	t.Run("repeat safe", func(t *testing.T) {
		s := c.start(t, nil)
		for _, state := range []approval.State{approval.Approved, approval.Denied, approval.Expired, approval.Withdrawn} {
			want, ok := c.RepeatSafe[state]
			if got := s.adapter.RepeatSafe(state); !ok || got != want {
				t.Errorf("%s: got %v, want %v (named by the case: %v)", state, got, want, ok)
			}
		}
	})
}

// stand is an adapter and the OP that it speaks with.
type stand struct {
	adapter op.Adapter
	url     string
	log     *lockedBuffer
}

// start opens the adapter at an OP that answers with h, or as Case.OP says.
func (c Case) start(t *testing.T, h http.Handler) *stand {
	t.Helper()
	var serve http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	switch serve = h; {
	case h == nil && c.OP != nil:
		serve = c.OP(srv.URL)
	case h == nil:
		serve = http.NotFoundHandler()
	}
	return c.open(t, srv.URL)
}

// open opens the adapter for an OP at url.
func (c Case) open(t *testing.T, url string) *stand {
	t.Helper()
	s := &stand{url: url, log: new(lockedBuffer)}
	s.adapter = c.Open(t, url, op.Deps{
		Name: "optest",
		Client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
		Log:   slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:   func() time.Time { return c.Now },
		About: func(context.Context, approval.Request) (op.About, error) { return c.About, nil },
	})
	t.Cleanup(func() { noSecret(t, "log", s.log.String(), string(handle)) })
	return s
}

// noSecret fails if text holds secret, or a third of it.
func noSecret(t *testing.T, where, text, secret string) {
	t.Helper()
	part := secret
	if n := len(secret); n > 24 {
		part = secret[n/3 : 2*n/3]
	}
	if part != "" && strings.Contains(text, part) {
		t.Errorf("the handle stands in the %s: %s", where, text)
	}
}

// lockedBuffer is a log that may be written from several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns what was written.
func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
