package doctor_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
)

func TestAuthlete(t *testing.T) {
	const check = "op as"
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if !strings.Contains(string(body), `"deny"`) { // whatever it meets, it must approve nothing
				code = http.StatusTeapot
			}
			w.Header().Set("Location", "https://elsewhere.example/")
			w.WriteHeader(code)
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc // nil: nothing listens
		want    want
	}{
		{"is there", status(400), want{check, doctor.OK, "Decisions can be told"}},
		{"no such path", status(404), want{check, doctor.Fault, "mend server_url"}},
		{"behind a proxy that lets nobody in", status(403), want{check, doctor.Fault, "let Mitome through"}},
		{"redirects", status(302), want{check, doctor.Fault, "Mitome does not follow"}},
		{"is broken", status(500), want{check, doctor.Warning, "see the OP's log"}},
		{"takes everything", status(204), want{check, doctor.Warning, "leads to the OP at all"}},
		{"nothing listens", nil, want{check, doctor.Fault, "nothing listens"}},
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
			doctor.Authlete{Name: "as", CallbackURL: base + "/api/backchannel/authentication/callback"}.Check(t.Context(), &r, caller())
			expect(t, &r, tt.want)
		})
	}
	t.Run("waits or asks", func(t *testing.T) {
		var r doctor.Report
		doctor.Authlete{Name: "as"}.Check(t.Context(), &r, caller())
		expect(t, &r, want{check, doctor.OK, "nothing to call"})
	})
}
