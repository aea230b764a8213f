package doctor_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
)

// provider is an OP at which one client is registered.
type provider struct {
	url      string
	issuer   string // its address if empty
	methods  []string
	redirect string // registered redirect URI
	refuses  string // error that it redirects back with
	broken   bool
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	issuer := p.issuer
	if issuer == "" {
		issuer = p.url
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		json.NewEncoder(w).Encode(map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
			"token_endpoint_auth_methods_supported": p.methods,
		})
	case "/authorize":
		q := r.URL.Query()
		switch {
		case p.broken:
			w.WriteHeader(http.StatusInternalServerError)
		case q.Get("client_id") != "mitome" || q.Get("redirect_uri") != p.redirect:
			w.WriteHeader(http.StatusBadRequest)
		case p.refuses != "":
			http.Redirect(w, r, p.redirect+"?error="+url.QueryEscape(p.refuses), http.StatusFound)
		default:
			w.WriteHeader(http.StatusOK) // the page to sign in
		}
	case "/token":
		r.ParseForm()
		user, password, basic := r.BasicAuth()
		if len(p.methods) > 0 { // in the body, and in no other way
			user, password, basic = r.Form.Get("client_id"), url.QueryEscape(r.Form.Get("client_secret")), !basic
		}
		w.WriteHeader(http.StatusBadRequest)
		if !basic || user != "mitome" || password != url.QueryEscape("right secret+") {
			w.Write([]byte(`{"error":"invalid_client"}`))
			return
		}
		w.Write([]byte(`{"error":"invalid_grant"}`))
	default:
		http.NotFound(w, r)
	}
}

func TestSignIn(t *testing.T) {
	const check, redirect = "sign-in corp", "https://mitome.example/signin/callback"
	tests := []struct {
		name   string
		op     provider
		change func(*doctor.SignIn)
		want   want
	}{
		{"all well", provider{}, nil, want{check, doctor.OK, "knows client mitome"}},
		{"secret in the body", provider{methods: []string{"client_secret_post"}}, nil, want{check, doctor.OK, "knows client mitome"}},
		{"another issuer", provider{issuer: "https://login.example"}, nil, want{check, doctor.Fault, "the OP calls itself https://login.example"}},
		{"not an OP", provider{}, func(s *doctor.SignIn) { s.Issuer += "/nowhere" }, want{check, doctor.Fault, "is no discovery document"}},
		{"nothing listens", provider{}, func(s *doctor.SignIn) { s.InternalURL = "http://127.0.0.1:1" }, want{check, doctor.Fault, "nothing listens"}},
		{"redirect URI not registered", provider{redirect: "https://old.example/signin/callback"}, nil, want{check, doctor.Fault, "register both there"}},
		{"client not registered", provider{}, func(s *doctor.SignIn) { s.ClientID = "other" }, want{check, doctor.Fault, "refuses client other"}},
		{"code flow is off", provider{refuses: "unauthorized_client"}, nil, want{check, doctor.Fault, "allow it the code flow with PKCE"}},
		{"wrong secret", provider{}, func(s *doctor.SignIn) { s.ClientSecret = "wrong" }, want{check, doctor.Fault, "does not take the secret"}},
		{"its page fails", provider{broken: true}, nil, want{check, doctor.Fault, "see the OP's log"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.op.redirect == "" {
				tt.op.redirect = redirect
			}
			s := httptest.NewServer(&tt.op)
			defer s.Close()
			tt.op.url = s.URL
			d := doctor.SignIn{Name: "corp", Issuer: s.URL, ClientID: "mitome", ClientSecret: "right secret+", RedirectURL: redirect}
			if tt.change != nil {
				tt.change(&d)
			}
			var r doctor.Report
			d.Check(t.Context(), &r, caller())
			expect(t, &r, tt.want)
		})
	}
	t.Run("another way to it", func(t *testing.T) {
		p := &provider{issuer: "https://sso.example", redirect: redirect}
		s := httptest.NewServer(p)
		defer s.Close()
		var r doctor.Report
		doctor.SignIn{
			Name: "corp", Issuer: p.issuer, InternalURL: s.URL, ClientID: "mitome", ClientSecret: "right secret+", RedirectURL: redirect,
		}.Check(t.Context(), &r, caller())
		expect(t, &r, want{check, doctor.OK, "knows client mitome"})
	})
}
