package pushtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/pushtest"
)

// post is the plainest sender that there could be: it shows that the suite can
// be met, and what a sender must think of to meet it.
type post struct{ client *http.Client }

const postLimit = 64

type postBody struct {
	Kind push.Kind `json:"kind"`
	Key  string    `json:"key"`
	TTL  int       `json:"ttl"`
	Body []byte    `json:"body"`
}

func (post) Channel() push.Channel { return "post" }

func (s post) Check(a push.Address) error {
	u, err := url.Parse(string(a.Target))
	if a.Channel != "post" || err != nil || u.Host == "" || len(a.Target) > 1024 {
		return errors.New("post: not an address")
	}
	return nil
}

func (s post) Send(ctx context.Context, a push.Address, m push.Message) error {
	if err := s.Check(a); err != nil {
		return fmt.Errorf("%w: %w", push.ErrGone, err)
	}
	if len(m.Sealed) > postLimit {
		return push.ErrUnfit
	}
	body, err := json.Marshal(postBody{m.Kind, m.Key, int(m.TTL.Seconds()), m.Sealed})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, m.TTL)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", string(a.Target), bytes.NewReader(body))
	if err != nil {
		return push.ErrGone
	}
	resp, err := s.client.Do(req)
	if err != nil {
		var withURL *url.Error // which names the target
		if errors.As(err, &withURL) {
			err = withURL.Err
		}
		return push.Later(0, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode < 300:
		return nil
	case resp.StatusCode == 404 || resp.StatusCode == 410:
		return push.ErrGone
	case resp.StatusCode < 400, resp.StatusCode == 401:
		return push.ErrBroken
	}
	return push.Later(push.ParseRetryAfter(resp.Header, time.Now()), nil)
}

func answer(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if len(header) == 2 {
			w.Header().Set(header[0], header[1])
		}
		w.WriteHeader(status)
	}
}

func TestSuite(t *testing.T) {
	for name, http2 := range map[string]bool{"http1": false, "http2": true} {
		t.Run(name, func(t *testing.T) {
			pushtest.Run(t, pushtest.Case{
				Sender: func(_ *testing.T, s pushtest.Service) push.Sender { return post{s.Client} },
				Address: func(s pushtest.Service) push.Address {
					return push.Address{Channel: "post", Target: push.Target(s.URL + "/to/" + pushtest.Secret)}
				},
				Bad: map[string]push.Address{"no host": {Channel: "post", Target: pushtest.Secret}},
				HTTP: pushtest.HTTP{
					HTTP2: http2, Path: "/to/", Other: http.NotFoundHandler(), Sent: sent, Limit: postLimit,
					Taken:   answer(201),
					Gone:    map[string]http.HandlerFunc{"404": answer(404), "410": answer(410)},
					Later:   map[string]http.HandlerFunc{"429": answer(429, "Retry-After", "7"), "503": answer(503)},
					Broken:  map[string]http.HandlerFunc{"401": answer(401)},
					Private: push.Address{Channel: "post", Target: "http://169.254.169.254/" + pushtest.Secret},
				},
			})
		})
	}
}

func sent(t *testing.T, r *http.Request, body []byte, m push.Message) {
	var got postBody
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Kind != m.Kind || got.Key != m.Key || got.TTL != 90 || !bytes.Equal(got.Body, m.Sealed) {
		t.Errorf("got %+v", got)
	}
	if !strings.HasPrefix(r.URL.Path, "/to/") {
		t.Errorf("path %s", r.URL.Path)
	}
}
