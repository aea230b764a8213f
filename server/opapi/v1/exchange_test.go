package v1_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mitome-ciba/mitome/approval/sign"
)

const shopIssuer = "https://shop.test"

// opKey is what the OPs of the tests read their tokens with.
var opKey, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)

// opKeyFile is its public half.
func opKeyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "op.jwk")
	text := must(json.Marshal(jose.JSONWebKey{Key: &opKey.PublicKey, KeyID: "op-1", Use: "enc"}))(t)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// exchange gives a code in, as the backend of a till does.
func (w *world) exchange(key, code string) answer {
	w.t.Helper()
	return must(w.call(w.t.Context(), "POST", "/op/shop/v1/login-hint-tokens/exchange", key, "",
		m{"login_hint_token": code, "client_id": "till"}))(w.t)
}

// hintToken is what the OP reads in a token.
type hintToken struct {
	jwt.Claims
	Subject struct {
		Format string `json:"format"`
		Issuer string `json:"iss"`
		Sub    string `json:"sub"`
	} `json:"sub_id"`
	ClientID  string `json:"client_id"`
	DeviceRef string `json:"device_ref"`
}

// read does what an OP does with a login_hint_token.
func (w *world) read(token string) (claims hintToken) {
	w.t.Helper()
	jwe := must(jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{jose.ECDH_ES_A256KW}, []jose.ContentEncryption{jose.A256GCM}))(w.t)
	inner := must(jwe.Decrypt(opKey))(w.t)
	jws := must(jwt.ParseSigned(string(inner), []jose.SignatureAlgorithm{jose.ES256}))(w.t)
	if h := jws.Headers[0]; h.ExtraHeaders["typ"] != sign.HintType {
		w.t.Errorf("it is of type %v", h.ExtraHeaders["typ"])
	}
	if err := jws.Claims(w.published, &claims); err != nil {
		w.t.Fatal(err)
	}
	return claims
}

// TestExchange: a till gets for a code what its OP can read and it cannot, and the
// request that follows goes to the phone that showed the code.
func TestExchange(t *testing.T) {
	each(t, func(w *world) {
		aiko := w.user("shop", "aiko")
		shown := w.pair(aiko)
		w.pair(aiko)
		code := w.code(shown)
		var out struct {
			Token string `json:"login_hint_token"`
		}
		a := w.exchange(tillKey, code)
		if err := json.Unmarshal(a.body, &out); err != nil || a.status != 200 {
			t.Fatalf("got %d %s", a.status, a.body)
		}
		if strings.Contains(string(a.body), "aiko") || len(strings.Split(out.Token, ".")) != 5 {
			t.Errorf("the till can read %s", a.body)
		}
		got := w.read(out.Token)
		life := got.Expiry.Time().Sub(got.IssuedAt.Time())
		if got.Issuer != origin || len(got.Audience) != 1 || got.Audience[0] != shopIssuer || got.ID == "" || life <= 0 || life > time.Minute ||
			got.Subject.Format != "iss_sub" || got.Subject.Issuer != shopIssuer || got.Subject.Sub != "aiko" || got.ClientID != "till" {
			t.Errorf("got %+v", got)
		}
		r := w.ask("ref-1", with(of("aiko"), m{"device_ref": got.DeviceRef, "binding_message": "3 EUR"})).want(t, 201)
		if w.only(r.ID) != shown.ID {
			t.Errorf("it is for %q, want %q", w.only(r.ID), shown.ID)
		}
		w.exchange(tillKey, code).wantProblem(t, 400, "expired_login_hint_token", "expired_login_hint_token")
		w.exchange(tillKey, "1").wantProblem(t, 400, "unknown_user_id", "unknown_user_id")
	})
}

// TestTillsKey: it is good for the exchange, and for nothing else; the OP's own
// are for all the rest.
func TestTillsKey(t *testing.T) {
	w := newWorldOn(t, "sqlite")
	p := w.pair(w.user("shop", "aiko"))
	r := w.ask("ref", with(of("aiko"), m{"binding_message": "x"})).want(t, 201)
	one := "/op/shop/v1/requests/" + r.ID
	for _, call := range [][2]string{
		{"POST", "/op/shop/v1/requests"}, {"GET", one}, {"POST", one + "/cancel"}, {"POST", "/op/shop/v1/login-hint-tokens/resolve"},
		{"POST", "/op/shop/v1/users/resolve"}, {"POST", "/op/shop/v1/users/reachability"}, {"POST", "/op/shop/v1/users/user-code"},
	} {
		var body any
		if call[0] == "POST" {
			body = m{"login_hint_token": w.code(p), "client_id": "till", "binding_message": "x"}
		}
		must(w.call(t.Context(), call[0], call[1], tillKey, "ref-2", body))(t).wantProblem(t, 401, "unauthorized", "unauthorized_client")
	}
	code := w.code(p)
	w.exchange(shopKey, code).wantProblem(t, 401, "unauthorized", "unauthorized_client")
	w.exchange("", code).wantProblem(t, 401, "unauthorized", "unauthorized_client")
	w.resolve("shop", shopKey, code, "till").resolved(t) // those who were refused have not spent it
}
