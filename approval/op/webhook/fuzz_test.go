package webhook_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/optest"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
)

// fuzzed is a connection whose OP signs with the key that is returned.
func fuzzed(f *testing.F) (*webhook.Adapter, *ecdsa.PrivateKey) {
	key := optest.Key(f)
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{published("ec", key)}})
	if err != nil {
		f.Fatal(err)
	}
	file := filepath.Join(f.TempDir(), "jwks.json")
	if err := os.WriteFile(file, set, 0o600); err != nil {
		f.Fatal(err)
	}
	cfg := configured("http://127.0.0.1:9")
	cfg.Assertion = webhook.Assertion{Issuer: issuer, JWKSFile: file}
	d := deps()
	d.PublicURL, d.Log = "https://mitome.example", slog.New(slog.DiscardHandler)
	a, err := open(cfg, d)
	if err != nil {
		f.Fatal(err)
	}
	return a, key
}

// FuzzAssertion: whatever the OP's key has signed, what is taken is for this
// connection, has a name to be remembered by, and an end that is near.
func FuzzAssertion(f *testing.F) {
	good, err := json.Marshal(claims(map[string]any{"jti": "j1"}))
	if err != nil {
		f.Fatal(err)
	}
	const head = `{"alg":"ES256","kid":"ec"}`
	seed := func(old, next string) { f.Add(head, strings.Replace(string(good), old, next, 1)) }
	seed("", "")
	seed(`"exp":`, `"exp":1e300,"x":`)
	seed(`"iat":`, `"iat":-9e18,"x":`)
	seed(`"exp":`, `"exp":"1","x":`)
	seed(`"aud":"`+audience+`"`, `"aud":["`+audience+`","`+issuer+`"]`)
	seed(`"aud":"`+audience+`"`, `"aud":[]`)
	seed(`"jti":"j1"`, `"jti":"`+strings.Repeat("j", 256)+`"`)
	for _, h := range []string{`{"alg":"none"}`, `{"alg":"HS256","kid":"ec"}`, `{"alg":"ES256","kid":"ec","typ":"at+jwt"}`, `{"alg":"ES256","kid":"ec","typ":["JWT"]}`, `{"alg":"ES256","kid":"ec","crit":["x"],"x":1}`} {
		f.Add(h, string(good))
	}
	a, key := fuzzed(f)
	f.Fuzz(func(t *testing.T, header, payload string) {
		id, err := a.Authenticate(bearing(optest.JWS(t, key, header, payload)))
		if err != nil {
			if !errors.Is(err, op.ErrUnauthentic) || id != (webhook.Identity{}) {
				t.Fatalf("refused as %v, with %+v", err, id)
			}
			return
		}
		if id.Once == "" || len(id.Once) > 255 || !id.Until.After(now) || id.Until.After(now.Add(10*time.Minute)) {
			t.Fatalf("took %+v", id)
		}
		if !strings.Contains(header, "ES256") {
			t.Fatalf("took the algorithm of %s", header)
		}
	})
}

// FuzzAuthorization: nobody is let in who has neither a key of the OP's nor its
// signature.
func FuzzAuthorization(f *testing.F) {
	a, key := fuzzed(f)
	for _, s := range []string{"", "Bearer", "Bearer key-one ", "Bearer  key-one", "Basic a2V5LW9uZTo=", "Bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer " + optest.JWS(f, key, `{"alg":"ES256","kid":"ec"}`, `{}`)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		r := bearing("")
		r.Header["Authorization"] = []string{authorization}
		id, err := a.Authenticate(r)
		if err == nil && (id.Name == "k1" || id.Name == "k2") && (strings.HasSuffix(authorization, " key-one") || strings.HasSuffix(authorization, " key-two")) {
			return // the key itself
		}
		if !errors.Is(err, op.ErrUnauthentic) {
			t.Fatalf("%q is taken for %+v, %v", authorization, id, err)
		}
	})
}

// FuzzHint: what a hint is called by its form is one of three, and the hint itself
// stays as it came.
func FuzzHint(f *testing.F) {
	for _, s := range []string{"", "aiko", "aiko@example.org", "+81 90-1234", "+", "+1 (2)", "＋81", "\xff", " a"} {
		f.Add(s)
	}
	a, _ := fuzzed(f)
	f.Fuzz(func(t *testing.T, s string) {
		h := a.HintOf(s)
		if h.Value != s || h.Kind != "username" && h.Kind != "email" && h.Kind != "phone" {
			t.Fatalf("got %+v", h)
		}
		if h.Kind == "phone" && strings.Trim(s, "+0123456789 -().\t\n\v\f\r\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000") != "" {
			t.Fatalf("%q is no number", s)
		}
	})
}
