// Package fcm is the push channel of Android apps: a sender over Firebase Cloud
// Messaging's HTTP v1 API.
//
// A message is data only, so that the app itself builds the notification and
// Google, which carries it, reads no word of it:
//
//	{"m": base64url(sealed)}                         to a device with a key
//	{"t": kind, "k": key, "g": title's catalogue key}  to one without
//
// # Why
//
// The SDK repeats a call up to four times, over more minutes than a request
// lives, and sleeps in between. Its transport here lets one attempt through and
// ends the SDK's context with it, so that the outbox owns every retry; what the
// service said is read from the attempt itself.
//
// There is no collapse key. Google lets a device have twenty collapsible messages,
// then one in three minutes, and keeps at most four keys a device; the app drops
// repeats by the key inside instead. Clear does not have high priority, because
// an app whose urgent messages show nothing loses the right to send urgent ones.
package fcm

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	firebase "firebase.google.com/go/v4"
	"firebase.google.com/go/v4/messaging"
	"google.golang.org/api/option"

	"github.com/mitome-ciba/mitome/push"
)

const (
	maxData  = 4096 // bytes of a message's data, names included
	maxToken = 4096
)

// Google is where the messages of all projects go.
const Google = "https://fcm.googleapis.com/v1"

// Options is what Open needs.
type Options struct {
	Credentials []byte       // a service account's key file, as Firebase's console makes it
	Client      *http.Client // guarded; reaches Google, for tokens too
	Endpoint    string       // instead of Google
	Now         func() time.Time
}

// Sender is push.Sender for one Firebase project.
type Sender struct {
	client *messaging.Client
	tokens *tokens
	now    func() time.Time
}

// Open reads the credentials and calls nobody.
func Open(ctx context.Context, o Options) (*Sender, error) {
	account, err := readAccount(o.Credentials)
	if err != nil {
		return nil, err
	}
	if o.Endpoint == "" {
		o.Endpoint = Google
	}
	app, err := firebase.NewApp(ctx, &firebase.Config{ProjectID: account.Project},
		option.WithEndpoint(strings.TrimSuffix(o.Endpoint, "/")),
		option.WithHTTPClient(&http.Client{
			Transport: once{o.Client.Transport}, CheckRedirect: o.Client.CheckRedirect, Timeout: o.Client.Timeout,
		}))
	if err != nil {
		return nil, fmt.Errorf("fcm: open app: %w", err)
	}
	client, err := app.Messaging(ctx)
	if err != nil {
		return nil, fmt.Errorf("fcm: open messaging: %w", err)
	}
	return &Sender{client: client, tokens: newTokens(account, o.Client), now: o.Now}, nil
}

// Channel implements push.Sender.
func (*Sender) Channel() push.Channel { return push.FCM }

// Check implements push.Sender: the target is a registration token, of which
// Google promises no more than that it is a word.
func (*Sender) Check(a push.Address) error {
	t := string(a.Target)
	if a.Channel != push.FCM || t == "" || len(t) > maxToken ||
		strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("fcm: not a registration token")
	}
	return nil
}

// Send implements push.Sender.
func (s *Sender) Send(ctx context.Context, a push.Address, m push.Message) error {
	if err := s.Check(a); err != nil {
		return fmt.Errorf("%w: %w", push.ErrGone, err)
	}
	msg, err := message(a, m)
	if err != nil {
		return err
	}
	if m.TTL > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.TTL)
		defer cancel()
	}
	return s.attempt(ctx, msg, s.client.Send)
}

// Probe asks Google whether it takes our credentials, by a message that is
// checked and sent to nobody. An error says what [Sender.Send]'s would.
func (s *Sender) Probe(ctx context.Context) error {
	err := s.attempt(ctx, &messaging.Message{Token: "mitome"}, s.client.SendDryRun)
	if errors.Is(err, push.ErrGone) || errors.Is(err, push.ErrUnfit) {
		return nil // it read the message, and there is no such token
	}
	return err
}

// message is m in the words of the SDK.
func message(a push.Address, m push.Message) (*messaging.Message, error) {
	data := map[string]string{"m": base64.RawURLEncoding.EncodeToString(m.Sealed)}
	if len(m.Sealed) == 0 {
		data = map[string]string{"t": string(m.Kind), "k": m.Key}
		if m.Generic != "" {
			data["g"] = m.Generic
		}
	}
	size := 0
	for name, value := range data {
		size += len(name) + len(value)
	}
	if size > maxData {
		return nil, fmt.Errorf("%w: %d bytes of data", push.ErrUnfit, size)
	}
	ttl, priority := m.TTL.Truncate(time.Second), "high"
	if m.Kind == push.Clear {
		priority = "normal"
	}
	return &messaging.Message{
		Token: string(a.Target), Data: data, Android: &messaging.AndroidConfig{Priority: priority, TTL: &ttl},
	}, nil
}
