package authlete

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// Bounds of a body. The simulator itself takes timeouts of 5 to 60 seconds.
const (
	maxBody    = 64 << 10
	maxID      = 255
	maxToken   = 4 << 10
	maxExtras  = 16
	minTimeout = 5
	maxTimeout = 600
)

// Receive implements op.Adapter. It looks at the body only once the path has
// proved that the OP sent it.
func (a *Adapter) Receive(r *http.Request) (approval.Ask, error) {
	call, ok := a.callOf(r)
	if !ok {
		return approval.Ask{}, fmt.Errorf("%w: wrong secret in the path", op.ErrUnauthentic)
	}
	ask, err := a.read(r, call)
	if err != nil {
		return approval.Ask{}, fmt.Errorf("%w: %w", op.ErrMalformed, err)
	}
	return ask, nil
}

func (a *Adapter) read(r *http.Request, call string) (approval.Ask, error) {
	body, fields, err := readObject(r)
	if err != nil {
		return approval.Ask{}, err
	}
	var workspace, message, token string
	var timeout int
	ask := approval.Ask{Body: body, ReportsRefusals: true, ACRValues: a.cfg.ACRValues}
	var state json.RawMessage // the simulator gives it back; java-oauth-server never sets it
	for name, into := range map[string]any{
		"workspace": &workspace, "user": &ask.Subject.Sub, "message": &message, "timeout": &timeout,
		"actionize_token": &token, "state": &state,
	} {
		raw, ok := fields[name]
		delete(fields, name)
		if ok && json.Unmarshal(raw, into) != nil {
			return approval.Ask{}, fmt.Errorf("%s is of the wrong type", name)
		}
	}
	switch {
	case workspace != a.cfg.Workspace:
		return approval.Ask{}, errors.New("workspace is another")
	case ask.Subject.Sub == "" || len(ask.Subject.Sub) > maxID || !printable(ask.Subject.Sub):
		return approval.Ask{}, errors.New("user is missing or cannot be read")
	case len(token) > maxToken:
		return approval.Ask{}, errors.New("actionize_token is too long")
	case timeout < minTimeout || timeout > maxTimeout:
		return approval.Ask{}, fmt.Errorf("timeout is not %d to %d seconds", minTimeout, maxTimeout)
	}
	if err := a.readMessage(&ask, message); err != nil {
		return approval.Ask{}, err
	}
	if ask.Context, err = extras(fields); err != nil {
		return approval.Ask{}, err
	}
	ask.Ref = a.requestID(call, token)
	return ask, a.setCall(&ask, call, time.Duration(timeout)*time.Second)
}

// setCall fills in what depends on how the OP wants to hear of the decision.
func (a *Adapter) setCall(ask *approval.Ask, call string, life time.Duration) error {
	switch call {
	case callSync:
		ask.Handle = callSync
	case callPoll:
		ask.Handle, life = callPoll, min(life, a.cfg.PollFor)
	case callAsync:
		if a.cfg.ServerURL == "" {
			return errors.New("async cannot be answered: server_url is not set")
		}
		ask.Handle, ask.Guard = approval.Secret(ask.Ref), a.cfg.Guard
	default: // actionize among them
		return errors.New("no such call")
	}
	if life -= a.cfg.Margin; life <= 0 {
		return errors.New("its time is over already")
	}
	ask.ExpiresAt = a.now().Add(life)
	return nil
}

// rendered is how java-oauth-server writes a message; some of its versions put no
// lines. Each part ends where the next begins for the first time, so a binding
// message that imitates the others stays in the binding message.
var rendered = regexp.MustCompile(`(?s)^Client App \((.*?)\) is requesting the following permissions\.\s*` +
	`\[Requested scopes\]: (.*?)(?:\s*\[Binding message\]: (.*))?$`)

