// Package apns is the push channel of iOS and watchOS apps: a sender over the
// Apple Push Notification service.
//
// A target is "production:" or "sandbox:" and the device's token in hex, because
// a token is good in one of Apple's two worlds only. What is shown is an alert
// with a generic text of the app's own; its extension decrypts "m" and shows
// that instead. A Clear shows nothing: it wakes the app, which removes what it
// showed.
//
//	{"aps": {…}, "m": base64url(sealed)}          to a device with a key
//	{"aps": {…}, "t": kind, "k": key}             to one without
//
// # Why
//
// The library's client is switched between the two worlds by writing to it, which
// is a race that sends to the wrong one; so each world has a client of its own.
// The provider token is shared between them: Apple refuses whoever makes a new
// one more often than every twenty minutes (429 TooManyProviderTokenUpdates).
package apns

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/sideshow/apns2"
	"github.com/sideshow/apns2/payload"
	"github.com/sideshow/apns2/token"

	"github.com/mitome-ciba/mitome/push"
)

const (
	maxPayload = 4096
	// category names the actions of a request's notification: docs/push.md.
	category = "MITOME_REQUEST"
	// thread groups our notifications. It names no user, because Apple reads it.
	thread = "mitome"
)

// targetShape is a world and a token. Apple promises no length.
var targetShape = regexp.MustCompile(`^(production|sandbox):[0-9a-fA-F]{1,200}$`)

// idShape is a key's or a team's id.
var idShape = regexp.MustCompile(`^[0-9A-Z]{10}$`)

var topicShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,154}$`)

// Options is what Open needs: a key with its two ids, or a certificate.
type Options struct {
	Key           []byte // the .p8 file of an APNs key
	KeyID, TeamID string
	Certificate   *tls.Certificate // see [ReadCertificate]
	Topic         string           // the app's bundle id
	Client        *http.Client     // guarded; reaches Apple by HTTP/2
	// Endpoint is called in place of both of Apple's.
	Endpoint string
	Now      func() time.Time
}

// Sender is push.Sender for one app.
type Sender struct {
	worlds      map[string]*apns2.Client
	topic       string
	certificate *tls.Certificate // nil: a key
	now         func() time.Time
}

// Open reads the key and calls nobody.
func Open(o Options) (*Sender, error) {
	if !topicShape.MatchString(o.Topic) {
		return nil, errors.New("apns: topic must be the app's bundle id")
	}
	transport := o.Client.Transport
	var shared *token.Token
	var err error
	if o.Certificate != nil {
		transport, err = showing(transport, o.Certificate)
	} else {
		shared, err = provider(o)
	}
	if err != nil {
		return nil, err
	}
	s := &Sender{worlds: map[string]*apns2.Client{}, topic: o.Topic, certificate: o.Certificate, now: o.Now}
	for world, host := range map[string]string{"production": apns2.HostProduction, "sandbox": apns2.HostDevelopment} {
		if o.Endpoint != "" {
			host = strings.TrimSuffix(o.Endpoint, "/")
		}
		s.worlds[world] = &apns2.Client{Host: host, Token: shared, HTTPClient: &http.Client{
			Transport: once{transport}, CheckRedirect: o.Client.CheckRedirect, Timeout: o.Client.Timeout,
		}}
	}
	return s, nil
}

// provider is what makes provider tokens.
func provider(o Options) (*token.Token, error) {
	key, err := token.AuthKeyFromBytes(o.Key)
	switch {
	case err != nil || key.Params().BitSize != 256:
		return nil, errors.New("apns: the key file is not a .p8 key of Apple's")
	case !idShape.MatchString(o.KeyID):
		return nil, errors.New("apns: key_id must be ten of A-Z and 0-9")
	case !idShape.MatchString(o.TeamID):
		return nil, errors.New("apns: team_id must be ten of A-Z and 0-9")
	}
	return &token.Token{AuthKey: key, KeyID: o.KeyID, TeamID: o.TeamID}, nil
}

// Channel implements push.Sender.
func (*Sender) Channel() push.Channel { return push.APNs }

// Check implements push.Sender.
func (*Sender) Check(a push.Address) error {
	if a.Channel != push.APNs || !targetShape.MatchString(string(a.Target)) {
		return errors.New("apns: not production: or sandbox: and a token in hex")
	}
	return nil
}

// Send implements push.Sender.
func (s *Sender) Send(ctx context.Context, a push.Address, m push.Message) error {
	if err := s.Check(a); err != nil {
		return fmt.Errorf("%w: %w", push.ErrGone, err)
	}
	n, err := s.notification(m)
	if err != nil {
		return err
	}
	if m.TTL > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.TTL)
		defer cancel()
	}
	return s.attempt(ctx, a, n)
}

// Probe asks Apple whether it takes our credentials, by a message that shows
// nothing to a token that nobody has. An error says what [Sender.Send]'s would.
func (s *Sender) Probe(ctx context.Context) error {
	n, err := s.notification(push.Message{Kind: push.Clear, Key: "probe"})
	if err != nil {
		return err
	}
	nobody := push.Target("production:" + strings.Repeat("0", 64))
	err = s.attempt(ctx, push.Address{Channel: push.APNs, Target: nobody}, n)
	if errors.Is(err, push.ErrGone) {
		return nil // it came as far as looking for the device
	}
	return err
}

// notification is m in the words of the library. The collapse id hides the key,
// and is the same for a request's Show and its Clear.
func (s *Sender) notification(m push.Message) (*apns2.Notification, error) {
	hash := sha256.Sum256([]byte(m.Key))
	n := &apns2.Notification{
		Topic: s.topic, CollapseID: base64.RawURLEncoding.EncodeToString(hash[:])[:22],
		Expiration: s.now().Add(m.TTL), PushType: apns2.PushTypeAlert, Priority: apns2.PriorityHigh,
	}
	p := payload.NewPayload().MutableContent().ThreadID(thread).
		AlertTitleLocKey(generic(m)).Sound("default").InterruptionLevel(payload.InterruptionLevelTimeSensitive)
	switch m.Kind {
	case push.Show:
		p.AlertLocKey("push.look")
		if len(m.Sealed) > 0 {
			p.Category(category) // Deny needs what is sealed, and a request to answer
		}
	case push.Clear:
		n.PushType, n.Priority = apns2.PushTypeBackground, apns2.PriorityLow
		p = payload.NewPayload().ContentAvailable()
	}
	if len(m.Sealed) > 0 {
		p.Custom("m", base64.RawURLEncoding.EncodeToString(m.Sealed))
	} else {
		p.Custom("t", string(m.Kind)).Custom("k", m.Key)
	}
	body, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("%w: apns: %w", push.ErrUnfit, err)
	}
	if len(body) > maxPayload {
		return nil, fmt.Errorf("%w: apns: %d bytes", push.ErrUnfit, len(body))
	}
	n.Payload = body
	return n, nil
}

// generic is the catalogue key of a title that says nothing, for the app to look up.
func generic(m push.Message) string {
	if m.Generic != "" {
		return m.Generic
	}
	return "push.request"
}
