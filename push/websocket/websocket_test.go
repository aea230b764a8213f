package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/pushtest"
	"github.com/mitome-ciba/mitome/push/websocket"
)

func TestSender(t *testing.T) {
	var n *node
	pushtest.Run(t, pushtest.Case{
		NoHTTP: true,
		Sender: func(t *testing.T, _ pushtest.Service) push.Sender {
			n = start(t, &bus{}, nil)
			return websocket.Sender{Hub: n.hub}
		},
		Address: func(pushtest.Service) push.Address { return address(pushtest.Secret) },
		Bad:     map[string]push.Address{"blank": address("a b")},
		Listen: func(t *testing.T, a push.Address, got func(push.Kind, string)) {
			n.client.Devices = []string{string(a.Target)}
			p := n.connect(manner{mute: true})
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					select {
					case f := <-p.frames:
						got(push.Kind(f.Type), f.Key)
						_ = p.conn.WriteJSON(map[string]string{"type": "ack", "id": f.ID})
					case <-p.ended:
						return
					}
				}
			}()
			t.Cleanup(func() { p.conn.Close(); <-done })
		},
	})
}

func address(device string) push.Address {
	return push.Address{ID: "a1", Channel: push.WebSocket, Target: push.Target(device)}
}

func show(key string) push.Message { return push.Message{Kind: push.Show, Key: key, TTL: time.Minute} }

// TestOtherNode: the socket is on one node and the job runs on another.
func TestOtherNode(t *testing.T) {
	b := &bus{}
	here, there := start(t, b, nil), start(t, b, nil)
	p := there.connect(manner{})
	if err := (websocket.Sender{Hub: here.hub}).Send(t.Context(), address("d1"), show("r1")); err != nil {
		t.Fatal(err)
	}
	if f := <-p.frames; f.Type != "show" || f.Key != "r1" || f.ID == "" {
		t.Errorf("got %+v", f)
	}
}

// TestSeveralSockets: each socket of a device shows it, those of others do not.
func TestSeveralSockets(t *testing.T) {
	n := start(t, &bus{}, nil)
	one, two := n.connect(manner{}), n.connect(manner{})
	n.client = websocket.Client{Session: "s2", Devices: []string{"d2"}, Until: n.client.Until}
	stranger := n.connect(manner{})
	if err := (websocket.Sender{Hub: n.hub}).Send(t.Context(), address("d1"), show("r1")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*peer{one, two} {
		if f := <-p.frames; f.Key != "r1" {
			t.Errorf("got %+v", f)
		}
	}
	if len(stranger.frames) != 0 {
		t.Error("another's device heard of it")
	}
}

// TestOrder: a clear never overtakes the show before it, however fast they come.
func TestOrder(t *testing.T) {
	b := &bus{}
	p := start(t, b, nil).connect(manner{mute: true})
	const n = 500
	for i := range n { // as another node would, which does not wait in between
		b.Publish("websocket.frame", fmt.Sprintf(`{"type":"show","id":"f%d","key":"%d","device":"d1"}`, i, i))
	}
	for i := range n {
		if f := <-p.frames; f.Key != strconv.Itoa(i) {
			t.Fatalf("got %s, want %d", f.Key, i)
		}
	}
}

func TestAbsent(t *testing.T) {
	tests := []struct {
		name    string
		alone   bool
		peer    *manner
		timeout time.Duration
		took    time.Duration
	}{
		{"alone and no socket: at once", true, nil, time.Minute, 0},
		{"other nodes might hold it", false, nil, time.Minute, 2 * time.Second},
		{"less time than patience", false, nil, time.Second, time.Second},
		{"never acknowledges", true, &manner{mute: true}, time.Minute, 2 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, &bus{}, func(h *websocket.Hub) { h.Alone = tt.alone })
				if tt.peer != nil {
					n.connect(*tt.peer)
				}
				ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
				defer cancel()
				began := time.Now()
				err := websocket.Sender{Hub: n.hub}.Send(ctx, address("d1"), show("r1"))
				if took := time.Since(began); !errors.Is(err, push.ErrAbsent) || took != tt.took {
					t.Errorf("got %v after %v, want ErrAbsent after %v", err, took, tt.took)
				}
			})
		})
	}
}

// TestStopped: a message for a hub that is not running is for later.
func TestStopped(t *testing.T) {
	n := start(t, &bus{}, nil)
	n.stop()
	if err := (websocket.Sender{Hub: n.hub}).Send(t.Context(), address("d1"), show("r1")); !errors.Is(err, push.ErrLater) {
		t.Errorf("got %v, want ErrLater", err)
	}
}

