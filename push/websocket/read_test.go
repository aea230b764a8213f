package websocket_test

import (
	"bytes"
	"net"
	"slices"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/mitome-ciba/mitome/push/websocket"
)

// wire is a frame of a client: the first byte, and the payload under the mask.
func wire(first byte, payload string) []byte {
	mask := [4]byte{1, 2, 3, 4}
	out := []byte{first, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		out = []byte{first, 0x80 | 126, byte(len(payload) >> 8), byte(len(payload))}
	}
	out = append(out, mask[:]...)
	for i := range len(payload) {
		out = append(out, payload[i]^mask[i%4])
	}
	return out
}

// First bytes: a final frame is 0x80 and its opcode.
const (
	text, binary, closing, ping, pong = 0x81, 0x82, 0x88, 0x89, 0x8a
	begun, further, last              = 0x01, 0x00, 0x80 // of a message in pieces
)

const ackOfNothing = `{"type":"ack","id":"x"}`

// TestFramesOfAPeer: what RFC 6455 lets a client send is heard, however it is cut
// into packets, and what it does not ends the connection with the status it names.
func TestFramesOfAPeer(t *testing.T) {
	whole := wire(text, ackOfNothing)
	tests := []struct {
		name string
		sent []byte
		code int // 0: it goes on
	}{
		{"acknowledgement", whole, 0},
		{"two in one packet", append(slices.Clone(whole), whole...), 0},
		{"in pieces", slices.Concat(wire(begun, ackOfNothing[:5]), wire(further, ackOfNothing[5:9]), wire(last, ackOfNothing[9:])), 0},
		{"a pong between the pieces", slices.Concat(wire(begun, ackOfNothing[:5]), wire(pong, "p"), wire(last, ackOfNothing[5:])), 0},
		{"long", wire(text, `{"type":"ack","id":"`+long(400)+`"}`), 0},
		{"pong", wire(pong, ""), 0},
		{"not masked", []byte{text, 2, '{', '}'}, gorilla.CloseProtocolError},
		{"reserved bit", wire(text|0x40, ackOfNothing), gorilla.CloseProtocolError},
		{"unknown opcode", wire(0x83, ""), gorilla.CloseProtocolError},
		{"unknown control opcode", wire(0x8b, ""), gorilla.CloseProtocolError},
		{"ping in pieces", wire(0x09, ""), gorilla.CloseProtocolError},
		{"long ping", wire(ping, long(126)), gorilla.CloseProtocolError},
		{"continues nothing", wire(last, ackOfNothing), gorilla.CloseProtocolError},
		{"a message within a message", slices.Concat(wire(begun, ackOfNothing[:5]), whole), gorilla.CloseProtocolError},
		{"too long in pieces", slices.Concat(wire(begun, long(500)), wire(last, long(500))), gorilla.CloseMessageTooBig},
		{"claims 64 bits of length", []byte{text, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 1}, gorilla.CloseMessageTooBig},
		{"too long", wire(text, long(513)), gorilla.CloseMessageTooBig},
		{"binary", wire(binary, ackOfNothing), gorilla.CloseUnsupportedData},
		{"farewell", wire(closing, "\x03\xe9"), gorilla.CloseGoingAway},
		{"farewell without a status", wire(closing, ""), gorilla.CloseNormalClosure},
		{"farewell with a status that nobody may send", wire(closing, "\x03\xee"), gorilla.CloseProtocolError},
	}
	for _, packet := range []int{1, 1 << 10} {
		n := start(t, &bus{}, func(h *websocket.Hub) { h.Alone = true })
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				p := n.connect(manner{})
				raw := p.conn.NetConn()
				for rest := range slices.Chunk(tt.sent, packet) {
					if _, err := raw.Write(rest); err != nil {
						break // it was refused before its end
					}
				}
				if tt.code != 0 {
					p.wantClosed(t, tt.code)
				} else if err := (websocket.Sender{Hub: n.hub}).Send(t.Context(), address("d1"), show("r1")); err != nil {
					t.Errorf("it hears nothing more: %v", err)
				}
				p.conn.Close()
				eventually(t, func() bool { return n.hub.Count() == 0 })
			})
		}
	}
}

// TestPingOfAPeer: a client's ping is answered with what it says.
func TestPingOfAPeer(t *testing.T) {
	n := start(t, &bus{}, nil)
	conn, err := n.dial(nil, websocket.Protocol)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.NetConn().Write(wire(ping, "hello")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 7)
	if err := readFull(conn.NetConn(), answer); err != nil || !bytes.Equal(answer, []byte("\x8a\x05hello")) {
		t.Errorf("got %q, %v", answer, err)
	}
}

func readFull(c net.Conn, into []byte) error {
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	for got := 0; got < len(into); {
		n, err := c.Read(into[got:])
		if err != nil {
			return err
		}
		got += n
	}
	return nil
}

// TestManyAcks: acknowledgements that come all at once are all heard, and in
// between the socket still hears.
func TestManyAcks(t *testing.T) {
	b := &bus{}
	here, there := start(t, b, nil), start(t, b, nil)
	p := there.connect(manner{mute: true})
	sent := make(chan error, 5)
	for range cap(sent) {
		go func() { sent <- websocket.Sender{Hub: here.hub}.Send(t.Context(), address("d1"), show("r1")) }()
	}
	var acks []byte
	for range cap(sent) {
		f := <-p.frames
		acks = append(acks, wire(text, `{"type":"ack","id":"`+f.ID+`"}`)...)
	}
	if _, err := p.conn.NetConn().Write(acks); err != nil {
		t.Fatal(err)
	}
	for range cap(sent) {
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
}
