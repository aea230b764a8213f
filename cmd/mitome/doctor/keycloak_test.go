package doctor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/op/keycloak"
	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
)

// realm is a Keycloak with things that people get wrong.
type realm struct {
	url      string
	path     string        // of the realm; /realms/demo if empty
	issuer   string        // what it calls itself; its address if empty
	follows  bool          // the issuer follows the Host header
	noCIBA   bool          // the feature is off
	algs     []string      // of its keys; RS256 if nil
	ahead    time.Duration // of its clock
	status   int           // of every answer, if set
	location string
	certs    int // status of the keys, 0 for 200
	callback int // status of the callback without a token, 0 for 401
}

func (k *realm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Now().Add(k.ahead).UTC().Format(http.TimeFormat))
	if k.path == "" {
		k.path = "/realms/demo"
	}
	path, ok := strings.CutPrefix(r.URL.Path, k.path)
	issuer := k.issuer
	if issuer == "" {
		issuer = k.url + k.path
	}
	if k.follows {
		issuer = "http://" + r.Host + k.path
	}
	or := func(status, def int) int {
		if status == 0 {
			return def
		}
		return status
	}
	switch {
	case k.status != 0:
		w.Header().Set("Location", k.location)
		w.WriteHeader(k.status)
	case ok && path == "/.well-known/openid-configuration":
		d := map[string]any{"issuer": issuer, "grant_types_supported": []string{"authorization_code"}}
		if !k.noCIBA {
			d["grant_types_supported"] = []string{"authorization_code", "urn:openid:params:grant-type:ciba"}
			d["backchannel_authentication_endpoint"] = issuer + "/protocol/openid-connect/ext/ciba/auth"
		}
		json.NewEncoder(w).Encode(d)
	case ok && path == keycloak.CertsPath:
		algs := k.algs
		if algs == nil {
			algs = []string{"RS256"}
		}
		keys := []map[string]string{{"alg": "RSA-OAEP", "use": "enc"}}
		for _, a := range algs {
			keys = append(keys, map[string]string{"alg": a, "use": "sig"})
		}
		w.WriteHeader(or(k.certs, http.StatusOK))
		json.NewEncoder(w).Encode(map[string]any{"keys": keys})
	case ok && path == keycloak.CallbackPath && r.Method == http.MethodPost:
		w.WriteHeader(or(k.callback, http.StatusUnauthorized))
	default:
		http.NotFound(w, r)
	}
}

