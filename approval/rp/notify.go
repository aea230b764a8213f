package rp

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	tokenBytes = 32       // of a client_notification_token; CIBA asks for 16 at least
	maxNote    = 64 << 10 // bytes of a notification
	// ackTime is how long a request may take to be taken by the OP, and so how
	// long a notification token lives that no request is known for.
	ackTime = 2 * time.Minute
)

// Notifications is the endpoint at which an OP pings a client, or pushes tokens
// to it. Serve it at the URL that is registered with the OP as
// backchannel_client_notification_endpoint. Several clients may share one. The
// zero value is ready.
//
// Each request has a bearer token of its own, 256 random bits that only the OP
// was told. A notification without the token of a request that is still waited
// for is answered 401 and forgotten; so is a second push for the same request.
// Everything else that is sound is answered 204 at once, before it is looked at:
// what is in it is the waiting client's to judge.
//
// The tokens are kept in memory. Where the client runs more than once, the OP's
// call must reach the process that made the request.
type Notifications struct {
	// Observe, if set, is shown each notification and its answer, secrets cut.
	Observe func(Message)

	mu    sync.Mutex
	boxes map[[sha256.Size]byte]*mailbox
}

// mailbox is where one request's notifications arrive.
type mailbox struct {
	token     string
	mode      Mode
	authReqID string    // empty until the OP has told it
	until     time.Time // when nobody looks into it any more
	spent     bool      // pushed already
	notes     chan note
}

// note is a notification's body, whichever it is.
type note struct {
	tokenBody
	AuthReqID        string `json:"auth_req_id"`
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
}

func (b *mailbox) bearer() string {
	if b == nil {
		return ""
	}
	return b.token
}

// arrivals is where notifications come in; nothing ever does without a mailbox.
func (b *mailbox) arrivals() <-chan note {
	if b == nil {
		return nil
	}
	return b.notes
}

// open makes the mailbox of a new request. It stands before the request is sent,
// because an OP may be quicker with its ping than with its answer.
func (n *Notifications) open(mode Mode) *mailbox {
	if n == nil || mode == Poll {
		return nil
	}
	raw := make([]byte, tokenBytes)
	_, _ = rand.Read(raw) // never fails
	b := &mailbox{
		token: base64.RawURLEncoding.EncodeToString(raw), mode: mode,
		until: time.Now().Add(ackTime), notes: make(chan note, 1),
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.boxes == nil {
		n.boxes = map[[sha256.Size]byte]*mailbox{}
	}
	for key, old := range n.boxes { // those that nobody waited for to the end
		if time.Now().After(old.until) {
			delete(n.boxes, key)
		}
	}
	n.boxes[sha256.Sum256([]byte(b.token))] = b
	return b
}

// expect tells the mailbox which request it is for.
func (n *Notifications) expect(b *mailbox, authReqID string, expires time.Time) {
	if b == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	b.authReqID, b.until = authReqID, expires.Add(pushGrace)
}

// close ends a mailbox: its token is worth nothing from here on.
func (n *Notifications) close(b *mailbox) {
	if b == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.boxes, sha256.Sum256([]byte(b.token)))
}

// ServeHTTP implements http.Handler.
func (n *Notifications) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, body := n.take(w, r)
	n.show(r, Message{Method: r.Method, Header: cutHeader(r.Header), Body: cutJSON(body)})
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	n.show(r, Message{Answer: true, Status: status, Header: cutHeader(w.Header())})
}

// take reads a notification and puts it where it is waited for. The token is
// looked at before the body, so that a stranger cannot make us read.
func (n *Notifications) take(w http.ResponseWriter, r *http.Request) (status int, body []byte) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, nil
	}
	box := n.find(r.Header.Get("Authorization"))
	if box == nil {
		return http.StatusUnauthorized, nil
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return http.StatusUnsupportedMediaType, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxNote))
	if err != nil {
		return http.StatusRequestEntityTooLarge, nil
	}
	var got note
	if err := json.Unmarshal(body, &got); err != nil {
		return http.StatusBadRequest, body
	}
	return n.put(box, got), body
}

// find returns the mailbox whose token the OP brought. It is found by the hash
// of the token, which says nothing about the token to whoever measures the
// lookup, and the token itself is compared in constant time.
func (n *Notifications) find(authorization string) *mailbox {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.boxes[sha256.Sum256([]byte(token))]
	if b == nil || subtle.ConstantTimeCompare([]byte(b.token), []byte(token)) != 1 || time.Now().After(b.until) {
		return nil
	}
	return b
}

// put hands a notification to the one who waits. A ping that repeats one not yet
// heard is no news; a push is taken once.
func (n *Notifications) put(b *mailbox, got note) (status int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case got.AuthReqID == "", b.authReqID != "" && got.AuthReqID != b.authReqID:
		return http.StatusBadRequest
	case b.mode == Push && b.spent:
		return http.StatusUnauthorized
	case b.mode == Push && got.Error == "" && (got.AccessToken == "" || got.IDToken == ""):
		return http.StatusBadRequest
	}
	b.spent = true
	select {
	case b.notes <- got:
	default:
	}
	return http.StatusNoContent
}

func (n *Notifications) show(r *http.Request, m Message) {
	if n.Observe != nil {
		scheme := "https://"
		if r.TLS == nil && local(hostname(r.Host)) {
			scheme = "http://" // otherwise a proxy has taken TLS off
		}
		m.At, m.Kind, m.URL = time.Now(), Notification, scheme+r.Host+r.URL.Path
		n.Observe(m)
	}
}
