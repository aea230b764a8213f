package firefoxtest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/mitome-ciba/mitome/push/webpush/webpushtest"
)

// Decrypted is what Firefox answers to a message that it could read, and whose
// worker did not fail.
const Decrypted = 100

// Service is a push service for one Firefox: the line on which it listens, and
// the endpoints to which Mitome posts.
type Service struct {
	URL  string
	host string
	t    *testing.T

	mu   sync.Mutex
	line *websocket.Conn
	subs map[string]string // channel → the only key that may send to it
	acks []Ack
	raw  bytes.Buffer
}

// NewService starts one that lives as long as the test. What no service would
// take fails the test.
func NewService(t *testing.T) *Service {
	t.Helper()
	s := &Service{t: t, subs: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.listen)
	mux.HandleFunc("POST /wpush/{channel}", s.push)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	s.URL, s.host = srv.URL, strings.TrimPrefix(srv.URL, "http://")
	return s
}

// Ack is what Firefox said of a message.
type Ack struct {
	Channel string `json:"channelID"`
	Code    int    `json:"code"`
}

// Acks are those of all messages so far.
func (s *Service) Acks() []Ack {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.acks)
}

// Subscriptions are the channels that Firefox is subscribed to, and for each the
// key of who may send.
func (s *Service) Subscriptions() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.subs)
}

// Seen is every byte that Mitome has sent here.
func (s *Service) Seen() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.raw.Bytes())
}

// frame is a message on the line, of either side.
type frame struct {
	Type     string            `json:"messageType,omitempty"`
	UAID     string            `json:"uaid,omitempty"`
	Status   int               `json:"status,omitempty"`
	WebPush  bool              `json:"use_webpush,omitempty"`
	Channel  string            `json:"channelID,omitempty"`
	Key      string            `json:"key,omitempty"`
	Endpoint string            `json:"pushEndpoint,omitempty"`
	Version  string            `json:"version,omitempty"`
	Data     string            `json:"data,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	Updates  []Ack             `json:"updates,omitempty"`
}

// listen is the line to Firefox.
func (s *Service) listen(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{"push-notification"}, CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		var in frame
		if err := conn.ReadJSON(&in); err != nil {
			return // Firefox ends with the test
		}
		s.mu.Lock()
		if out, ok := s.answer(in, conn); ok {
			if err := conn.WriteJSON(out); err != nil {
				s.t.Logf("push service: %v", err)
			}
		}
		s.mu.Unlock()
	}
}

// answer is what the service says to a message; false: nothing.
func (s *Service) answer(in frame, conn *websocket.Conn) (frame, bool) {
	switch in.Type {
	case "": // a ping
		return frame{}, true
	case "hello":
		s.line = conn
		var id [16]byte
		rand.Read(id[:])
		return frame{Type: "hello", UAID: hex.EncodeToString(id[:]), Status: http.StatusOK, WebPush: true}, true
	case "register":
		s.subs[in.Channel] = strings.TrimRight(in.Key, "=")
		return frame{Type: "register", Channel: in.Channel, Status: http.StatusOK, Endpoint: s.URL + "/wpush/" + in.Channel}, true
	case "unregister":
		delete(s.subs, in.Channel)
		return frame{Type: "unregister", Channel: in.Channel, Status: http.StatusOK}, true
	case "ack", "nack":
		s.acks = append(s.acks, in.Updates...)
	}
	return frame{}, false
}

const maxBody = 4096

// push takes a message of Mitome's, and passes it on.
func (s *Service) push(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		s.refuse(w, http.StatusRequestEntityTooLarge, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.raw, "%s %s\n", r.Method, r.URL)
	r.Header.Write(&s.raw)
	s.raw.Write(body)
	channel := r.PathValue("channel")
	key, ok := s.subs[channel]
	if !ok {
		w.WriteHeader(http.StatusGone)
		return
	}
	token, err := webpushtest.Verify(r, s.URL, time.Now())
	switch {
	case err != nil:
		s.refuse(w, http.StatusUnauthorized, err)
		return
	case token.Public != key:
		s.refuse(w, http.StatusForbidden, fmt.Errorf("sent with key %s, subscribed with %s", token.Public, key))
		return
	case r.Header.Get("TTL") == "" || r.Header.Get("Content-Encoding") != "aes128gcm":
		s.refuse(w, http.StatusBadRequest, fmt.Errorf("headers %v", r.Header))
		return
	}
	if err := s.line.WriteJSON(frame{
		Type: "notification", Channel: channel, Version: rand.Text(), Data: base64.RawURLEncoding.EncodeToString(body),
		Headers: map[string]string{"encoding": "aes128gcm"},
	}); err != nil {
		s.refuse(w, http.StatusServiceUnavailable, err)
		return
	}
	w.Header().Set("Location", s.URL+"/message/"+rand.Text())
	w.WriteHeader(http.StatusCreated)
}

// refuse answers what must not have been sent, and fails the test.
func (s *Service) refuse(w http.ResponseWriter, status int, err error) {
	s.t.Errorf("push service: %v", err)
	w.WriteHeader(status)
}
