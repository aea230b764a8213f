// Package webpushtest is a push service for tests, and the browsers that are
// subscribed at it: it checks each message as the strictest of the known
// services does, and reads it as the browser would.
package webpushtest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/ece/ecetest"
)

// Service is a push service at a loopback address, by plain HTTP.
type Service struct {
	URL string

	t      testing.TB
	mu     sync.Mutex
	subs   map[string]*Subscription // by path
	pushes []Push
	raw    bytes.Buffer
	answer func(http.ResponseWriter, *http.Request) bool
}

// Subscription is one browser at the service.
type Subscription struct {
	Endpoint string
	Device   ecetest.Device
	public   string // the only key that may send to it; empty: any
}

// Address is the subscription as Mitome keeps it.
func (s *Subscription) Address() push.Address {
	return push.Address{
		ID: push.AddressID(rand.Text()), Channel: push.WebPush, Target: push.Target(s.Endpoint), Key: s.Device.Key(),
	}
}

// Push is one message that the service took.
type Push struct {
	Endpoint  string
	Plaintext []byte // as the browser reads it; nil: the message had no body
	Body      []byte // as it came
	TTL       time.Duration
	Urgency   string
	Topic     string
	Token     Token
}

// New starts a service that lives as long as the test. A message that no service
// would take, or that its browser cannot read, fails the test.
func New(t testing.TB) *Service {
	t.Helper()
	s := &Service{t: t, subs: map[string]*Subscription{}}
	srv := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	return s
}

// Subscribe is PushManager.subscribe: public is the applicationServerKey, and
// from then on nobody else may send. An empty one lets anybody.
func (s *Service) Subscribe(public string) *Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := "/wpush/" + rand.Text()
	sub := &Subscription{Endpoint: s.URL + path, Device: ecetest.New(), public: public}
	s.subs[path] = sub
	return sub
}

// Unsubscribe ends a subscription: what is sent there is answered with 410.
func (s *Service) Unsubscribe(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subs, strings.TrimPrefix(sub.Endpoint, s.URL))
}

// Answer has f answer in the service's place wherever it returns true. Nil: the
// service answers by itself again.
func (s *Service) Answer(f func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// Pushes are the messages that were taken so far.
func (s *Service) Pushes() []Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.pushes)
}

// Seen is every byte that reached the service: paths, headers and bodies, those
// of refused messages too.
func (s *Service) Seen() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.raw.Bytes())
}

const maxBody = 4096

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // whoever sent it has hung up
	}
	if answer := s.record(r, body); answer != nil && answer(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, ok := s.subs[r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusGone)
		return
	}
	token, err := Verify(r, s.URL, time.Now())
	switch {
	case err != nil:
		s.refuse(w, http.StatusUnauthorized, err)
		return
	case sub.public != "" && sub.public != token.Public:
		w.WriteHeader(http.StatusForbidden)
		return
	}
	p, code, err := read(r, body, sub)
	if err != nil {
		s.refuse(w, code, err)
		return
	}
	p.Token = token
	s.pushes = append(s.pushes, p)
	w.Header().Set("Location", s.URL+"/message/"+rand.Text())
	w.WriteHeader(http.StatusCreated)
}

// record writes down what came, and returns who answers it, if not the service.
func (s *Service) record(r *http.Request, body []byte) func(http.ResponseWriter, *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.raw, "%s %s\r\nHost: %s\r\n", r.Method, r.URL, r.Host)
	if err := r.Header.Write(&s.raw); err != nil {
		s.t.Error(err)
	}
	s.raw.Write(append(body, '\n'))
	return s.answer
}

// refuse answers what must never be sent, and fails the test.
func (s *Service) refuse(w http.ResponseWriter, code int, err error) {
	s.t.Errorf("push service: %v", err)
	w.WriteHeader(code)
}

var (
	urgencies  = []string{"very-low", "low", "normal", "high"}
	topicShape = regexp.MustCompile(`^[A-Za-z0-9_-]{0,32}$`)
)

// read checks a message and opens it; the code is what a service answers.
func read(r *http.Request, body []byte, sub *Subscription) (Push, int, error) {
	p := Push{Endpoint: sub.Endpoint, Body: body, Urgency: r.Header.Get("Urgency"), Topic: r.Header.Get("Topic")}
	ttl, err := strconv.ParseUint(r.Header.Get("TTL"), 10, 31)
	switch {
	case r.Method != http.MethodPost:
		return p, http.StatusMethodNotAllowed, errors.New("not a POST")
	case err != nil:
		return p, http.StatusBadRequest, fmt.Errorf("TTL: %w", err)
	case p.Urgency != "" && !slices.Contains(urgencies, p.Urgency):
		return p, http.StatusBadRequest, fmt.Errorf("urgency %q", p.Urgency)
	case !topicShape.MatchString(p.Topic):
		return p, http.StatusBadRequest, fmt.Errorf("topic %q", p.Topic)
	case len(body) > maxBody:
		return p, http.StatusRequestEntityTooLarge, fmt.Errorf("%d bytes", len(body))
	}
	p.TTL = time.Duration(ttl) * time.Second
	encoding := r.Header.Get("Content-Encoding")
	switch {
	case len(body) == 0 && encoding == "":
		return p, 0, nil
	case encoding != "aes128gcm":
		return p, http.StatusBadRequest, fmt.Errorf("%d bytes in encoding %q", len(body), encoding)
	}
	if p.Plaintext, err = sub.Device.Open(body); err != nil {
		return p, http.StatusBadRequest, fmt.Errorf("the browser cannot read it: %w", err)
	}
	return p, 0, nil
}
