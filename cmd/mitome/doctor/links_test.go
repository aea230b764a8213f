package doctor_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
)

func TestLinkFiles(t *testing.T) {
	mux := http.NewServeMux()
	answer := func(kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Write([]byte(body))
		}
	}
	mux.Handle("/json", answer("application/json; charset=utf-8", "{}"))
	mux.Handle("/page", answer("text/html", "<html>welcome</html>"))
	mux.Handle("/moved", http.RedirectHandler("/json", http.StatusFound))
	s := httptest.NewServer(mux)
	defer s.Close()
	for _, tt := range []struct {
		name string
		urls []string
		want []want
	}{
		{"no apps", nil, nil},
		{"all there", []string{s.URL + "/json", s.URL + "/json"}, []want{{"link files", doctor.OK, "Phones find"}}},
		{"one is not", []string{s.URL + "/json", s.URL + "/none"}, []want{{"link files", doctor.Warning, "/none, which answers 404"}}},
		{"a login page", []string{s.URL + "/page"}, []want{{"link files", doctor.Warning, "is no JSON"}}},
		{"a redirect, which Apple does not follow", []string{s.URL + "/moved"}, []want{{"link files", doctor.Warning, "302 Found"}}},
		{"nothing listens", []string{"http://" + closedPort(t) + "/x"}, []want{{"link files", doctor.Warning, "nothing listens"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r doctor.Report
			doctor.CheckLinks(t.Context(), &r, caller(), tt.urls)
			expect(t, &r, tt.want...)
			if len(r.Findings) != len(tt.want) {
				t.Errorf("got %+v", r.Findings)
			}
		})
	}
}
