package doctor_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
	"github.com/mitome-ciba/mitome/push"
)

func TestPublicURL(t *testing.T) {
	const check = "public url"
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/socket" {
				if r.Header.Get("Upgrade") == "websocket" && r.Header.Get("Connection") == "Upgrade" {
					w.Header().Set("X-Mitome-Upgrade", "websocket")
				}
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			if status/100 == 3 {
				w.Header().Set("Location", "https://www.mitome.example/")
			}
			w.WriteHeader(status)
			w.Write([]byte(body))
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc // nil: nothing listens
		keys    []string
		want    want
	}{
		{"this Mitome", answer(200, `{"keys":[{"kid":"k1"}]}`), []string{"k0", "k1"}, want{check, doctor.OK, "This Mitome answers"}},
		{"key file cannot be read", answer(200, `{"keys":[{"kid":"k1"}]}`), nil, want{check, doctor.OK, "answers"}},
		{"another Mitome", answer(200, `{"keys":[{"kid":"k9"}]}`), []string{"k1"}, want{check, doctor.Fault, "A Mitome with other keys"}},
		{"nothing listens", nil, nil, want{check, doctor.Fault, "nothing listens at"}},
		{"the proxy cannot reach Mitome", answer(502, ""), nil, want{check, doctor.Fault, "whether the proxy leads to 127.0.0.1:8080"}},
		{"redirects to another name", answer(308, ""), nil, want{check, doctor.Fault, "set public_url to the address where it ends"}},
		{"the proxy asks who it is", answer(401, ""), nil, want{check, doctor.Fault, "have the proxy let everybody through"}},
		{"wants https", answer(400, "The plain HTTP request was sent to HTTPS port"), nil, want{check, doctor.Fault, "write https:// into public_url"}},
		{"somebody's home page", answer(200, "<html>welcome</html>"), nil, want{check, doctor.Fault, "is not Mitome"}},
		{"only some paths", answer(404, ""), nil, want{check, doctor.Fault, "lead every path"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := doctor.Public{URL: "http://" + closedPort(t), Listen: "127.0.0.1:8080", KeyIDs: tt.keys}
			if tt.handler != nil {
				s := httptest.NewServer(tt.handler)
				defer s.Close()
				p.URL = s.URL
			}
			var r doctor.Report
			p.Check(t.Context(), &r, caller())
			expect(t, &r, tt.want)
		})
	}
	t.Run("the proxy passes no WebSocket on", func(t *testing.T) {
		proxy := func(w http.ResponseWriter, r *http.Request) { // as nginx, if it is not told otherwise
			r.Header.Del("Upgrade")
			r.Header.Set("Connection", "close")
			answer(200, `{"keys":[{"kid":"k1"}]}`)(w, r)
		}
		s := httptest.NewServer(http.HandlerFunc(proxy))
		defer s.Close()
		var r doctor.Report
		doctor.Public{URL: s.URL}.Check(t.Context(), &r, caller())
		expect(t, &r, want{check, doctor.OK, "answers"}, want{check, doctor.Fault, "the headers Upgrade and Connection"})
	})
	t.Run("certificate ends soon", func(t *testing.T) {
		cert, _ := certificate(t, "127.0.0.1.example", time.Now().Add(-time.Hour), time.Now().Add(72*time.Hour))
		s, c := secure(t, answer(200, `{"keys":[{"kid":"k1"}]}`), cert)
		c.Client.Transport.(*http.Transport).TLSClientConfig.ServerName = "127.0.0.1.example"
		var r doctor.Report
		doctor.Public{URL: s.URL}.Check(t.Context(), &r, c)
		expect(t, &r, want{check, doctor.OK, "answers"}, want{check, doctor.OK, "WebSockets get through"}, want{check, doctor.Warning, "renew it"})
	})
}

func TestNames(t *testing.T) {
	tests := []struct {
		name   string
		public doctor.Public
		want   []want
	}{
		{"a name of its own", doctor.Public{URL: "https://mitome.example.com", RPID: "example.com", Proxies: 1}, nil},
		{"localhost", doctor.Public{URL: "http://localhost:8080", RPID: "localhost"}, nil},
		{"serves TLS itself", doctor.Public{URL: "https://mitome.example.com", RPID: "example.com", TLS: true}, nil},
		{"a domain of everybody's", doctor.Public{URL: "https://mitome.co.jp", RPID: "co.jp", Proxies: 1}, []want{{"rp id", doctor.Fault, "set rp_id to the host of public_url"}}},
		{"a hoster's domain", doctor.Public{URL: "https://m.github.io", RPID: "github.io", Proxies: 1}, []want{{"rp id", doctor.Fault, "browsers make no passkey for it"}}},
		{"proxy that nobody named", doctor.Public{URL: "https://mitome.example.com", RPID: "mitome.example.com"}, []want{{"public url", doctor.Warning, "name its address in trusted_proxies"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r doctor.Report
			tt.public.CheckNames(&r)
			expect(t, &r, tt.want...)
		})
	}
}

func TestWebhook(t *testing.T) {
	const check = "op shop"
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://elsewhere.example/")
			w.WriteHeader(code)
		}
	}
	here := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	tests := []struct {
		name    string
		handler http.HandlerFunc // nil: nothing listens
		allow   []netip.Prefix
		want    want
	}{
		{"wants a signature", status(401), here, want{check, doctor.OK, "refuses what nobody has signed"}},
		{"wants another body", status(400), here, want{check, doctor.OK, "refuses what nobody has signed"}},
		{"wants no signature", status(204), here, want{check, doctor.Warning, "whoever finds the URL can approve there"}},
		{"redirects", status(301), here, want{check, doctor.Fault, "Mitome does not follow"}},
		{"no such path", status(404), here, want{check, doctor.Fault, "mend the path"}},
		{"takes no POST", status(405), here, want{check, doctor.Fault, "mend the path"}},
		{"is broken", status(500), here, want{check, doctor.Warning, "see the OP's log"}},
		{"nothing listens", nil, here, want{check, doctor.Fault, "nothing listens"}},
		{"private, and not allowed", status(200), nil, want{check, doctor.Fault, "name its network in allow_private"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := doctor.Webhook{Name: "shop", URL: "http://" + closedPort(t), Client: push.Guard{Allow: tt.allow}.Client(doctor.Timeout)}
			if tt.handler != nil {
				s := httptest.NewServer(tt.handler)
				defer s.Close()
				w.URL = s.URL + "/mitome?token=secret"
			}
			var r doctor.Report
			w.Check(t.Context(), &r, caller())
			expect(t, &r, tt.want)
		})
	}
	t.Run("long poll", func(t *testing.T) {
		var r doctor.Report
		doctor.Webhook{Name: "shop"}.Check(t.Context(), &r, caller())
		expect(t, &r, want{check, doctor.OK, "long poll"})
	})
}
