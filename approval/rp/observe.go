package rp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Kind is where a message passes.
type Kind string

// The three conversations of CIBA between a client and its OP.
const (
	Backchannel  Kind = "backchannel_authentication" // client → OP
	Token        Kind = "token"                      // client → OP
	Notification Kind = "notification"               // OP → client
)

// Message is one message of the protocol as it passed, without its secrets. It
// is there to be shown or logged, not to be acted on.
type Message struct {
	At     time.Time
	Kind   Kind
	Answer bool   // the answer to the message of the same kind before it
	Method string // of a request
	URL    string
	Status int // of an answer
	Header http.Header
	Body   string // a form one parameter a line, JSON indented
}

// show hands m to whoever observes.
func (c *Client) show(m Message) {
	if c.Observe != nil {
		m.At = time.Now()
		c.Observe(m)
	}
}

// cut stands where a secret stood.
const cut = "[secret]"

// secretNames are parameters and members whose value gives something away that
// is still of use to a stranger.
var secretNames = []string{
	"client_secret", "client_assertion", "client_notification_token", "user_code",
	"id_token_hint", "login_hint_token", "access_token", "refresh_token", "id_token",
}

// shownHeaders are those worth reading.
var shownHeaders = []string{"Authorization", "Content-Type", "Retry-After", "Www-Authenticate"}

func cutHeader(h http.Header) http.Header {
	out := http.Header{}
	for _, name := range shownHeaders {
		v := h.Get(name)
		if v == "" {
			continue
		}
		if name == "Authorization" {
			scheme, _, _ := strings.Cut(v, " ")
			v = scheme + " " + cut
		}
		out.Set(name, v)
	}
	return out
}

// cutForm writes a form one parameter a line, in a stable order.
func cutForm(form url.Values) string {
	var lines []string
	for name, values := range form {
		for _, v := range values {
			switch {
			case slices.Contains(secretNames, name):
				v = cut
			case name == "request":
				v = cutJWT(v)
			}
			lines = append(lines, name+"="+v)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// cutJWT shows what a signed request says instead of the JWT, which holds the
// secrets of the request.
func cutJWT(raw string) string {
	_, rest, _ := strings.Cut(raw, ".")
	payload, _, _ := strings.Cut(rest, ".")
	claims, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return cut
	}
	return "JWT " + cutJSON(claims)
}

// cutJSON indents an object. What is no object is not shown: nobody can say what
// in it is secret.
func cutJSON(body []byte) string {
	if len(bytes.TrimSpace(body)) == 0 {
		return ""
	}
	var object map[string]any
	if err := json.Unmarshal(body, &object); err != nil {
		return "[not JSON]"
	}
	for name := range object {
		if slices.Contains(secretNames, name) {
			object[name] = cut
		}
	}
	out, err := json.MarshalIndent(object, "", "  ")
	if err != nil {
		return "[not JSON]"
	}
	return string(out)
}
