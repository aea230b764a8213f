package shop

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// policy is what the page may do: nothing from elsewhere, nothing inline, and no
// text becomes a script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

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

// refusal is an answer that says no. The page has words for each code.
type refusal struct {
	status int
	code   string
}

func (e *refusal) Error() string { return "shop: " + e.code }

var (
	errNotFound = &refusal{http.StatusNotFound, "not_found"}
	errInput    = &refusal{http.StatusBadRequest, "input"}
)

// handler runs do and writes its error. What is no answer to the page is a fault
// of ours: it is logged, and the page hears no more than that.
func (s *Shop) handler(do func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := do(w, r)
		if err == nil || r.Context().Err() != nil {
			return
		}
		var no *refusal
		if !errors.As(err, &no) {
			s.conf.Log.ErrorContext(r.Context(), "shop", "path", r.URL.Path, "error", err)
			no = &refusal{http.StatusInternalServerError, "fault"}
		}
		send(w, no.status, map[string]string{"error": no.code})
	})
}

func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who hung up needs no answer
}

// maxBody is far more than any call of the page has.
const maxBody = 4 << 10

func decode(r *http.Request, into any) error {
	dec := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return errInput
	}
	return nil
}
