// Package counter is what the demo's consumption devices have in common: how
// their pages are served, in which words, and how they wait for an answer.
//
// # Why
//
// A shop and a kiosk are two programs of two houses, and would share nothing. In
// the demo they share what has nothing to do with what they are, so that what is
// left in each of them is CIBA.
package counter

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
)

// policy is what a page may do: nothing from elsewhere, nothing inline, and no
// text becomes a script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// Do answers one call. What it returns is written for it.
type Do func(http.ResponseWriter, *http.Request) error

// Serve serves calls by their patterns (see http.ServeMux). What changes something
// is taken from the own page alone: any other page that is open in this browser
// could order, too.
func Serve(log *slog.Logger, calls map[string]Do) http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range calls {
		mux.Handle(pattern, handler(log, do))
	}
	return headers(http.NewCrossOriginProtection().Handler(mux))
}

// headers sets what every answer carries.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store")
		h.Set("Vary", "Accept-Language")
		next.ServeHTTP(w, r)
	})
}

// Refusal is an answer that says no. The page has words for each code.
type Refusal struct {
	Status int
	Code   string
}

// Error implements error.
func (e *Refusal) Error() string { return "counter: " + e.Code }

// Refusals that every page may meet.
var (
	ErrNotFound = &Refusal{http.StatusNotFound, "not_found"}
	ErrInput    = &Refusal{http.StatusBadRequest, "input"}
)

// handler runs do and writes its error. What is no answer to the page is a fault
// of ours: it is logged, and the page hears no more than that.
func handler(log *slog.Logger, do Do) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := do(w, r)
		if err == nil || r.Context().Err() != nil {
			return
		}
		var no *Refusal
		if !errors.As(err, &no) {
			log.ErrorContext(r.Context(), "counter", "path", r.URL.Path, "error", err)
			no = &Refusal{http.StatusInternalServerError, "fault"}
		}
		Send(w, no.Status, map[string]string{"error": no.Code})
	})
}

// Send answers in JSON.
func Send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who hung up needs no answer
}