func TestKeycloak(t *testing.T) {
	const op = "op corp"
	answers := want{op, doctor.OK, "is issuer"}
	tests := []struct {
		name   string
		realm  realm
		change func(*doctor.Keycloak)
		want   []want
	}{
		{"all well", realm{}, nil, []want{
			answers, {op, doctor.OK, "sign RS256"}, {op, doctor.OK, "Decisions can be told"}, {"clock", doctor.OK, "agrees"},
		}},
		{"another way to it, the issuer's name kept", realm{issuer: "https://sso.example/realms/demo"}, func(k *doctor.Keycloak) {
			k.Config.InternalURL, k.Config.Issuer = strings.TrimSuffix(k.Config.Issuer, "/realms/demo"), "https://sso.example/realms/demo"
		}, []want{answers}},
		{"no such realm", realm{path: "/realms/Demo"}, nil, []want{{op, doctor.Fault, "how the realm is written"}}},
		{"/auth forgotten", realm{path: "/auth/realms/demo"}, nil, []want{{op, doctor.Fault, "/auth/realms/demo is a realm: mend issuer"}}},
		{"/auth too much", realm{}, func(k *doctor.Keycloak) {
			k.Config.Issuer = strings.Replace(k.Config.Issuer, "/realms", "/auth/realms", 1)
		}, []want{{op, doctor.Fault, "/realms/demo is a realm: mend issuer"}}},
		{"redirects", realm{status: 301, location: "https://sso.example/"}, nil, []want{{op, doctor.Fault, "301 Moved Permanently to https://sso.example/, and Mitome does not follow"}}},
		{"Keycloak behind its proxy is down", realm{status: 502}, nil, []want{{op, doctor.Fault, "a proxy answers and Keycloak does not"}}},
		{"the proxy keeps us out", realm{status: 403}, nil, []want{{op, doctor.Fault, "have the proxy in front of Keycloak let Mitome through"}}},
		{"another issuer", realm{issuer: "https://login.example/realms/demo"}, nil, []want{{op, doctor.Fault, "calls itself https://login.example/realms/demo; write that into issuer"}}},
		{"capitals", realm{issuer: "http://LOCALHOST/realms/demo"}, func(k *doctor.Keycloak) {
			k.Config.InternalURL, k.Config.Issuer = strings.TrimSuffix(k.Config.Issuer, "/realms/demo"), "http://localhost/realms/demo"
		}, []want{{op, doctor.Fault, "capitals count"}}},
		{"does not know of its TLS proxy", realm{issuer: "http://sso.example/realms/demo"}, func(k *doctor.Keycloak) {
			k.Config.InternalURL, k.Config.Issuer = strings.TrimSuffix(k.Config.Issuer, "/realms/demo"), "https://sso.example/realms/demo"
		}, []want{{op, doctor.Fault, "--proxy-headers=xforwarded"}}},
		{"no fixed host name", realm{follows: true}, nil, []want{answers, {op, doctor.Warning, "start it with --hostname"}}},
		{"CIBA is off", realm{noCIBA: true}, nil, []want{answers, {op, doctor.Fault, "--features-disabled=ciba"}}},
		{"signs otherwise", realm{algs: []string{"ES512"}}, nil, []want{answers, {op, doctor.Fault, "signs with ES512, and algorithms takes only RS256"}}},
		{"no keys", realm{algs: []string{}}, nil, []want{answers, {op, doctor.Fault, "signs with nothing"}}},
		{"keys are kept back", realm{certs: 404}, nil, []want{answers, {op, doctor.Fault, "instead of the realm's keys"}}},
		{"the callback is kept back", realm{callback: 404}, nil, []want{answers, {op, doctor.Fault, "let POST through on that path"}}},
		{"our clock is behind", realm{ahead: time.Minute}, nil, []want{answers, {"clock", doctor.Fault, "behind that of op corp"}}},
		{"our clock is ahead", realm{ahead: -time.Minute}, nil, []want{answers, {"clock", doctor.Fault, "ahead of that of op corp"}}},
		{"our clock drifts", realm{ahead: 5 * time.Second}, nil, []want{answers, {"clock", doctor.Warning, "before it grows"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(&tt.realm)
			defer s.Close()
			tt.realm.url = s.URL
			k := keycloakAt(s.URL)
			if tt.change != nil {
				tt.change(&k)
			}
			var r doctor.Report
			k.Check(t.Context(), &r, caller())
			expect(t, &r, tt.want...)
		})
	}
}

func keycloakAt(url string) doctor.Keycloak {
	return doctor.Keycloak{Name: "corp", OPs: "127.0.0.1:8081", Config: keycloak.Config{
		Issuer: url + "/realms/demo", Algorithms: []string{"RS256"},
	}}
}

// TestUnreachable is every way in which a call does not arrive, each with what
// to do.
func TestUnreachable(t *testing.T) {
	now := time.Now()
	day := 24 * time.Hour
	overTLS := func(name string, from, to time.Time) func(*testing.T) (string, doctor.Caller) {
		return func(t *testing.T) (string, doctor.Caller) {
			cert, _ := certificate(t, name, from, to)
			s, c := secure(t, http.NotFoundHandler(), cert)
			return strings.Replace(s.URL, "127.0.0.1", "localhost", 1), c
		}
	}
	plain := func(url func(*testing.T) string) func(*testing.T) (string, doctor.Caller) {
		return func(t *testing.T) (string, doctor.Caller) { return url(t), caller() }
	}
	tests := []struct {
		name string
		make func(*testing.T) (string, doctor.Caller)
		want string
	}{
		{"nothing listens", plain(func(t *testing.T) string { return "http://" + closedPort(t) }), "nothing listens at 127.0.0.1:"},
		{"no such name", plain(func(*testing.T) string { return "http://nowhere.invalid" }), "nowhere.invalid"},
		{"hangs up", plain(func(t *testing.T) string { return "http://" + rude(t, "") }), "closed the connection without an answer"},
		{"is no web server", plain(func(t *testing.T) string { return "http://" + rude(t, "220 mail.example ESMTP\r\n") }), "does not speak HTTP"},
		{"has no TLS", plain(func(t *testing.T) string {
			s := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(s.Close)
			return strings.Replace(s.URL, "http:", "https:", 1)
		}), "does not speak TLS on that port"},
		{"authority is not known", func(t *testing.T) (string, doctor.Caller) {
			url, _ := overTLS("localhost", now.Add(-day), now.Add(day))(t)
			return url, caller()
		}, "from an authority that this machine does not know"},
		{"certificate has ended", overTLS("localhost", now.Add(-2*day), now.Add(-day)), "ended on " + now.Add(-day).UTC().Format(time.DateOnly)},
		{"certificate has not begun", overTLS("localhost", now.Add(day), now.Add(2*day)), "see this machine's clock"},
		{"certificate is for another", overTLS("sso.example", now.Add(-day), now.Add(day)), "is for sso.example and not for that name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url, c := tt.make(t)
			var r doctor.Report
			keycloakAt(url).Check(t.Context(), &r, c)
			expect(t, &r, want{"op corp", doctor.Fault, tt.want})
		})
	}
}

