package websocket

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// firstBytes is what an idle socket reads into: an acknowledgement whole.
const firstBytes = 64

// wait waits for the client to say something. It is all that an idle socket runs,
// and calls next to nothing, so that it keeps the 2 KB of stack with which it was
// begun: a stack that has grown once never shrinks back so far. What follows from
// what was said is therefore another goroutine's work, after which this one is
// begun anew.
func (s *socket) wait() {
	n, err := s.conn.NetConn().Read(s.first[:])
	if n == 0 && err != nil {
		s.end()
		return
	}
	go s.listen(n)
}

// listen hears the n bytes that were read, and goes on until there is a pause.
func (s *socket) listen(n int) {
	src, _ := sources.Get().(*bufio.Reader)
	src.Reset(io.MultiReader(bytes.NewReader(s.first[:n]), s.conn.NetConn()))
	err := s.hearAll(src)
	src.Reset(nil)
	sources.Put(src)
	if err == nil {
		go s.wait()
		return
	}
	var why *websocket.CloseError
	if errors.As(err, &why) {
		s.close(why.Code, why.Text)
	}
	s.end()
}

// sources are the buffers of those who listen.
var sources = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, bufferBytes) }}

// end forgets the socket, once it is over however it came to that.
func (s *socket) end() {
	_ = s.conn.Close()
	s.hub.unregister(s)
	s.hub.observe(Closed)
	s.hub.readers.Done()
}

// hearAll hears frames until no byte of another one is there, and no message is
// in pieces.
func (s *socket) hearAll(src *bufio.Reader) error {
	var message []byte
	open := false
	for {
		f, err := readFrame(src)
		if err == nil {
			err = s.count()
		}
		if err != nil {
			return err
		}
		switch f.opcode {
		case websocket.PongMessage:
		case websocket.PingMessage:
			err = s.conn.WriteControl(websocket.PongMessage, f.payload, time.Now().Add(pingTime))
		case websocket.CloseMessage:
			return f.closing()
		default:
			if (f.opcode == continuation) != open {
				return refusal(closeProtocol, "a message within a message")
			}
			message, open = append(message, f.payload...), !f.final
			switch {
			case f.opcode == websocket.BinaryMessage:
				return refusal(closeData, "text only")
			case len(message) > maxFrameBytes:
				return refusal(closeTooBig, "too long")
			case f.final:
				err, message = s.acknowledged(message), nil
			}
		}
		if err != nil || !open && src.Buffered() == 0 {
			return err
		}
	}
}

// acknowledged takes the one message that a client may send.
func (s *socket) acknowledged(message []byte) error {
	var f frame
	if json.Unmarshal(message, &f) != nil || f.Type != "ack" {
		return refusal(closePolicy, "not a frame of this protocol")
	}
	if s.takeAck(f.ID) {
		s.hub.acked(f.ID)
	}
	return nil
}

// count notes a sign of life, and refuses a client that gives too many.
func (s *socket) count() error {
	now := time.Now()
	s.seen.Store(now.UnixNano())
	if now.Sub(s.minute) >= time.Minute {
		s.minute, s.heard = now, 0
	}
	if s.heard++; s.heard > maxPerMin {
		return refusal(closePolicy, "too many frames")
	}
	return nil
}

func refusal(code int, text string) error { return &websocket.CloseError{Code: code, Text: text} }

// wireFrame is a frame of RFC 6455 §5.2, as a client sends it.
type wireFrame struct {
	final   bool
	opcode  int
	payload []byte
}

// continuation is the opcode of a message's further frames.
const continuation = 0

// closing is how the peer's farewell is answered: with its own status (§5.5.1).
func (f wireFrame) closing() error {
	if len(f.payload) < 2 {
		return refusal(websocket.CloseNormalClosure, "")
	}
	code := int(binary.BigEndian.Uint16(f.payload))
	if code < websocket.CloseNormalClosure || code > 4999 || code >= 1004 && code <= 1006 || code == websocket.CloseTLSHandshake {
		code = closeProtocol // those that nobody may send (§7.4)
	}
	return refusal(code, "")
}

// readFrame reads one frame, and no more of it than a client of ours may send.
func readFrame(src *bufio.Reader) (f wireFrame, err error) {
	var head [2]byte
	if _, err := io.ReadFull(src, head[:]); err != nil {
		return f, err
	}
	const fin, reserved, masked = 0x80, 0x70, 0x80
	f.final, f.opcode = head[0]&fin != 0, int(head[0]&0x0f)
	length := int(head[1] &^ masked)
	control := f.opcode >= websocket.CloseMessage
	switch {
	case head[0]&reserved != 0 || head[1]&masked == 0:
		return f, refusal(closeProtocol, "not a frame of a client")
	case f.opcode > websocket.BinaryMessage && !control || f.opcode > websocket.PongMessage:
		return f, refusal(closeProtocol, "unknown opcode")
	case control && (!f.final || length > maxControl):
		return f, refusal(closeProtocol, "control frame is long or in pieces")
	case length == 127:
		return f, refusal(closeTooBig, "too long")
	case length == 126:
		if _, err := io.ReadFull(src, head[:]); err != nil {
			return f, err
		}
		if length = int(binary.BigEndian.Uint16(head[:])); length > maxFrameBytes {
			return f, refusal(closeTooBig, "too long")
		}
	}
	var mask [4]byte
	if _, err := io.ReadFull(src, mask[:]); err != nil {
		return f, err
	}
	f.payload = make([]byte, length)
	_, err = io.ReadFull(src, f.payload)
	for i := range f.payload {
		f.payload[i] ^= mask[i%4]
	}
	return f, err
}
