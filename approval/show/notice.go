package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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
	Body      string    `json:"body,omitempty"`  // at most two lines: the binding message, and that a code must be typed
	Short     string    `json:"short,omitempty"` // who asks for what, in one line of a watch; instead of Title and Body
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Code      bool      `json:"code,omitempty"` // a code must be typed; it is never in here
	Deny      string    `json:"deny,omitempty"` // words of the actions
	Open      string    `json:"open,omitempty"`

	// Capability denies this request as this device, see approval.Capability. It is
	// why a notice is written only to be sealed.
	Capability string `json:"capability,omitempty"`
}

// Format implements fmt.Formatter: a capability stays out of logs and errors.
func (n Notice) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%s of %s", n.Kind, n.Key) }

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
	// maxShort is how many characters one line of a watch has, once it is raised.
	maxShort = 40
)

// Asks is the notice that r waits for an answer, as JSON; capability is what its
// Deny works by. Nothing in it is cut off: a message that does not fit is left
// out, and the notice says so.
func (s *Shower) Asks(r approval.Request, locale string, capability approval.Secret) ([]byte, error) {
	w := s.Catalogue.speak(locale)
	n := Notice{
		Version: noticeVersion, Kind: "show", Key: string(r.ID), URL: "/requests/" + string(r.ID),
		ExpiresAt: r.ExpiresAt.UTC().Truncate(time.Second), Code: r.Code.Source != approval.NoCode,
		Deny: w.say("button.deny"), Open: w.say("button.open"), Capability: string(capability),
	}
	for _, said := range said(w, r, s.Connections[r.OP].Push) {
		n.Title, n.Body, n.Short = said.title, said.body, said.short
		if text, err := n.encode(); w.err != nil || err != nil || len(text) <= maxNotice {
			return text, errors.Join(w.err, err)
		}
	}
	return nil, errors.Join(w.err, errors.New("show: not even a bare notice fits"))
}

// saying is what a notice says at one level of detail.
type saying struct{ title, body, short string }

// said is what may be said of r, the most first.
func said(w *speaker, r approval.Request, d PushDetail) []saying {
	least := w.say(PushRequest)
	bare := saying{least, "", least}
	if d == PushNone {
		return []saying{bare}
	}
	who := client(w, r).Label
	asks, hint := w.fill("push.asks", who), ""
	if r.Code.Source != approval.NoCode {
		hint = w.say("push.code")
	}
	message := approval.Spelled(r.BindingMessage)
	if d == PushClient || message == "" {
		return []saying{{asks, hint, fitting(asks, least)}, bare}
	}
	// A message without who says it could be anybody's, so the two go together.
	short := fitting(w.both("push.short", who, message), fitting(asks, least))
	later := saying{asks, lines(w.say("push.long"), hint), short}
	if uniseg.GraphemeClusterCount(message) > maxBody {
		return []saying{later, bare}
	}
	full := lines(message, hint)
	return []saying{{asks, full, short}, {asks, full, ""}, later, bare}
}

// fitting is text if it fits one line of a watch, otherwise what says less.
func fitting(text, less string) string {
	if uniseg.GraphemeClusterCount(text) > maxShort || strings.ContainsAny(text, "\r\n") {
		return less
	}
	return text
}

// lines is a second line under the first, if there is one.
func lines(first, second string) string {
	if second == "" {
		return first
	}
	return first + "\n" + second
}

// notices says of each kind but "show" where it leads and what it is called.
var notices = map[string]struct{ url, title string }{
	"alert":  {"/lock", "push.alert"},
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