// fails is a transport on which every call fails alike.
type fails struct{ err error }

func (f fails) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// TestDNS: a name that is not there is told from a DNS that is not.
func TestDNS(t *testing.T) {
	for text, err := range map[string]error{
		"no such name as sso.example is known to DNS": &net.DNSError{Name: "sso.example", IsNotFound: true},
		"DNS gave no answer for sso.example":          &net.DNSError{Name: "sso.example", IsTemporary: true},
		"there is no route to sso.example:443":        &net.OpError{Op: "dial", Err: syscall.ENETUNREACH},
		"sso.example:443 cannot be reached: odd":      errors.New("odd"),
	} {
		c := caller()
		c.Client.Transport = fails{err}
		var r doctor.Report
		keycloakAt("https://sso.example").Check(t.Context(), &r, c)
		expect(t, &r, want{"op corp", doctor.Fault, text})
	}
}

// TestSilence: a firewall that drops packets is told from a server that is down.
func TestSilence(t *testing.T) {
	waiting := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-waiting:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(waiting)
	c := caller()
	c.Client.Timeout = 50 * time.Millisecond
	var r doctor.Report
	keycloakAt(s.URL).Check(t.Context(), &r, c)
	expect(t, &r, want{"op corp", doctor.Fault, "did not answer within"})
}

// TestWhereKeycloakCalls: that Keycloak cannot reach us is the fault that shows
// as nothing but a 503 at the client.
func TestWhereKeycloakCalls(t *testing.T) {
	const op = "op corp"
	far := want{op, doctor.Warning, "Keycloak is on another machine (sso.example)"}
	tests := []struct {
		name, issuer, listen string
		proxied              bool
		want                 []want
	}{
		{"on one machine", "http://localhost", "127.0.0.1:8081", false, nil},
		{"elsewhere, we listen to ourselves", "https://sso.example", "127.0.0.1:8081", false, []want{far}},
		{"elsewhere, we listen on a socket", "https://sso.example", "unix:/run/mitome.sock", false, []want{far}},
		{"elsewhere, we listen to all", "https://sso.example", "0.0.0.0:8081", false, nil},
		{"elsewhere, by a proxy of ours", "https://sso.example", "127.0.0.1:8081", true, nil},
		{"elsewhere, in the clear", "http://sso.example", "0.0.0.0:8081", false, []want{{op, doctor.Warning, "issuer is plain http"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(&realm{issuer: tt.issuer + "/realms/demo"})
			defer s.Close()
			c := caller()
			c.Client.Transport = lead{s.Listener.Addr().String()}
			d := keycloakAt(tt.issuer)
			d.OPs, d.Proxied = tt.listen, tt.proxied
			var r doctor.Report
			d.Check(t.Context(), &r, c)
			expect(t, &r, tt.want...)
		})
	}
}

// lead takes every call to one address, whatever its name.
type lead struct{ to string }

func (l lead) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.URL.Scheme, r.URL.Host = "http", l.to
	return http.DefaultTransport.RoundTrip(r)
}

// TestNothingStrangeIsPrinted: what an OP says of itself ends on a terminal.
func TestNothingStrangeIsPrinted(t *testing.T) {
	s := httptest.NewServer(&realm{issuer: "\x1b]0;owned\a" + strings.Repeat("x", 4096)})
	defer s.Close()
	var r doctor.Report
	keycloakAt(s.URL).Check(t.Context(), &r, caller())
	text := fmt.Sprint(r.Findings)
	if strings.ContainsAny(text, "\x1b\a") || len(text) > 2000 {
		t.Errorf("got %q", text)
	}
}
