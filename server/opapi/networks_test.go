package opapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/server/web"
)

// polled is a plainOP that can be asked how a request stands.
type polled struct {
	*plainOP
	polls int
}

func (p *polled) Poll(*http.Request) (string, error) {
	p.polls++
	return "ref", nil
}

func (p *polled) Result(w http.ResponseWriter, r approval.Request, err error) {
	p.Reply(w, approval.Ask{}, r, err)
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// TestAnOPThatCallsFromElsewhere hears no more than somebody who is not the OP,
// and nothing of its call is read.
func TestAnOPThatCallsFromElsewhere(t *testing.T) {
	w := newWorld(t)
	asked := &polled{plainOP: w.op}
	w.handler.Adapters = map[string]op.Adapter{"corp": asked, "free": asked}
	w.handler.Networks = web.Networks{"corp": {netip.MustParsePrefix("203.0.113.0/24")}}
	call := func(path, from string, body io.Reader) int {
		r := httptest.NewRequest(http.MethodPost, path, body)
		r.RemoteAddr = from
		r.Header.Set("Authorization", "Bearer op")
		r.Header.Set("X-Forwarded-For", "203.0.113.7") // nobody's word is taken for it
		rec := httptest.NewRecorder()
		w.engine.ServeHTTP(rec, r)
		return rec.Code
	}
	const result = "/op/corp/ad/secret/api/authenticate/result"
	for _, path := range []string{"/op/corp", "/op/corp/ad/secret/api/authenticate/sync", result} {
		if got := call(path, "198.51.100.7:1", unread{t}); got != http.StatusUnauthorized {
			t.Errorf("%s: got %d, want 401", path, got)
		}
	}
	if want := slices.Repeat([]string{"corp unauthentic"}, 3); asked.polls != 0 || !slices.Equal(w.observed, want) {
		t.Errorf("polled %d times, observed %v, want %v", asked.polls, w.observed, want)
	}
	body := func() io.Reader { return strings.NewReader(`{"ref":"r","sub":"nobody"}`) }
	for path, want := range map[string]int{"/op/corp": 503, result: 503} { // nobody is known, and no request
		if got := call(path, "203.0.113.7:1", body()); got != want {
			t.Errorf("%s from there: got %d, want %d", path, got, want)
		}
	}
	if got := call("/op/free", "198.51.100.7:1", body()); got != 503 {
		t.Errorf("a connection without networks: got %d, want 503", got)
	}
}
