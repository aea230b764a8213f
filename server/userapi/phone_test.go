package userapi_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// phone is a caller with a key of its own and, once paired, a token and passkeys.
type phone struct {
	w        *world
	key      *ecdsa.PrivateKey
	token    string
	browser  bool                                 // a cookie in place of key and token
	cookie   string                               // "name=value"; empty if it has none
	passkeys map[string]*devicetest.Authenticator // by OP
	device   device.Device                        // the latest
}

func (w *world) newPhone() *phone {
	return &phone{
		w: w, key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(w.t),
		passkeys: map[string]*devicetest.Authenticator{},
	}
}

// call is one request in the making.
type call struct {
	method, path string
	body         any // marshalled, or as it is if it is a string
	kind         string
	header       http.Header // replaces what an honest phone sends
}

// answer is what came of it.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// proof is an honest DPoP proof.
func (p *phone) proof(method, path, token string) string {
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key},
		&jose.SignerOptions{EmbedJWK: true, ExtraHeaders: map[jose.HeaderKey]any{"typ": "dpop+jwt"}}))(p.w.t)
	path, _, _ = strings.Cut(path, "?")
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": p.w.url + path, "iat": p.w.now().Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	jws := must(signer.Sign(must(json.Marshal(claims))(p.w.t)))(p.w.t)
	return must(jws.CompactSerialize())(p.w.t)
}

// headers are what an honest phone sends.
func (p *phone) headers(method, path string) http.Header {
	if p.browser {
		h := http.Header{"Origin": {p.w.url}, "Sec-Fetch-Site": {"same-origin"}}
		if p.cookie != "" {
			h.Set("Cookie", p.cookie)
		}
		return h
	}
	h := http.Header{"DPoP": {p.proof(method, path, p.token)}}
	if p.token != "" {
		h.Set("Authorization", "DPoP "+p.token)
	}
	return h
}

func (p *phone) do(method, path string, body any) answer {
	p.w.t.Helper()
	return p.send(call{method: method, path: path, body: body})
}

func (p *phone) send(c call) answer {
	p.w.t.Helper()
	var body io.Reader
	if s, ok := c.body.(string); ok {
		body = strings.NewReader(s)
	} else if c.body != nil {
		body = bytes.NewReader(must(json.Marshal(c.body))(p.w.t))
	}
	r := must(http.NewRequestWithContext(p.w.t.Context(), c.method, p.w.url+c.path, body))(p.w.t)
	if c.header == nil {
		c.header = p.headers(c.method, c.path)
	}
	r.Header = maps.Clone(c.header)
	if c.kind == "" {
		c.kind = "application/json"
	}
	if body != nil {
		r.Header.Set("Content-Type", c.kind)
	}
	resp := must(http.DefaultClient.Do(r))(p.w.t)
	defer resp.Body.Close()
	a := answer{resp.StatusCode, resp.Header, must(io.ReadAll(resp.Body))(p.w.t)}
	p.keep(resp.Cookies())
	p.w.noLeak(a)
	return a
}

// keep does with cookies what a browser does.
func (p *phone) keep(cookies []*http.Cookie) {
	for _, c := range cookies {
		if !p.browser {
			p.w.t.Errorf("an app was given the cookie %s", c.Name)
		}
		if p.cookie = c.Name + "=" + c.Value; c.MaxAge < 0 {
			p.cookie = ""
		}
	}
}

// noLeak checks an answer for what must stay inside.
func (w *world) noLeak(a answer) {
	w.t.Helper()
	for _, s := range w.secrets {
		if bytes.Contains(a.body, []byte(s)) {
			w.t.Errorf("an answer holds %q: %s", s, a)
		}
	}
}

// want decodes the answer, which must have that status.
func (a answer) want(t *testing.T, status int, into any) {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %v, want %d", a, status)
	}
	if into == nil {
		return
	}
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%v in %v", err, a)
	}
}