// TestForgedAck: a client can acknowledge what it was sent, once, and make the
// bus carry nothing else.
func TestForgedAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bus{}
		here, there := start(t, b, nil), start(t, b, nil)
		honest := there.connect(manner{mute: true})
		there.client = websocket.Client{Session: "s2", Devices: []string{"d2"}, Until: there.client.Until}
		forger := there.connect(manner{mute: true})
		ended := make(chan error, 1)
		go func() {
			ended <- websocket.Sender{Hub: here.hub}.Send(t.Context(), address("d1"), show("r1"))
		}()
		f := <-honest.frames
		for _, id := range []string{f.ID, "", "made up"} {
			_ = forger.conn.WriteJSON(map[string]string{"type": "ack", "id": id})
		}
		if err := <-ended; !errors.Is(err, push.ErrAbsent) {
			t.Errorf("got %v, want ErrAbsent: only another's client acknowledged", err)
		}
		_ = honest.conn.WriteJSON(map[string]string{"type": "ack", "id": f.ID})
		_ = honest.conn.WriteJSON(map[string]string{"type": "ack", "id": f.ID})
		synctest.Wait()
		if n := b.count("websocket.ack"); n != 1 {
			t.Errorf("the bus carried %d acknowledgements, want 1", n)
		}
	})
}

func TestHandshake(t *testing.T) {
	tests := []struct {
		name      string
		header    http.Header
		protocols []string
		ok        bool
	}{
		{"app", nil, []string{websocket.Protocol}, true},
		{"our page", http.Header{"Origin": {"https://mitome.test"}}, []string{"x", websocket.Protocol}, true},
		{"another page", http.Header{"Origin": {"https://evil.test"}}, []string{websocket.Protocol}, false},
		{"opaque page", http.Header{"Origin": {"null"}}, []string{websocket.Protocol}, false},
		{"another scheme", http.Header{"Origin": {"http://mitome.test"}}, []string{websocket.Protocol}, false},
		{"no protocol", nil, nil, false},
		{"other protocol", nil, []string{"mitome.v2"}, false},
	}
	n := start(t, &bus{}, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := n.dial(tt.header, tt.protocols...)
			if refused := <-n.errs; (refused == nil) != tt.ok || !tt.ok && !errors.Is(refused, websocket.ErrUpgrade) {
				t.Errorf("Accept: %v, want ok %v", refused, tt.ok)
			}
			if (err == nil) != tt.ok {
				t.Fatalf("dial: %v, want ok %v", err, tt.ok)
			}
			if err == nil {
				if conn.Subprotocol() != websocket.Protocol {
					t.Errorf("sub-protocol %q", conn.Subprotocol())
				}
				conn.Close()
			}
		})
	}
	eventually(t, func() bool { return n.hub.Count() == 0 })
}

// TestBadFrames: what a client may not send ends its connection, and only that.
func TestBadFrames(t *testing.T) {
	tests := []struct {
		name string
		kind int
		body []string
		code int
	}{
		{"not json", gorilla.TextMessage, []string{"ack"}, gorilla.ClosePolicyViolation},
		{"other type", gorilla.TextMessage, []string{`{"type":"show","id":"x","key":"r1"}`}, gorilla.ClosePolicyViolation},
		{"mistyped", gorilla.TextMessage, []string{`{"type":"ack","id":7}`}, gorilla.ClosePolicyViolation},
		{"binary", gorilla.BinaryMessage, []string{`{"type":"ack","id":"x"}`}, gorilla.CloseUnsupportedData},
		{"oversize", gorilla.TextMessage, []string{`{"type":"ack","id":"` + long(600) + `"}`}, gorilla.CloseMessageTooBig},
		{"flood", gorilla.TextMessage, make([]string, 200), gorilla.ClosePolicyViolation},
		{"flood of pings", gorilla.PingMessage, make([]string, 200), gorilla.ClosePolicyViolation},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := start(t, &bus{}, nil)
			good, bad := n.connect(manner{}), n.connect(manner{})
			for _, body := range tt.body {
				if body == "" {
					body = `{"type":"ack","id":"x"}`
				}
				if bad.conn.WriteMessage(tt.kind, []byte(body)) != nil {
					break
				}
			}
			bad.wantClosed(t, tt.code)
			eventually(t, func() bool { return n.hub.Count() == 1 })
			good.wantOpen(t)
		})
	}
}
