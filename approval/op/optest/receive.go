package optest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// maxRef is what an Ask.Ref may measure.
const maxRef = 1024

func (c Case) receive(t *testing.T) {
	t.Run("genuine", func(t *testing.T) {
		s := c.start(t, nil)
		got, err := s.adapter.Receive(c.Genuine(t, s.url))
		if err != nil {
			t.Fatal(err)
		}
		c.compare(t, got, c.Want(t, s.url))
		noSecret(t, "log", s.log.String(), string(got.Handle))
		noSecret(t, "ask", fmt.Sprintf("%v %+v %#v", got.Handle, got, got.Handle), string(got.Handle))
	})
	for _, f := range append(c.Forgeries, c.broken()...) {
		t.Run("forgery: "+f.Name, func(t *testing.T) { c.refuses(t, f) })
	}
	t.Run("many at once", func(t *testing.T) {
		s := c.start(t, nil)
		var wg sync.WaitGroup
		for range 16 {
			r := c.Genuine(t, s.url)
			wg.Go(func() {
				if _, err := s.adapter.Receive(r); err != nil {
					t.Errorf("got %v, want no error", err)
				}
			})
		}
		wg.Wait()
	})
}

// receivesNothing checks that a kind that is asked elsewhere takes no ask here.
func (c Case) receivesNothing(t *testing.T) {
	c.refuses(t, Forgery{Name: "anything", Want: op.ErrMalformed, Make: func(*testing.T, string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/op/optest", strings.NewReader(`{"sub":"aiko"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer optest-key-0123456789")
		return r
	}})
}

// compare checks got against want and against the rules for every ask.
func (c Case) compare(t *testing.T, got, want approval.Ask) {
	t.Helper()
	if got.ID != "" || got.OP != "" || got.Subject.OP != "" {
		t.Error("ID, OP or Subject.OP is filled in; that is the caller's part")
	}
	if got.Ref == "" || len(got.Ref) > maxRef {
		t.Errorf("Ref has %d bytes, want 1 to %d", len(got.Ref), maxRef)
	}
	if len(got.Body) == 0 {
		t.Error("Body is empty, so a forgery under the same Ref would pass for a repetition")
	}
	want.Body = got.Body
	if got.Handle != want.Handle { // cmp would print it
		t.Error("Handle is not what the OP wants back")
	}
	want.Handle = got.Handle
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("ask (-want +got):\n%s", d)
	}
}

// broken are the faults that any OP's request may have.
func (c Case) broken() []Forgery {
	alter := func(change func(*http.Request)) func(*testing.T, string) *http.Request {
		return func(t *testing.T, url string) *http.Request {
			r := c.Genuine(t, url)
			change(r)
			return r
		}
	}
	return []Forgery{
		{Name: "no body", Want: op.ErrMalformed, Make: alter(func(r *http.Request) {
			r.Body, r.ContentLength = http.NoBody, 0
		})},
		{Name: "body too large", Want: op.ErrMalformed, Make: alter(func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(io.LimitReader(spaces{}, 10<<20)), 10<<20
		})},
		{Name: "body breaks off", Want: op.ErrMalformed, Make: alter(func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{}))
		})},
		{Name: "no credentials", Want: op.ErrUnauthentic, Make: alter(func(r *http.Request) {
			r.Header = http.Header{"Content-Type": r.Header["Content-Type"]}
			if c.Strip != nil {
				c.Strip(r)
			}
		})},
	}
}

// refuses checks that f is refused, creates nothing and is answered as an error.
func (c Case) refuses(t *testing.T, f Forgery) {
	s := c.start(t, nil)
	r := f.Make(t, s.url)
	auth := r.Header.Get("Authorization")
	got, err := s.adapter.Receive(r)
	if !errors.Is(err, f.Want) {
		t.Fatalf("got %v, want %v", err, f.Want)
	}
	if d := cmp.Diff(approval.Ask{}, got); d != "" {
		t.Errorf("an ask came of it: %s", d)
	}
	noSecret(t, "error", err.Error(), auth)
	noSecret(t, "log", s.log.String(), auth)
	w := httptest.NewRecorder()
	s.adapter.Reply(w, got, approval.Request{}, err)
	if w.Code < 400 || f.Status != 0 && w.Code != f.Status {
		t.Errorf("answered %d, want %d", w.Code, f.Status)
	}
	noSecret(t, "answer", w.Body.String(), auth)
}

// reply checks that yes and no can be told apart by what the OP hears.
func (c Case) reply(t *testing.T) {
	s := c.start(t, nil)
	ask, err := s.adapter.Receive(c.Genuine(t, s.url))
	if err != nil {
		t.Fatal(err)
	}
	answer := func(err error) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.adapter.Reply(w, ask, approval.Request{ID: "r1", State: approval.Pending}, err)
		if err != nil || !c.Echoes {
			noSecret(t, "answer", w.Body.String()+fmt.Sprint(w.Header()), string(ask.Handle))
		}
		return w
	}
	if w := answer(nil); w.Code < 200 || w.Code > 299 {
		t.Errorf("taken: answered %d", w.Code)
	}
	for _, err := range []error{
		op.ErrUnauthentic, op.ErrMalformed, approval.ErrRefReused, approval.ErrUnknownUser, errors.New("dsn secret-password"),
	} {
		w := answer(err)
		if w.Code < 400 {
			t.Errorf("%v: answered %d", err, w.Code)
		}
		if strings.Contains(w.Body.String(), "secret-password") {
			t.Errorf("the answer repeats the error: %s", w.Body)
		}
	}
}

// spaces is a body without end.
type spaces struct{}

// Read implements io.Reader.
func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// brokenReader is a connection that breaks.
type brokenReader struct{}

// Read implements io.Reader.
func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
