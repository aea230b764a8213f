package doctor_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
)

func TestSigners(t *testing.T) {
	const check = "op shop"
	says := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	const key = `{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	tests := []struct {
		name    string
		handler http.HandlerFunc // nil: nothing listens
		want    want
	}{
		{"a key", says(`{"keys":[` + key + `,{"kty":"new"}]}`), want{check, doctor.OK, "publishes 1 key(s)"}},
		{"no key", says(`{"keys":[]}`), want{check, doctor.Fault, "no usable key"}},
		{"a page", says(`<html>`), want{check, doctor.Fault, "not a JWK set"}},
		{"not there", http.NotFound, want{check, doctor.Fault, "answers 404"}},
		{"elsewhere", http.RedirectHandler("https://elsewhere.example/jwks", http.StatusFound).ServeHTTP, want{check, doctor.Fault, "Mitome does not follow"}},
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
			doctor.Signers{Name: "shop", URL: base + "/jwks", Client: caller().Client}.Check(t.Context(), &r, caller())
			expect(t, &r, tt.want)
		})
	}
}
