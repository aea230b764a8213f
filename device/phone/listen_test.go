package phone_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/mitome-ciba/mitome/device/phone"
)

// ear is a Handler that passes on what it hears.
type ear struct{ heard chan string }

func (e ear) Show(r *phone.Request) { e.heard <- "show " + r.ID + " " + r.View }
func (e ear) Clear(id string)       { e.heard <- "clear " + id }
func (e ear) Test()                 { e.heard <- "test" }

// watcher is a DeviceWatcher that passes on what it hears.
type watcher struct{ heard chan string }

func (w watcher) DevicesChanged(id string) { w.heard <- "devices " + id }
func (e ear) Online(on bool, reason string) {
	if on != (reason == "") {
		e.heard <- "online without a reason"
	}
	e.heard <- map[bool]string{true: "online", false: "offline"}[on]
}

// listening is a phone that listens, and what comes of it.
type listening struct {
	t     *testing.T
	phone *phone.Phone
	heard chan string
	ended chan error
}

func (f *fake) listen(p *phone.Phone) *listening {
	l := &listening{t: f.t, phone: p, heard: make(chan string, 64), ended: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.ended <- p.Listen(ear{l.heard})
	}()
	f.t.Cleanup(func() { // it keeps tickets among its keys: both end before their folder does
		p.Close()
		<-done
	})
	return l
}

const patience = 30 * time.Second

// expect waits for what must be heard next, in order.
func (l *listening) expect(want ...string) {
	l.t.Helper()
	for _, w := range want {
		select {
		case got := <-l.heard:
			if got != w {
				l.t.Fatalf("heard %q, want %q", got, w)
			}
		case <-time.After(patience):
			l.t.Fatalf("never heard %q", w)
		}
	}
}

func (l *listening) end() error {
	l.t.Helper()
	select {
	case err := <-l.ended:
		return err
	case <-time.After(patience):
		l.t.Fatal("Listen does not return")
		return nil
	}
}

func (f *fake) conn() *websocket.Conn {
	f.t.Helper()
	select {
	case c := <-f.conns:
		return c
	case <-time.After(patience):
		f.t.Fatal("the phone does not connect")
		return nil
	}
}

