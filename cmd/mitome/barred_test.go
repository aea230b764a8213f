package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// whileLocked has ask made while everything is stopped for a user: the OP hears of
// her what it hears of nobody, and what is kept of it is the same.
func whileLocked(t *testing.T, g *gateway, subject string, ask func()) {
	t.Helper()
	g.run(t, "user", "lock", subject)
	ask()
	g.run(t, "user", "unlock", subject)
	newest := g.requests(t)[0]
	if newest.State != "denied" || newest.Decision == nil || newest.Decision.Reason != "unknown_user_id" || newest.User != "" {
		t.Errorf("of a locked user is kept: %+v", newest)
	}
}

// answered is all that a caller sees of an answer, but for the
// date and the name of the call.
type answered struct {
	Status int
	Header http.Header
	Body   string
}

// askOf has the OP of a connection of kind webhook ask.
func (w *signalWorld) askOf(t *testing.T, connection string, body map[string]any) answered {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.ops+"/op/"+connection+"/v1/requests", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+w.key)
	r.Header.Set("Idempotency-Key", time.Now().Format(time.RFC3339Nano))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Header.Del("Date")
	resp.Header.Del("X-Request-Id") // random
	return answered{resp.StatusCode, resp.Header, string(text)}
}

// unknown checks that the OP is answered for a user as for one whom nobody knows, to
// the byte.
func (w *signalWorld) unknown(t *testing.T, connection, subject, client string) {
	t.Helper()
	nobody := w.askOf(t, connection, map[string]any{"sub": "nobody", "client_id": client})
	got := w.askOf(t, connection, map[string]any{"sub": subject, "client_id": client})
	if diff := cmp.Diff(nobody, got); diff != "" || got.Status == http.StatusCreated {
		t.Errorf("%s: a user whom %s may not ask differs from one unknown: %s", connection, client, diff)
	}
}
