package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rivo/uniseg"

	"github.com/mitome-ciba/mitome/approval"
)

// noticeVersion names the form of Notice.
const noticeVersion = 1

// Notice is what a push says, for whoever shows it outside of Mitome's pages. It
// is sealed to the device before it goes anywhere, and nobody signs it: a
// decision is made on a [View] alone, but for a no.
type Notice struct {
	Version   int       `json:"v"`
	Kind      string    `json:"kind"` // push.Kind
	Key       string    `json:"key"`  // notices of one key replace one another
	URL       string    `json:"url"`
	Title     string    `json:"title"`
	Body      string    `json:"body,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Code      bool      `json:"code,omitempty"` // a code must be typed; it is never in here
	Deny      string    `json:"deny,omitempty"` // words of the actions
	Open      string    `json:"open,omitempty"`
}

// PushDetail is how much a push says of a request. The device may show it while
// its screen is locked.
type PushDetail string

// The details.
const (
	PushFull   PushDetail = "full"   // who asks, and the binding message
	PushClient PushDetail = "client" // who asks
	PushNone   PushDetail = "none"   // that something waits
)

const (
	// maxNotice is what always fits into a sealed message (package push/ece), so
	// that all are of one length.
	maxNotice = 900
	// maxBody is how many characters of a binding message a notification shows on
	// common devices once it is opened.
	maxBody = 120
)

// Asks is the notice that r waits for an answer, as JSON. Nothing in it is cut
// off: a message that does not fit is left out, and the notice says so.
func (s *Shower) Asks(r approval.Request, locale string) ([]byte, error) {
	w := s.Catalogue.speak(locale)
	n := Notice{
		Version: noticeVersion, Kind: "show", Key: string(r.ID), URL: "/requests/" + string(r.ID),
		ExpiresAt: r.ExpiresAt.UTC().Truncate(time.Second), Code: r.Code.Source != approval.NoCode,
		Deny: w.say("button.deny"), Open: w.say("button.open"),
	}
	least, asks, later := w.say(PushRequest), w.fill("push.asks", client(w, r).Label), w.say("push.long")
	if w.err != nil {
		return nil, w.err
	}
	message := approval.Spelled(r.BindingMessage)
	if uniseg.GraphemeClusterCount(message) > maxBody {
		message = later
	}
	for _, said := range said(s.Connections[r.OP].Push, asks, message, later) {
		n.Title, n.Body = said.title, said.body
		if text, err := n.encode(); err != nil || len(text) <= maxNotice {
			return text, err
		}
	}
	n.Title, n.Body = least, ""
	return n.encode()
}

// saying is a title and a body.
type saying struct{ title, body string }

// said is what may be said at a level of detail, the most first.
func said(d PushDetail, asks, message, later string) []saying {
	switch {
	case d == PushNone:
		return nil
	case d == PushClient || message == "":
		return []saying{{asks, ""}}
	}
	return []saying{{asks, message}, {asks, later}}
}

// notices says of each kind but "show" where it leads and what it is called.
var notices = map[string]struct{ url, title string }{
	"clear":  {"/", "push.over"},
	"device": {"/devices", "push.devices"},
	"test":   {"/", PushTest},
}

// Says is a notice of another kind, as JSON.
func (s *Shower) Says(kind, key, locale string) ([]byte, error) {
	known, ok := notices[kind]
	if !ok {
		return nil, fmt.Errorf("show: no notice of kind %q", kind)
	}
	w := s.Catalogue.speak(locale)
	n := Notice{Version: noticeVersion, Kind: kind, Key: key, URL: known.url, Title: w.say(known.title)}
	if w.err != nil {
		return nil, w.err
	}
	return n.encode()
}

// encode leaves out the escapes that are meant for HTML: they take room.
func (n Notice) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(n); err != nil {
		return nil, fmt.Errorf("encode notice: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
