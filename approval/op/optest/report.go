package optest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// patience is how long a test waits for what must happen at once.
const patience = 5 * time.Second

func (c Case) report(t *testing.T) {
	c.reportWire(t)
	for _, a := range append(c.Answers,
		Answer{"ok", 200, "", nil},
		Answer{"bad request", 400, "", op.ErrRefused},
		Answer{"forbidden", 403, "", op.ErrRefused},
		Answer{"not found", 404, "", op.ErrRefused},
		Answer{"too many requests", 429, "", op.ErrUnsure},
		Answer{"fault", 500, "", op.ErrUnsure},
		Answer{"gateway down", 503, "", op.ErrUnsure},
		Answer{"gateway timeout", 504, "", op.ErrUnsure},
	) {
		t.Run("answer: "+a.Name, func(t *testing.T) {
			c.outcome(t, a.Want, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(a.Status)
				io.WriteString(w, a.Body)
			})
		})
	}
	t.Run("hangs up after reading", func(t *testing.T) {
		c.outcome(t, op.ErrUnsure, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	})
	t.Run("answers with our own words", func(t *testing.T) { c.outcome(t, op.ErrUnsure, echo) })
	t.Run("refuses and repeats our words", func(t *testing.T) {
		c.outcome(t, op.ErrRefused, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, r.Header)
		})
	})
	t.Run("redirect", c.redirect)
	t.Run("nothing listens", c.nothingListens)
	t.Run("hangs", func(t *testing.T) { c.hangs(t, context.DeadlineExceeded) })
	t.Run("cancelled", func(t *testing.T) { c.hangs(t, context.Canceled) })
}

// spoken is the first report that says something.
func (c Case) spoken() approval.Request {
	i := slices.IndexFunc(c.Reports, func(r Report) bool { return !r.Silent })
	r := c.Reports[i].Request
	r.Handle = handle
	return r
}

// reportWire checks what is sent for each way a request may end.
func (c Case) reportWire(t *testing.T) {
	var states []approval.State
	for _, rep := range c.Reports {
		states = append(states, rep.Request.State)
		t.Run("wire: "+rep.Name, func(t *testing.T) {
			var wire []string
			s := c.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				wire = append(wire, onWire(r))
			}))
			r := rep.Request
			r.Handle = handle
			if err := s.adapter.Report(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			switch {
			case rep.Silent && len(wire) > 0:
				t.Errorf("sent %s, want nothing", wire)
			case !rep.Silent && len(wire) != 1:
				t.Errorf("sent %d times, want once", len(wire))
			case !rep.Silent:
				golden(t, rep.Name, strings.ReplaceAll(wire[0], strings.TrimPrefix(s.url, "http://"), "{op}"))
			}
		})
	}
	for _, state := range []approval.State{approval.Approved, approval.Denied, approval.Expired, approval.Withdrawn} {
		if !slices.Contains(states, state) {
			t.Errorf("the case does not say what is sent when a request is %s", state)
		}
	}
}

// onWire is r as a text: everything that the OP may look at.
func onWire(r *http.Request) string {
	var lines []string
	for k, v := range r.Header {
		if k == "User-Agent" || k == "Accept-Encoding" || k == "Connection" {
			continue // net/http's own
		}
		lines = append(lines, k+": "+strings.Join(v, ", "))
	}
	slices.Sort(lines)
	body, _ := io.ReadAll(r.Body)
	text := fmt.Sprintf("%s %s\nHost: %s\n%s\n\n%s\n", r.Method, r.URL, r.Host, strings.Join(lines, "\n"), body)
	return strings.ReplaceAll(text, string(handle), "{handle}")
}

// golden compares got with a file. With UPDATE_GOLDEN=1 it writes the file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "report_"+name+".golden")
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// outcome checks what a report comes to at an OP that answers with h, and that
// it was sent once.
func (c Case) outcome(t *testing.T, want error, h http.HandlerFunc) {
	t.Helper()
	var calls atomic.Int32
	s := c.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		io.Copy(io.Discard, r.Body)
		h(w, r)
	}))
	err := s.adapter.Report(t.Context(), c.spoken())
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("sent %d times, want once", n)
	}
	if err != nil {
		noSecret(t, "error", err.Error(), string(handle))
	}
}

// echo answers with what was received, which is not HTTP; net/http would quote
// the first line of it in its error.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s\r\n\r\n", r.Header.Get("Authorization"), handle)
}

// redirect checks that a report goes nowhere but to where it was meant to.
func (c Case) redirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var strayed atomic.Int32
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
		t.Cleanup(elsewhere.Close)
		c.outcome(t, op.ErrRefused, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, status)
		})
		if strayed.Load() > 0 {
			t.Errorf("%d: the redirect was followed", status)
		}
	}
}

// nothingListens checks that a report to an OP that is down never left.
func (c Case) nothingListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	err = c.open(t, url).adapter.Report(t.Context(), c.spoken())
	if !errors.Is(err, op.ErrNotSent) {
		t.Errorf("got %v, want %v", err, op.ErrNotSent)
	}
	noSecret(t, "error", err.Error(), string(handle))
}

// hangs checks that a report to an OP that never answers ends with its context,
// and is not taken for one that never left.
func (c Case) hangs(t *testing.T, cause error) {
	got := make(chan struct{}, 1)
	s := c.start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		got <- struct{}{}
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if cause == context.DeadlineExceeded {
		ctx, cancel = context.WithTimeout(ctx, time.Second)
		defer cancel()
	}
	done := make(chan error, 1)
	go func() { done <- s.adapter.Report(ctx, c.spoken()) }()
	select {
	case <-got:
	case <-time.After(patience):
		t.Fatal("Report sends nothing")
	}
	if cause == context.Canceled {
		cancel()
	}
	select {
	case err := <-done:
		if !errors.Is(err, op.ErrUnsure) {
			t.Errorf("got %v, want %v", err, op.ErrUnsure)
		}
	case <-time.After(patience):
		t.Fatal("Report outlives its context")
	}
}
