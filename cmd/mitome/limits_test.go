package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestLimits is what a user and her OP see of the limits while Mitome runs, is
// killed and runs again: on SQLite and on PostgreSQL.
func TestLimits(t *testing.T) {
	t.Parallel()
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			w := newLimitedWorld(t, database, "{breaker_users: 6, fastest_approval: 0s, always_prompt: [fraud-desk]}")
			phone := w.device("Android")
			phone.reachedBy("fcm", "en", true)
			breakerOpens(t, w)
			asks := bulkAsks(t, w, phone)
			w.process.Kill()
			w.start()
			asks = append(asks, stillLimited(t, w))
			deniesAll(t, w, phone, asks)
			expiriesAreNoFailures(t, w, phone)
			quietHoursAreKept(t, w, phone)
		})
	}
}

// answerTo is what the OP hears when a client of its asks for a user.
func (w *pushWorld) answerTo(client, subject string) string {
	w.t.Helper()
	body, err := json.Marshal(map[string]string{"sub": subject, "client_id": client})
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.ops+"/op/shop/v1/requests", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	w.op.asks++
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+w.op.key)
	req.Header.Set("Idempotency-Key", w.op.authReqID(w.op.asks))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Header.Del("Date")
	resp.Header.Del("X-Request-Id") // random
	return fmt.Sprintf("%d\n%v\n%s", resp.StatusCode, resp.Header, text)
}

// breakerOpens: a client that works through a list of names asks for nobody any
// more, and what it hears of a user is to the byte what it hears of nobody.
func breakerOpens(t *testing.T, w *pushWorld) {
	t.Helper()
	unknown := w.answerTo("list", "nobody-0")
	for i := 1; i < 6; i++ {
		check(t, "of one whom nobody knows", w.answerTo("list", fmt.Sprint("nobody-", i)), unknown)
	}
	check(t, "of a user, by a client that asked for six", w.answerTo("list", pushUser), unknown)
	await(t, "the others to be told", patience, func() bool {
		return strings.Contains(string(w.mitome("audit", "export")), "asks.refused")
	})
}

// bulkAsks has clients ask for one user: three are pushed, and what is over that
// stands in her list alone. It returns what was asked.
func bulkAsks(t *testing.T, w *pushWorld, phone *appPhone) (all []string) {
	t.Helper()
	for i := range 9 {
		id := w.ask(map[string]any{"client_id": fmt.Sprint("client-", i%6), "expires_in": 300})
		all = append(all, id)
		if i < 3 {
			phone.heard("show", id)
			check(t, "quiet", w.request(id).Quiet, "")
			continue
		}
		w.unpushed(phone, id, "prompt_limit", "pending_limit")
	}
	listed, err := phone.List()
	if err != nil {
		t.Fatal(err)
	}
	check(t, "listed", fmt.Sprint(listed.Len()), fmt.Sprint(len(all)))
	return all
}

// unpushed checks that a request was not pushed, for one of these reasons.
func (w *pushWorld) unpushed(phone *appPhone, id string, why ...string) {
	w.t.Helper()
	r := w.request(id)
	if !strings.Contains(strings.Join(why, " "), r.Quiet) || r.Quiet == "" || len(r.Deliveries) > 0 || phone.count("show", id) > 0 {
		w.t.Errorf("of a request over the limits: quiet for %q, delivered %v", r.Quiet, r.Deliveries)
	}
}

// stillLimited: a Mitome that was killed has forgotten neither. It returns what was
// asked.
func stillLimited(t *testing.T, w *pushWorld) string {
	t.Helper()
	unknown := w.answerTo("another", "nobody")
	check(t, "after a restart, by the client that asked for six", w.answerTo("list", pushUser), unknown)
	id := w.ask(map[string]any{"client_id": "client-9", "expires_in": 300})
	check(t, "after a restart: quiet", w.request(id).Quiet, "prompt_limit")
	return id
}

// deniesAll: no limit stands between her and a no. Her OP is told of each, and that
// three were delivered.
func deniesAll(t *testing.T, w *pushWorld, phone *appPhone, asked []string) {
	t.Helper()
	for i, id := range asked {
		if state, err := phone.Deny(id, false); err != nil || state != "denied" {
			t.Errorf("denied: %q, %v", state, err)
		}
		w.told(id, "denied")
		want := map[string]int{}
		if i < 3 {
			want["fcm"] = 1
		}
		if got := w.op.delivered(id); !maps.Equal(got, want) {
			t.Errorf("of request %d the OP is told that it was delivered to %v, want %v", i, got, want)
		}
	}
	id := w.ask(map[string]any{"client_id": "client-0", "expires_in": 300})
	check(t, "denials make no room: quiet", w.request(id).Quiet, "prompt_limit")
	if _, err := phone.Deny(id, false); err != nil {
		t.Error(err)
	}
}

// expiriesAreNoFailures: however many codes nobody typed, hers is taken at once. Her
// approval begins the count of pushes anew.
func expiriesAreNoFailures(t *testing.T, w *pushWorld, phone *appPhone) {
	t.Helper()
	var late []string
	for range 6 {
		late = append(late, w.ask(map[string]any{"client_id": "till", "user_code": "73510684", "expires_in": 10}))
	}
	for _, id := range late {
		w.told(id, "expired")
	}
	id := w.ask(map[string]any{"client_id": "till", "user_code": "73510684"})
	if _, err := phone.Show(id); err != nil {
		t.Fatal(err)
	}
	if state, err := phone.Approve(id, "73510684"); err != nil || state != "approved" {
		t.Fatalf("approved: %q, %v", state, err)
	}
	id = w.ask(map[string]any{"client_id": "till"})
	phone.heard("show", id)
	if _, err := phone.Deny(id, false); err != nil {
		t.Error(err)
	}
}

// quietHoursAreKept: while she sleeps nothing is pushed, but for the clients that
// the operator lets; and what was not pushed is in her list.
func quietHoursAreKept(t *testing.T, w *pushWorld, phone *appPhone) {
	t.Helper()
	clock := func(d time.Duration) string { return time.Now().UTC().Add(d).Format("15:04") }
	if err := phone.SetQuietHours(phone.id, "Etc/UTC", clock(-6*time.Hour), clock(6*time.Hour)); err != nil {
		t.Fatal(err)
	}
	id := w.ask(map[string]any{"client_id": "till"})
	w.unpushed(phone, id, "quiet_hours")
	phone.heard("show", w.ask(map[string]any{"client_id": "fraud-desk"}))
	check(t, "pushed at night", fmt.Sprint(phone.count("show", id)), "0")
	listed, err := phone.List()
	if err != nil {
		t.Fatal(err)
	}
	check(t, "listed at night", fmt.Sprint(listed.Len()), "2")
	if err := phone.SetQuietHours(phone.id, "", "", ""); err != nil {
		t.Fatal(err)
	}
	phone.heard("show", w.ask(map[string]any{"client_id": "morning"}))
}