func (f *fake) send(c *websocket.Conn, typ, id, key string) {
	f.t.Helper()
	if err := c.WriteJSON(map[string]string{"type": typ, "id": id, "key": key}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) acked(id string) {
	f.t.Helper()
	select {
	case got := <-f.acks:
		if got != "ack "+id {
			f.t.Fatalf("got %q, want an ack of %s", got, id)
		}
	case <-time.After(patience):
		f.t.Fatalf("%s was never acknowledged", id)
	}
}

// TestListenHearsOfDevices: a change is told to whoever asked for it, and once
// after each connect; to nobody else it is no trouble.
func TestListenHearsOfDevices(t *testing.T) {
	f := newFake(t)
	p := f.paired()
	l := f.listen(p)
	c := f.conn()
	l.expect("online")
	f.send(c, "device", "f1", "d2")
	f.acked("f1") // nobody watches
	f.send(c, "test", "f1", "")
	f.acked("f1")
	l.expect("test")
	p.WatchDevices(watcher{l.heard})
	f.send(c, "device", "f2", "d3")
	f.acked("f2")
	l.expect("devices d3")
	c.Close()
	l.expect("offline")
	c = f.conn()
	l.expect("online", "devices ")
	p.WatchDevices(nil)
	f.send(c, "device", "f3", "d4")
	f.acked("f3")
	f.send(c, "test", "f4", "")
	f.acked("f4")
	l.expect("test")
}

func TestListenHearsRequestsComeAndGo(t *testing.T) {
	f := newFake(t)
	p := f.paired()
	l := f.listen(p)
	c := f.conn()
	l.expect("online")
	r := f.add("r1", view)
	f.send(c, "show", "f1", "r1")
	f.acked("f1")
	l.expect("show r1 " + view)
	if _, err := p.Approve("r1", ""); err != nil {
		t.Errorf("what was heard cannot be approved: %v", err)
	}
	f.send(c, "clear", "f2", "r1")
	f.acked("f2")
	l.expect("clear r1")
	f.add("r2", "{}")
	f.send(c, "show", "f2", "r2")
	f.acked("f2")
	l.expect("show r2 {}")
	f.send(c, "clear", "f3", "r2")
	f.acked("f3")
	l.expect("clear r2")
	if _, err := p.Approve("r2", ""); !errors.Is(err, phone.ErrNotShown) {
		t.Errorf("what was cleared: got %v, want %v", err, phone.ErrNotShown)
	}
	f.settle(f.requests[1], "expired")
	f.send(c, "from the future", "f4", "")
	f.acked("f4")
	f.settle(r, "approved")
	f.send(c, "show", "f5", "r1") // late: it is answered already
	f.acked("f5")
	f.send(c, "show", "f6", "r9") // and this one never was
	f.acked("f6")
	f.send(c, "test", "f7", "")
	l.expect("test")
	p.Close()
	if err := l.end(); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

func TestListenerThatConnectsLateMissesNothing(t *testing.T) {
	f := newFake(t)
	p := f.paired()
	first := f.add("r1", "{}")
	f.add("r2", "{}")
	l := f.listen(p)
	c := f.conn()
	l.expect("show r1 {}", "show r2 {}", "online")
	f.settle(first, "expired") // while the line is down
	f.add("r3", "{}")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	f.conn()
	l.expect("offline", "show r3 {}", "clear r1", "online")
	if _, err := p.Approve("r1", ""); !errors.Is(err, phone.ErrNotShown) {
		t.Errorf("a request that ended: got %v, want %v", err, phone.ErrNotShown)
	}
}

func TestListenSurvivesAServerThatIsAway(t *testing.T) {
	f := newFake(t)
	p := f.paired()
	misses := 0
	f.on("GET /v1/socket", func(w http.ResponseWriter, _ *http.Request) {
		if misses++; misses == 3 {
			f.on("GET /v1/socket", nil)
		}
		problem(w, 503, `{"title":"busy"}`)
	})
	l := f.listen(p)
	l.expect("offline", "offline", "offline", "online")
	f.on("GET /v1/requests/r1", func(w http.ResponseWriter, _ *http.Request) {
		f.on("GET /v1/requests/r1", nil)
		problem(w, 500, `{}`)
	})
	f.add("r1", "{}")
	f.send(f.conn(), "show", "f1", "r1") // the fetch fails, so the phone asks anew
	l.expect("offline", "show r1 {}", "online")
}

func TestListenEndsWhenItIsOver(t *testing.T) {
	t.Run("revoked", func(t *testing.T) {
		f := newFake(t)
		l := f.listen(f.paired())
		bye := websocket.FormatCloseMessage(4401, "revoked")
		if err := f.conn().WriteControl(websocket.CloseMessage, bye, time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if err := l.end(); !errors.Is(err, phone.ErrRevoked) {
			t.Errorf("got %v, want %v", err, phone.ErrRevoked)
		}
	})
	t.Run("session over", func(t *testing.T) {
		f := newFake(t)
		p := f.paired()
		f.token = "another"
		if err := f.listen(p).end(); phone.ProblemOf(err) == nil || phone.ProblemOf(err).Status != 401 {
			t.Errorf("got %v, want 401", err)
		}
	})
	t.Run("not paired", func(t *testing.T) {
		f := newFake(t)
		if err := f.listen(f.open()).end(); !errors.Is(err, phone.ErrNotPaired) {
			t.Errorf("got %v, want %v", err, phone.ErrNotPaired)
		}
	})
	t.Run("closed while waiting", func(t *testing.T) {
		f := newFake(t)
		p := f.paired()
		f.on("GET /v1/socket", func(w http.ResponseWriter, _ *http.Request) { problem(w, 503, `{}`) })
		l := f.listen(p)
		l.expect("offline")
		p.Close()
		if err := l.end(); err != nil {
			t.Errorf("got %v", err)
		}
	})
}

// TestListenKeepsItsTicket: the ticket that a connection brought is shown at the
// next, the newest alone, and is not acknowledged.
func TestListenKeepsItsTicket(t *testing.T) {
	f := newFake(t)
	l := f.listen(f.paired())
	c := f.conn()
	l.expect("online")
	for _, ticket := range []string{"first", "second-_A"} {
		if err := c.WriteJSON(map[string]string{"type": "ticket", "ticket": ticket}); err != nil {
			t.Fatal(err)
		}
	}
	f.send(c, "test", "f1", "")
	f.acked("f1") // and nothing before it
	l.expect("test")
	for range 2 { // a connection that brings none leaves the old one
		c.Close()
		c = f.conn()
		l.expect("offline", "online")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	want := []string{"mitome.v1", "mitome.v1 ticket.second-_A", "mitome.v1 ticket.second-_A"}
	if !slices.Equal(f.protocols, want) {
		t.Errorf("got %q, want %q", f.protocols, want)
	}
}

// TestReconnects: what fails in a row is put off longer each time, and a steady
// connection begins the row anew.
func TestReconnects(t *testing.T) {
	for _, tt := range []struct {
		name   string
		steady time.Duration
		want   []int
	}{
		{"no connection lasts", time.Hour, []int{0, 1, 2, 3}},
		{"each lasts long enough", 0, []int{0, 0, 0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			p, waited := f.paired(), make(chan int, 10)
			phone.Waits(p, tt.steady, func(n int) { waited <- n })
			l := f.listen(p)
			for _, want := range tt.want {
				l.expect("online")
				f.conn().Close()
				l.expect("offline")
				if got := <-waited; got != want {
					t.Errorf("waited for reconnect %d, want %d", got, want)
				}
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	tests := []struct {
		n    int
		most time.Duration
	}{
		{0, time.Second},
		{1, 2 * time.Second},
		{2, 4 * time.Second},
		{3, 8 * time.Second},
		{4, 16 * time.Second},
		{5, 16 * time.Second},
		{1 << 30, 16 * time.Second},
	}
	for _, tt := range tests {
		if low, high := phone.Backoff(tt.n, 0), phone.Backoff(tt.n, 1); low != 0 || high != tt.most {
			t.Errorf("%d: got %v to %v, want 0 to %v", tt.n, low, high, tt.most)
		}
	}
}
