package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Timeout is how long one call may take. An OP that needs longer is too slow to
// be called while somebody waits at a till.
const Timeout = 5 * time.Second

const maxAnswer = 1 << 20

// How far apart two clocks may be. A Date header is whole seconds, so less than
// the first cannot be seen. The second is where requests begin to fail: an OP
// gives a request up while the user still reads it.
const (
	skewSeen    = 2 * time.Second
	skewHarmful = 10 * time.Second
	soonExpired = 14 * 24 * time.Hour // of a certificate: renewals run weeks before
	slow        = 2 * time.Second     // of an answer; Keycloak gives us 5 s in turn
)

// Caller calls what is outside, as the server does: without a proxy from the
// environment and without following redirects.
type Caller struct {
	Client *http.Client
	Now    func() time.Time
}

// call is one HTTP request.
type call struct {
	method string // GET if empty
	url    string
	host   string // Host header, if it is not the URL's
	kind   string // Content-Type of body
	body   string // of a POST

	user, password string // for HTTP Basic; empty for none
	header         http.Header
}

// answer is what came of it.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	took     time.Duration
	ahead    time.Duration // by which the other clock is ahead of ours; 0 within a second
	hasDate  bool
	tls      *tls.ConnectionState
	location string // where a redirect leads
}

// do makes the call.
func (c Caller) do(ctx context.Context, in call) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if in.method == "" {
		in.method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, in.method, in.url, strings.NewReader(in.body))
	if err != nil {
		return answer{}, err
	}
	if in.host != "" {
		req.Host = in.host
	}
	if in.kind != "" {
		req.Header.Set("Content-Type", in.kind)
	}
	if in.user != "" {
		req.SetBasicAuth(in.user, in.password)
	}
	maps.Copy(req.Header, in.header)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "mitome-doctor")
	began := c.Now()
	resp, err := c.Client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header, tls: resp.TLS, location: resp.Header.Get("Location")}
	a.took = c.Now().Sub(began)
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		a.hasDate, a.ahead = true, ahead(date, began, c.Now())
	}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return answer{}, err
	}
	return a, nil
}

// ahead is by how much a clock that said date was ahead of ours, which stood at
// from when we asked and at to when we were told. Date is cut to whole seconds:
// the true time was somewhere in the second that follows.
func ahead(date, from, to time.Time) time.Duration {
	switch {
	case date.After(to):
		return date.Sub(to)
	case date.Add(time.Second).Before(from):
		return -from.Sub(date.Add(time.Second))
	}
	return 0
}

// clock compares our clock with another's.
func (r *Report) clock(whose string, ahead time.Duration) {
	by := ahead.Abs().Round(time.Second)
	way := "behind"
	if ahead < 0 {
		way = "ahead of"
	}
	switch {
	case ahead.Abs() > skewHarmful:
		r.Fault("clock", "This machine's clock is %v %s that of %s, so that requests end too early or too late; set both by NTP (timedatectl status).", by, way, whose)
	case ahead.Abs() > skewSeen:
		r.Warn("clock", "This machine's clock is %v %s that of %s; set both by NTP before it grows (timedatectl status).", by, way, whose)
	default:
		r.OK("clock", "It agrees with that of %s.", whose)
	}
}

// certificate looks at how long the certificate of an answer still lasts.
func (r *Report) certificate(check, whose string, a answer, now time.Time) {
	if a.tls == nil || len(a.tls.PeerCertificates) == 0 {
		return
	}
	if end := a.tls.PeerCertificates[0].NotAfter; end.Sub(now) < soonExpired {
		r.Warn(check, "The certificate of %s ends on %s; renew it, and see why nothing has done so by itself.", whose, end.UTC().Format(time.DateTime+" MST"))
	}
}

// said is a status and, where there is one, where it leads.
func (a answer) said() string {
	s := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	if a.redirects() {
		s += " to " + printable(a.location)
	}
	return s
}

func (a answer) redirects() bool { return a.status >= 300 && a.status < 400 && a.location != "" }
