package userapi_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

type waited struct {
	Requests []request `json:"requests"`
	Cursor   string    `json:"cursor"`
}

// poll waits in the background; what came of it comes through the channel.
func (p *phone) poll(cursor string) <-chan answer {
	p.w.t.Helper()
	path, out := "/v1/requests/wait?since="+cursor, make(chan answer, 1)
	r := must(http.NewRequestWithContext(p.w.t.Context(), "GET", p.w.url+path, nil))(p.w.t)
	r.Header = p.headers("GET", path)
	go func() {
		defer close(out)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err == nil {
			out <- answer{resp.StatusCode, resp.Header, body}
		}
	}()
	return out
}

// soon is the answer to poll, if it comes well before the poll's own end.
func soon(t *testing.T, from <-chan answer) answer {
	t.Helper()
	select {
	case a := <-from:
		return a
	case <-time.After(30 * time.Second):
		t.Fatal("nobody was woken")
		return answer{}
	}
}

// TestWait: a long poll is answered at once where something is new, and as soon
// as a request of the caller comes or goes.
func TestWait(t *testing.T) {
	w := newWorld(t)
	b, mallory := w.newBrowser(), w.newPhone()
	alice, other := b.pair("corp", "alice"), mallory.pair("corp", "mallory")
	var now waited
	soon(t, b.poll("")).want(t, 200, &now)
	if len(now.Requests) != 0 || len(now.Cursor) != 22 {
		t.Fatalf("got %+v", now)
	}
	waiting := b.poll(now.Cursor)
	w.ask(other, "") // not hers
	r := w.ask(alice, "")
	var came waited
	soon(t, waiting).want(t, 200, &came)
	if len(came.Requests) != 1 || came.Requests[0].ID != string(r.ID) || came.Requests[0].View == "" || came.Cursor == now.Cursor {
		t.Errorf("got %+v", came)
	}
	soon(t, b.poll("made-up")).want(t, 200, &now)
	if now.Cursor != came.Cursor {
		t.Error("the cursor is another for the same list")
	}
	waiting = b.poll(came.Cursor)
	b.do("POST", "/v1/requests/"+string(r.ID)+"/decision", map[string]any{"verdict": "deny"}).want(t, 200, nil)
	soon(t, waiting).want(t, 200, &came)
	if len(came.Requests) != 0 {
		t.Errorf("it is still there: %+v", came)
	}
}

// TestWaitEnds: whoever loses the session while waiting hears that, and nothing
// of what comes after.
func TestWaitEnds(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	alice := b.pair("corp", "alice")
	var now waited
	soon(t, b.poll("")).want(t, 200, &now)
	waiting, cookie := b.poll(now.Cursor), b.cookie
	b.do("DELETE", "/v1/session", nil).want(t, 204, nil)
	w.ask(alice, "")
	soon(t, waiting).wantProblem(t, 401, "unauthorized")
	b.cookie = cookie
	soon(t, b.poll("")).wantProblem(t, 401, "unauthorized")
}

// TestWaitRevoked: a device that is revoked while it waits is shown nothing.
func TestWaitRevoked(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	alice := b.pair("corp", "alice")
	r := w.ask(alice, "")
	var now waited
	soon(t, b.poll("")).want(t, 200, &now)
	if len(now.Requests) != 1 || now.Requests[0].ID != string(r.ID) {
		t.Fatalf("got %+v", now)
	}
	waiting := b.poll(now.Cursor)
	if err := w.db.RevokeDevice(t.Context(), b.device.ID, device.Mitome); err != nil {
		t.Fatal(err)
	}
	var after waited
	soon(t, waiting).want(t, 200, &after)
	if len(after.Requests) != 0 {
		t.Errorf("a revoked device sees %+v", after)
	}
}

// TestWaitEndsWithServer: a server that is to stop is not held up by pages that
// wait; they learn where they stand, and go on from there.
func TestWaitEndsWithServer(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.pair("corp", "alice")
	var now, then waited
	soon(t, b.poll("")).want(t, 200, &now)
	waiting := b.poll(now.Cursor)
	close(w.stopping)
	soon(t, waiting).want(t, 200, &then)
	if then.Cursor != now.Cursor || len(then.Requests) != 0 {
		t.Errorf("got %+v, want what it was", then)
	}
}

// TestWaitersAreBounded: one session cannot hold more calls than a person's open
// pages do.
func TestWaitersAreBounded(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	alice := b.pair("corp", "alice")
	var now waited
	soon(t, b.poll("")).want(t, 200, &now)
	var refused, held int
	var all []<-chan answer
	for range 6 {
		all = append(all, b.poll(now.Cursor))
	}
	w.eventually(func() bool {
		for i, c := range all {
			select {
			case a := <-c:
				a.wantProblem(t, http.StatusServiceUnavailable, "unavailable")
				all[i], refused = nil, refused+1
			default:
			}
		}
		return refused == 2
	})
	w.ask(alice, "")
	for _, c := range all {
		if c != nil {
			soon(t, c).want(t, 200, nil)
			held++
		}
	}
	if held != 4 {
		t.Errorf("%d were held", held)
	}
	soon(t, b.poll("")).want(t, 200, nil) // there is room again
}
