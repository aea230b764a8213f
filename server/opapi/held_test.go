package opapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/opapi"
	"github.com/mitome-ciba/mitome/server/web"
)

// holdingOP is a plainOP that waits for the decision where its path says so, and
// asks by reference otherwise.
type holdingOP struct {
	*plainOP
	life time.Duration
}

func (h holdingOP) Receive(r *http.Request) (approval.Ask, error) {
	ask, err := h.plainOP.Receive(r)
	if err == nil && strings.HasSuffix(r.URL.Path, "/sync") {
		ask.Handle = "hold"
		ask.ExpiresAt = time.Now().Add(h.life)
	}
	return ask, err
}

func (h holdingOP) Waits(a approval.Ask) bool { return a.Handle == "hold" }

func (h holdingOP) Reply(w http.ResponseWriter, a approval.Ask, r approval.Request, err error) {
	if err != nil || a.Handle != "hold" {
		h.plainOP.Reply(w, a, r, err)
		return
	}
	fmt.Fprint(w, r.State)
}

func (h holdingOP) Poll(r *http.Request) (string, error) {
	if r.Header.Get("Authorization") != "Bearer op" {
		return "", op.ErrUnauthentic
	}
	return r.Header.Get("X-Ref"), nil
}

func (h holdingOP) Result(w http.ResponseWriter, r approval.Request, err error) {
	if err != nil {
		h.plainOP.Reply(w, approval.Ask{}, r, err)
		return
	}
	fmt.Fprint(w, r.State)
}

// newHeld is a world whose OP waits, behind a real server.
func newHeld(t *testing.T, life time.Duration) (*world, string) {
	t.Helper()
	w := newWorld(t)
	w.handler.Adapters["corp"] = holdingOP{w.op, life}
	w.op.within = time.Nanosecond // who waits for a decision is never told too late
	srv := httptest.NewServer(w.engine)
	t.Cleanup(srv.Close)
	return w, srv.URL + "/op/corp/ad/s/api/authenticate/"
}

// ask posts to a held call and returns what came of it.
func (w *world) ask(ctx context.Context, url, ref string) <-chan string {
	out := make(chan string, 1)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(fmt.Sprintf(`{"ref":%q,"sub":%q}`, ref, w.user.Subject)))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer op")
	go func() {
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			out <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		out <- fmt.Sprint(resp.StatusCode, " ", string(body))
	}()
	return out
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(30*time.Second), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (w *world) heard(t *testing.T, said <-chan string) string {
	t.Helper()
	select {
	case s := <-said:
		return s
	case <-time.After(30 * time.Second):
		t.Fatal("the call is held for ever")
		return ""
	}
}

// TestHeld: the OP hears the decision in the answer to its own call, and a report
// waits until it has.
func TestHeld(t *testing.T) {
	w, url := newHeld(t, time.Minute)
	said := w.ask(t.Context(), url+"sync", "r1")
	until(t, "the request to be stored", func() bool { return len(w.stored()) == 1 })
	r := w.stored()[0]
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.handler.Acks.Wait(ctx, r.ID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a report could leave before the answer: %v", err)
	}
	if _, err := w.requests.Recall(t.Context(), r.ID, device.Actor{Kind: device.ActorAdmin, ID: "root"}); err != nil {
		t.Fatal(err)
	}
	woken := time.Now()
	w.handler.Wake(string(r.ID))
	if got := w.heard(t, said); got != "200 withdrawn" || time.Since(woken) > 4*time.Second { // unwoken it looks after 5
		t.Errorf("got %s, %v after it was woken", got, time.Since(woken))
	}
	w.want(opapi.Taken, approval.Withdrawn)
	if err := w.handler.Acks.Wait(t.Context(), r.ID); err != nil {
		t.Error(err)
	}
}

// TestHeldEnds: with the request's own time, whether or not anybody swept.
func TestHeldEnds(t *testing.T) {
	w, url := newHeld(t, 2*time.Second)
	if got := w.heard(t, w.ask(t.Context(), url+"sync", "r1")); got != "200 expired" {
		t.Errorf("got %s", got)
	}
}

// TestHeldHangsUp: a user is not asked about what nobody waits for.
func TestHeldHangsUp(t *testing.T) {
	w, url := newHeld(t, time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	w.ask(ctx, url+"sync", "r1")
	until(t, "the request to be stored", func() bool { return len(w.stored()) == 1 })
	cancel()
	until(t, "the request to be taken back", func() bool { return w.stored()[0].State == approval.Withdrawn })
}

// TestAskedUnder: an OP asks by its own reference, and another one's is not there.
func TestAskedUnder(t *testing.T) {
	w, url := newHeld(t, time.Minute)
	w.op.within = time.Minute
	w.handler.Adapters["other"] = holdingOP{w.op, time.Minute}
	w.handler.Adapters["plain"] = w.op
	if got := w.heard(t, w.ask(t.Context(), url+"poll", "r1")); got != "201 " {
		t.Fatalf("got %s", got)
	}
	for _, tt := range []struct{ op, ref, auth, want string }{
		{"corp", "r1", "Bearer op", "200 pending"},
		{"corp", "r2", "Bearer op", "503 "},
		{"other", "r1", "Bearer op", "503 "},
		{"corp", "r1", "Bearer x", "401 "},
		{"plain", "r1", "Bearer op", "404"},
		{"nobody", "r1", "Bearer op", "404"},
	} {
		r, err := http.NewRequest(http.MethodPost, strings.Replace(url, "/corp/", "/"+tt.op+"/", 1)+"result", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", tt.auth)
		r.Header.Set("X-Ref", tt.ref)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := fmt.Sprint(resp.StatusCode, " ", string(body)); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
}

// TestHeldStops: a node that stops keeps nobody waiting, and asks nobody in vain.
func TestHeldStops(t *testing.T) {
	w, _ := newHeld(t, time.Minute)
	stop := make(chan struct{})
	srv := httptest.NewUnstartedServer(w.engine)
	srv.Config.BaseContext = func(net.Listener) context.Context { return web.WithStop(context.Background(), stop) }
	srv.Start()
	t.Cleanup(srv.Close)
	said := w.ask(t.Context(), srv.URL+"/op/corp/ad/s/api/authenticate/sync", "r1")
	until(t, "the request to be stored", func() bool { return len(w.stored()) == 1 })
	close(stop)
	if got := w.heard(t, said); got != "503 " {
		t.Errorf("got %s", got)
	}
	until(t, "the request to be taken back", func() bool { return w.stored()[0].State == approval.Withdrawn })
}