// wantProblem checks that the answer is that refusal and nothing else.
func (a answer) wantProblem(t *testing.T, status int, typ string) {
	t.Helper()
	var p struct{ Type, Title string }
	if err := json.Unmarshal(a.body, &p); err != nil || a.status != status || p.Type != "urn:mitome:"+typ {
		t.Errorf("got %v, want %d %s", a, status, typ)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
}

// must ends the test on an error; it is called as must(f())(t).
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// claimed is the answer to a claim.
type claimed struct {
	ID          string    `json:"id"`
	State       string    `json:"state"`
	MatchCode   string    `json:"match_code"`
	AccessToken string    `json:"access_token"`
	TokenType   string    `json:"token_type"`
	ExpiresAt   time.Time `json:"expires_at"`
}

func (p *phone) claim(offer device.Offer) claimed {
	p.w.t.Helper()
	var out claimed
	p.do("POST", "/v1/pairings/claim", map[string]string{"secret": string(offer.Secret), "device_name": "Pixel"}).
		want(p.w.t, 201, &out)
	if out.AccessToken != "" {
		p.token = out.AccessToken
	}
	return out
}

// options are WebAuthn options as an answer wraps them.
type options struct {
	Options json.RawMessage `json:"options"`
	View    string          `json:"view"`
}

// paired is the answer to the end of a pairing.
type paired struct {
	Device listed `json:"device"`
}

// listed is a device as its user sees it.
type listed struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	OP        string     `json:"op"`
	UserName  string     `json:"user_name"`
	State     string     `json:"state"`
	This      bool       `json:"this"`
	CreatedAt time.Time  `json:"created_at"`
	ActiveAt  *time.Time `json:"active_at"`
	UsedAt    *time.Time `json:"used_at"`

	DoubtfulSince *time.Time `json:"doubtful_since"`
}

// pair takes p through a whole pairing with a new user of op.
func (p *phone) pair(op, sub string) device.User {
	p.w.t.Helper()
	u, offer := p.w.offer(op, sub)
	c := p.claim(offer)
	by := device.Actor{Kind: device.ActorAdmin, ID: "root"}
	if _, err := p.w.devices.Confirm(p.w.t.Context(), device.EnrollmentID(c.ID), c.MatchCode, by); err != nil {
		p.w.t.Fatal(err)
	}
	p.finish(op, c.ID)
	return u
}

// finish makes the passkey of a confirmed pairing.
func (p *phone) finish(op, pairing string) paired {
	p.w.t.Helper()
	var o options
	p.do("POST", "/v1/pairings/"+pairing+"/passkey/options", nil).want(p.w.t, 200, &o)
	passkey := devicetest.NewAuthenticator(p.w.t, rpID, origin, devicetest.ES256)
	p.passkeys[op] = passkey
	var out paired
	p.do("POST", "/v1/pairings/"+pairing+"/passkey",
		map[string]json.RawMessage{"credential": passkey.Create(p.w.t, o.Options)}).want(p.w.t, 201, &out)
	p.device = must(p.w.db.Device(p.w.t.Context(), device.DeviceID(out.Device.ID)))(p.w.t)
	return out
}

// requests is the list of what waits.
type requests struct {
	Requests []request `json:"requests"`
}

type request struct {
	ID        string    `json:"id"`
	OP        string    `json:"op"`
	State     string    `json:"state"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	View      string    `json:"view"`
	Decision  *struct {
		Verdict    string    `json:"verdict"`
		Reason     string    `json:"reason"`
		How        string    `json:"how"`
		Frozen     time.Time `json:"frozen_until"`
		At         time.Time `json:"at"`
		DeviceName string    `json:"device_name"`
		This       bool      `json:"this"`
	} `json:"decision"`
}

// list returns the ids of what waits for p.
func (p *phone) list() (ids []string) {
	p.w.t.Helper()
	var out requests
	p.do("GET", "/v1/requests", nil).want(p.w.t, 200, &out)
	for _, r := range out.Requests {
		ids = append(ids, r.ID)
	}
	return slices.Sorted(slices.Values(ids))
}
