package keycloak_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/keycloak"
	"github.com/mitome-ciba/mitome/approval/op/optest"
)

// fuzzed is an adapter, its realm's issuer, and what signs as that realm.
func fuzzed(f *testing.F) (op.Adapter, string, func(t testing.TB, header, payload string) string) {
	key := signer{"k1", optest.Key(f)}
	fake := &fakeKeycloak{keys: []signer{key}, stored: map[string]string{}}
	fake.Server = httptest.NewServer(fake)
	f.Cleanup(fake.Close)
	a, err := keycloak.Open(settings(map[string]any{"issuer": fake.issuer()}), deps(&clock{now}))
	if err != nil {
		f.Fatal(err)
	}
	return a, fake.issuer(), func(t testing.TB, header, payload string) string { return optest.JWS(t, key.key, header, payload) }
}

const es256 = `{"alg":"ES256","kid":"k1"}`

// refusedWhole checks that a refusal is of a known sort and comes with nothing.
func refusedWhole(t *testing.T, got approval.Ask, err error) {
	t.Helper()
	if !errors.Is(err, op.ErrMalformed) && !errors.Is(err, op.ErrUnauthentic) {
		t.Fatalf("refused as %v", err)
	}
	if got.Ref != "" || got.Handle != "" || got.Body != nil || got.Subject.Sub != "" {
		t.Fatalf("refused, and an ask came with it: %v", got)
	}
}

// FuzzBody: whatever Keycloak's body says, who is asked and by whom stands in the
// token, and no parameter of the client is lost on its way to the screen.
func FuzzBody(f *testing.F) {
	for _, s := range []string{
		genuineBody, `{}`, `null`, `[]`, `{"scope":null,"login_hint":1}`, `{"a":{"b":[1,"c"]}}`, "\xff", `{"":1}`, `{"\u0000":1}`,
		`{"sub":"eve","azp":"eve","jti":"eve"}`, `{"Scope":"x","scope":"y","scope":"z"}`, `{"binding_message":"\ud800"}`, strings.Repeat("[", 20000),
	} {
		f.Add(s)
	}
	a, issuer, sign := fuzzed(f)
	claims, err := json.Marshal(tokenClaims(issuer, now))
	if err != nil {
		f.Fatal(err)
	}
	bearer := sign(f, es256, string(claims))
	f.Fuzz(func(t *testing.T, body string) {
		got, err := a.Receive(ask(bearer, body))
		if err != nil {
			refusedWhole(t, got, err)
			return
		}
		if got.Ref != "2f0c1a7e-0001" || got.ClientID != "shop" || !strings.HasPrefix(got.Subject.Sub, "6b1d5a52") || string(got.Handle) != bearer {
			t.Fatalf("the body changed who asks whom: %v", got)
		}
		if string(got.Body) != body || !utf8.ValidString(body) {
			t.Fatal("the body was not kept as it came, or is not text")
		}
		var sent map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			t.Fatalf("taken, though it is %v", err)
		}
		for name, v := range sent {
			switch name {
			case "login_hint", "scope", "acr_values", "binding_message", "is_consent_required":
			default:
				if !bytes.Equal(got.Context[name], v) {
					t.Fatalf("%q is %s, and was %s", name, got.Context[name], v)
				}
			}
		}
	})
}

// FuzzClaims: whatever the realm's key has signed, what is taken has an issuer, an
// audience and an end that are right, and ids that can be written down.
func FuzzClaims(f *testing.F) {
	good, err := json.Marshal(tokenClaims("ISSUER", now))
	if err != nil {
		f.Fatal(err)
	}
	seed := func(old, next string) { f.Add(es256, strings.Replace(string(good), old, next, 1)) }
	seed("", "")
	seed(`"aud":"ISSUER"`, `"aud":["ISSUER","shop"]`)
	seed(`"aud":"ISSUER"`, `"aud":["ISSUER"]`)
	seed(`"exp":`, `"exp":1e300,"x":`)
	seed(`"iat":`, `"iat":-1e300,"x":`)
	seed(`"exp":`, `"exp":"9999999999","x":`)
	seed(`"jti":"2f0c1a7e-0001"`, `"jti":"a\u0000b"`)
	f.Add(`{"alg":"none"}`, string(good))
	f.Add(`{"alg":"HS256","kid":"k1"}`, string(good))
	f.Add(`{"alg":"ES256","kid":"k1","crit":["x"],"x":1}`, string(good))
	f.Add(`{"alg":"ES256","kid":"k1","b64":false,"crit":["b64"]}`, string(good))
	a, issuer, sign := fuzzed(f)
	f.Fuzz(func(t *testing.T, header, payload string) {
		payload = strings.ReplaceAll(payload, "ISSUER", issuer)
		bearer := sign(t, header, payload)
		got, err := a.Receive(ask(bearer, genuineBody))
		if err != nil {
			refusedWhole(t, got, err)
			return
		}
		for _, id := range []string{got.Ref, got.Subject.Sub, got.ClientID} {
			if id == "" || len(id) > 255 || strings.ContainsAny(id, "\x00\r\n") {
				t.Fatalf("took the id %q", id)
			}
		}
		if left := got.ExpiresAt.Sub(now); left <= 0 || left > 10*time.Minute {
			t.Fatalf("users have %v", left)
		}
		if !strings.Contains(payload, issuer) {
			t.Fatalf("took what another realm signed: %s", payload)
		}
	})
}

// FuzzBearer: nothing is let in that the realm has not signed.
func FuzzBearer(f *testing.F) {
	a, issuer, sign := fuzzed(f)
	claims := fmt.Sprintf(`{"iss":%q,"aud":%q,"typ":"Bearer"}`, issuer, issuer)
	other, err := json.Marshal(tokenClaims("https://other.example", now))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", "Bearer", "Bearer a.b.c", "bearer  x", "Basic YTpi", "Bearer " + sign(f, es256, claims), "Bearer " + sign(f, es256, string(other)), "Bearer eyJhbGciOiJub25lIn0..", "Bearer {}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		r := ask("", genuineBody)
		r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {authorization}}
		got, err := a.Receive(r)
		if !errors.Is(err, op.ErrUnauthentic) {
			t.Fatalf("got %v, want %v", err, op.ErrUnauthentic)
		}
		refusedWhole(t, got, err)
	})
}
