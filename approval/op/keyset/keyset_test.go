package keyset_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/op/keyset"
)

// A key, under two names.
const (
	ed      = `"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`
	current = `{"kid":"current",` + ed + `}`
	next    = `{"kid":"next","use":"sig",` + ed + `}`
)

func TestParse(t *testing.T) {
	for text, want := range map[string]int{
		`{"keys":[` + current + `,` + next + `]}`:                               2,
		`{"keys":[` + current + `,{"kty":"new"},7,null]}`:                       1,
		`{"keys":[` + current + `,{"kty":"oct","kid":"hs","k":"c2VjcmV0"}]}`:    1,
		`{"keys":[` + current + `,{"kid":"e","use":"enc",` + ed + `}]}`:         1,
		`{"keys":[` + current + `,{` + ed + `}]}`:                               1,
		`{"keys":[` + current + `,{"kid":"p",` + ed + `,"d":"nWGxne_9WmC6h"}]}`: 1,
		`{"keys":[{"kty":"oct","kid":"hs","k":"c2VjcmV0"}]}`:                    0,
		`{"keys":[]}`: 0, `{}`: 0, `[]`: 0, `<html>`: 0, ``: 0,
	} {
		keys, err := keyset.Parse([]byte(text))
		if len(keys) != want || (err == nil) != (want > 0) {
			t.Errorf("%s: got %d keys, %v, want %d", text, len(keys), err, want)
		}
	}
}

// TestPause: a key that is not there is asked for once a pause, and one that was
// there is good however long the OP is away.
func TestPause(t *testing.T) {
	var fetches atomic.Int32
	var body atomic.Value
	body.Store(`{"keys":[` + current + `]}`)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		_, _ = io.WriteString(w, body.Load().(string))
	}))
	t.Cleanup(srv.Close)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &keyset.Set{URL: srv.URL, Client: srv.Client(), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }, Pause: time.Minute}
	look := func(kid string, want bool, asked int32) {
		t.Helper()
		if _, ok := s.Key(t.Context(), kid); ok != want || fetches.Load() != asked {
			t.Errorf("%s: got %v after %d fetches, want %v after %d", kid, ok, fetches.Load(), want, asked)
		}
	}
	look("current", true, 1)
	body.Store(`{"keys":[` + current + `,` + next + `]}`)
	now = now.Add(59 * time.Second)
	look("next", false, 1)
	look("made up", false, 1)
	now = now.Add(time.Second)
	look("next", true, 2)
	look("current", true, 2)
	body.Store(strings.Repeat("x", 100)) // not a JWK set any more
	now = now.Add(time.Hour)
	look("next", true, 3)
	now = now.Add(-2 * time.Hour) // a clock that is set back
	look("made up", false, 4)
}

// TestNothingYet: as long as there is no key at all a minute is too long to wait.
func TestNothingYet(t *testing.T) {
	var up atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, `{"keys":[`+current+`]}`)
	}))
	t.Cleanup(srv.Close)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &keyset.Set{URL: srv.URL, Client: srv.Client(), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }, Pause: time.Minute}
	if _, ok := s.Key(t.Context(), "current"); ok {
		t.Error("a key of an answer that is none was taken")
	}
	up.Store(true)
	now = now.Add(time.Second)
	if _, ok := s.Key(t.Context(), "current"); !ok {
		t.Error("got none, want it to recover within a second")
	}
}