// readMessage takes message to pieces. One of another form is shown whole, on one
// line, in the place of the binding message.
func (a *Adapter) readMessage(ask *approval.Ask, message string) error {
	parts := rendered.FindStringSubmatch(message)
	if parts == nil {
		ask.ClientID = a.cfg.Workspace
		ask.BindingMessage = strings.Join(strings.Fields(message), " ")
		return nil
	}
	ask.ClientID, ask.BindingMessage = parts[1], parts[3]
	if ask.ClientID == "" {
		ask.ClientID = a.cfg.Workspace
	}
	if len(ask.ClientID) > maxID || !printable(ask.ClientID) {
		return errors.New("name of the client cannot be shown")
	}
	for scope := range strings.SplitSeq(strings.TrimSpace(parts[2]), ",") {
		if scope != "" && scope != "null" { // Java's word for none
			ask.Scope = append(ask.Scope, scope)
		}
	}
	return nil
}

// extras is what is left of a body: shown as it came, because to drop it would
// have the user approve something that she has not seen.
func extras(fields map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	if len(fields) > maxExtras {
		return nil, errors.New("too many fields")
	}
	for name := range fields {
		if name == "" || len(name) > maxID || !printable(name) {
			return nil, errors.New("a field has a name that cannot be shown")
		}
	}
	if len(fields) == 0 {
		return nil, nil
	}
	return fields, nil
}

// readObject returns the body as it came and as a JSON object.
func readObject(r *http.Request) ([]byte, map[string]json.RawMessage, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, nil, errors.New("body is not JSON")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, nil, errors.New("body broke off")
	case len(body) > maxBody:
		return nil, nil, errors.New("body is too large")
	case !utf8.Valid(body): // encoding/json would replace what it cannot read, and the user would read that
		return nil, nil, errors.New("body is not UTF-8")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, nil, errors.New("body is not a JSON object")
	}
	return body, fields, nil
}

// printable reports whether s may stand in a line that people read.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// Reply implements op.Adapter. To a held call it is the decision, to the others
// the name by which the OP will hear of it or ask for it.
func (a *Adapter) Reply(w http.ResponseWriter, ask approval.Ask, r approval.Request, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	if ask.Handle == callSync {
		answer(w, http.StatusOK, map[string]any{"result": resultOf(r.State)})
		return
	}
	answer(w, http.StatusOK, map[string]any{"request_id": ask.Ref})
}

// Poll implements op.Poller.
func (a *Adapter) Poll(r *http.Request) (ref string, err error) {
	call, ok := a.callOf(r)
	if !ok {
		return "", fmt.Errorf("%w: wrong secret in the path", op.ErrUnauthentic)
	}
	_, fields, err := readObject(r)
	if err == nil {
		err = json.Unmarshal(fields["request_id"], &ref)
	}
	if call != callResult || err != nil || ref == "" || len(ref) > maxID {
		return "", fmt.Errorf("%w: no request_id", op.ErrMalformed)
	}
	return ref, nil
}

// Result implements op.Poller.
func (a *Adapter) Result(w http.ResponseWriter, r approval.Request, err error) {
	switch {
	case err != nil:
		refuse(w, err)
	case !r.State.Final():
		answer(w, http.StatusOK, map[string]any{"status": "active", "result": nil})
	case r.State == approval.Expired:
		answer(w, http.StatusOK, map[string]any{"status": "timeout", "result": "timeout"})
	default:
		answer(w, http.StatusOK, map[string]any{"status": "complete", "result": resultOf(r.State)})
	}
}

// refuse answers with err's kind. What it says is for whoever reads the OP's log.
func refuse(w http.ResponseWriter, err error) {
	status, word := http.StatusServiceUnavailable, "temporarily_unavailable"
	switch {
	case errors.Is(err, op.ErrUnauthentic):
		status, word = http.StatusUnauthorized, "unauthorized"
	case errors.Is(err, op.ErrMalformed):
		status, word = http.StatusBadRequest, "invalid_request"
	case errors.Is(err, approval.ErrRefReused):
		status, word = http.StatusConflict, "invalid_request"
	case errors.Is(err, approval.ErrNotFound):
		status, word = http.StatusNotFound, "not_found"
	}
	answer(w, status, map[string]any{"error": word})
}

// answer says its length, because a flush would otherwise begin a chunked body
// whose end leaves only with the handler's.
func answer(w http.ResponseWriter, status int, v map[string]any) {
	body, err := json.Marshal(v)
	if err != nil { // words of our own, so it does not happen
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever asked hears it or does not; the caller looks at the flush
}
