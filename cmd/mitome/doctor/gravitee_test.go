package doctor_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
)

func TestGravitee(t *testing.T) {
	const check = "op bank"
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://elsewhere.example/")
			w.WriteHeader(code)
		}
	}
	am := func(w http.ResponseWriter, r *http.Request) { // as the contract has it
		id, secret, ok := r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		switch {
		case !ok || id != "mitome" || secret != "s+cret":
			w.WriteHeader(http.StatusUnauthorized)
		case !strings.Contains(string(body), "validated=false"):
			w.WriteHeader(http.StatusInternalServerError)
		default:
			w.WriteHeader(http.StatusBadRequest)
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc // nil: nothing listens
		secret  string
		want    want
	}{
		{"takes our client", am, "s+cret", want{check, doctor.OK, "as client mitome"}},
		{"another secret", am, "wr0ng", want{check, doctor.Fault, "compare client_id and client_secret"}},
		{"no such path", status(404), "s+cret", want{check, doctor.Fault, "mend domain_url or callback_path"}},
		{"redirects", status(302), "s+cret", want{check, doctor.Fault, "Mitome does not follow"}},
		{"is broken", status(502), "s+cret", want{check, doctor.Warning, "see Gravitee AM's log"}},
		{"takes everything", status(200), "s+cret", want{check, doctor.Warning, "leads to Gravitee AM at all"}},
		{"nothing listens", nil, "s+cret", want{check, doctor.Fault, "nothing listens"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := "http://" + closedPort(t)
			if tt.handler != nil {
				s := httptest.NewServer(tt.handler)
				defer s.Close()
				base = s.URL
			}
			var r doctor.Report
			doctor.Gravitee{
				Name: "bank", CallbackURL: base + "/bank/oidc/ciba/authenticate/callback",
				ClientID: "mitome", ClientSecret: tt.secret, OPs: "127.0.0.1:8081",
			}.Check(t.Context(), &r, caller())
			expect(t, &r, tt.want)
			for _, f := range r.Findings {
				if strings.Contains(f.Text, "wr0ng") || strings.Contains(f.Text, "s+cret") {
					t.Errorf("a secret is told: %s", f.Text)
				}
			}
		})
	}
	t.Run("elsewhere, in the clear", func(t *testing.T) {
		var r doctor.Report
		c := caller()
		c.Client.Transport = answers(http.StatusBadRequest)
		doctor.Gravitee{Name: "bank", CallbackURL: "http://am.example/bank/cb", ClientID: "mitome", ClientSecret: "x", OPs: "127.0.0.1:8081"}.
			Check(t.Context(), &r, c)
		expect(t, &r, want{check, doctor.Warning, "set listen.ops to an address"}, want{check, doctor.Warning, "plain http"})
	})
}

// answers is a world in which everybody answers so.
type answers int

// RoundTrip implements http.RoundTripper.
func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: int(a), Header: http.Header{}, Body: http.NoBody}, nil
}
