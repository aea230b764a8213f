package gravitee

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

const formType = "application/x-www-form-urlencoded"

// Bounds of a form. AM itself sends seven fields and one of each acr.
const (
	maxBody   = 64 << 10
	maxID     = 255
	maxValue  = 4 << 10
	maxFields = 24
	maxACR    = 16
	maxExpire = 24 * time.Hour
)

// Receive implements op.Adapter. It looks at the body only once the header has
// proved that AM sent it.
func (a *Adapter) Receive(r *http.Request) (approval.Ask, error) {
	if !a.isAM(r) {
		return approval.Ask{}, fmt.Errorf("%w: wrong %s header", op.ErrUnauthentic, a.cfg.HeaderName)
	}
	ask, err := a.read(r)
	if err != nil {
		return approval.Ask{}, fmt.Errorf("%w: %w", op.ErrMalformed, err)
	}
	return ask, nil
}

// isAM compares hashes, so that neither content nor length can be found out by
// timing. Two headers of the name are one too many: a proxy may look at the
// other.
func (a *Adapter) isAM(r *http.Request) bool {
	given := r.Header.Values(a.cfg.HeaderName)
	if len(given) != 1 {
		return false
	}
	got, want := sha256.Sum256([]byte(given[0])), sha256.Sum256([]byte(a.cfg.HeaderValue))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

func (a *Adapter) read(r *http.Request) (approval.Ask, error) {
	body, f, err := readForm(r)
	if err != nil {
		return approval.Ask{}, err
	}
	ask := approval.Ask{Body: body, Guard: a.cfg.Guard, ReportsRefusals: true}
	if ask.ClientName, err = a.clientName(r); err != nil {
		return approval.Ask{}, err
	}
	var tid, sealed, expire string
	for name, into := range map[string]*string{
		"tid": &tid, "state": &sealed, "subject": &ask.Subject.Sub, "expire": &expire,
	} {
		if *into, err = f.one(name); err != nil {
			return approval.Ask{}, err
		}
	}
	if ask.ClientID, ask.ExpiresAt, err = a.readState(sealed, tid, expire); err != nil {
		return approval.Ask{}, err
	}
	ask.Ref, ask.Handle = tid, handleOf(tid, sealed)
	return ask, f.rest(&ask)
}

// clientName is what AM says in a header of its own, if it was told to.
func (a *Adapter) clientName(r *http.Request) (string, error) {
	if a.cfg.ClientNameHeader == "" {
		return "", nil
	}
	name := r.Header.Get(a.cfg.ClientNameHeader)
	if len(name) > maxID || !printable(name) {
		return "", errors.New("name of the client cannot be shown")
	}
	return name, nil
}

// state is what we read of the token that AM signs for itself. Its signature is
// AM's to check when it comes back; that it is AM's we know from the header.
type state struct {
	ID     string `json:"jti"`
	Client string `json:"aud"`
	Expiry int64  `json:"exp"`
}

// readState returns the client that asks, and when users can no longer answer:
// before AM gives the request up by either of the two times that it tells.
func (a *Adapter) readState(token, tid, expire string) (client string, end time.Time, err error) {
	var s state
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", end, errors.New("state is not a signed token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &s) != nil {
		return "", end, errors.New("state cannot be read")
	}
	if s.ID != tid { // AM would refuse the decision for it
		return "", end, errors.New("state is of another transaction than tid")
	}
	if s.Client == "" || len(s.Client) > maxID || !printable(s.Client) {
		return "", end, errors.New("state names no client")
	}
	seconds, err := strconv.ParseInt(expire, 10, 32)
	if life := time.Duration(seconds) * time.Second; err != nil || life <= 0 || life > maxExpire {
		return "", end, errors.New("expire is not a number of seconds, or too large a one")
	}
	end = a.now().Add(time.Duration(seconds) * time.Second)
	if by := time.Unix(s.Expiry, 0); by.Before(end) {
		end = by
	}
	if end = end.Add(-a.cfg.Margin); !end.After(a.now()) {
		return "", end, errors.New("its time is over already")
	}
	return s.Client, end, nil
}

// handleOf is what AM wants back: the part of the form that proves a decision.
func handleOf(tid, state string) approval.Secret {
	return approval.Secret(url.Values{"state": {state}, "tid": {tid}}.Encode())
}

// Reply implements op.Adapter. AM takes 200 and its own words for a yes, and
// everything else for a fault of the notifier.
func (a *Adapter) Reply(w http.ResponseWriter, ask approval.Ask, _ approval.Request, err error) {
	switch {
	case err == nil:
		echo(w, ask.Handle)
	case errors.Is(err, op.ErrUnauthentic):
		answer(w, http.StatusUnauthorized, `{"error":"invalid_client"}`)
	case errors.Is(err, op.ErrMalformed):
		answer(w, http.StatusBadRequest, `{"error":"invalid_request"}`)
	case errors.Is(err, approval.ErrRefReused):
		answer(w, http.StatusConflict, `{"error":"invalid_request"}`)
	default:
		answer(w, http.StatusServiceUnavailable, `{"error":"temporarily_unavailable"}`)
	}
}

// echo repeats what AM compares.
func echo(w http.ResponseWriter, handle approval.Secret) {
	f, err := url.ParseQuery(string(handle))
	body, jsonErr := json.Marshal(struct {
		ID    string `json:"tid"`
		State string `json:"state"`
	}{f.Get("tid"), f.Get("state")})
	if err != nil || jsonErr != nil { // handleOf made it, so neither happens
		answer(w, http.StatusServiceUnavailable, `{"error":"temporarily_unavailable"}`)
		return
	}
	answer(w, http.StatusOK, string(body))
}

// answer says its length, because a flush would otherwise begin a chunked body
// whose end leaves only with the handler's.
func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	io.WriteString(w, body) // whoever asked hears it or does not; the caller looks at the flush
}

// readForm returns the body as it came and as a form.
func readForm(r *http.Request) ([]byte, form, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != formType {
		return nil, nil, errors.New("body is not a form")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, nil, errors.New("body broke off")
	case len(body) > maxBody:
		return nil, nil, errors.New("body is too large")
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, nil, errors.New("body cannot be read as a form")
	}
	if len(values) > maxFields {
		return nil, nil, errors.New("too many fields")
	}
	for name, all := range values {
		if name == "" || len(name) > maxID || !printable(name) {
			return nil, nil, errors.New("a field has a name that cannot be shown")
		}
		for _, v := range all {
			if !utf8.ValidString(v) || len(v) > maxValue {
				return nil, nil, errors.New("a field is not UTF-8, or too long")
			}
		}
	}
	return body, form(values), nil
}

// printable reports whether s may stand in a line that people read.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
