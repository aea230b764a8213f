package signin_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/signin"
)

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	callback := b.toOP()
	if got := w.op.asked; got.Get("max_age") != "0" || got.Get("prompt") != "login" || got.Has("acr_values") || got.Get("scope") != "openid profile email" {
		t.Errorf("asked %v", got)
	}
	r := b.get(callback)
	if r.status != 200 || r.body != "done" { // not a redirect: that would not carry a Strict cookie
		t.Fatalf("got %d %s", r.status, r.body)
	}
	if b.cookie(session.DeskCookieName) == "" || b.cookie(signin.CookieName) != "" {
		t.Errorf("cookies %v", r.cookies)
	}
	u, err := w.people.FindUser(t.Context(), device.Subject{OP: "corp", Sub: "sub-alice"})
	if err != nil || u.Name != "alice" {
		t.Fatalf("got %+v, %v", u, err)
	}
	for kind, value := range map[string]string{"username": "alice", "email": "alice@example.com"} {
		if by, err := w.people.FindUser(t.Context(), device.Subject{OP: "corp", Hint: device.Hint{Kind: kind, Value: value}}); err != nil || by.ID != u.ID {
			t.Errorf("hint %s: %v, %v", kind, by.ID, err)
		}
	}
	// The same person is the same user.
	other := w.newBrowser()
	if r := other.get(other.toOP()); r.body != "done" {
		t.Fatal(r.body)
	}
	if users, err := w.people.ListUsers(t.Context(), ""); err != nil || len(users) != 1 {
		t.Errorf("%d users, %v", len(users), err)
	}
	for _, secret := range []string{clientSecret, b.cookie(session.DeskCookieName), url.QueryEscape(clientSecret)} {
		if strings.Contains(w.log.String(), secret) {
			t.Error("a secret is in the log")
		}
	}
}

func TestStateCookie(t *testing.T) {
	w := newWorld(t)
	r := w.newBrowser().get("/signin/corp")
	if len(r.cookies) != 1 {
		t.Fatalf("cookies %v", r.cookies)
	}
	c := r.cookies[0]
	if err := c.Valid(); err != nil || c.Name != signin.CookieName || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode ||
		c.Path != "/" || c.Domain != "" || c.MaxAge != 600 {
		t.Errorf("%v, %v", c, err)
	}
	q, err := url.Parse(r.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state", "nonce"} {
		if strings.Contains(string(raw), q.Query().Get(name)) || strings.Contains(c.Value, q.Query().Get(name)) {
			t.Errorf("the %s can be read in the cookie", name)
		}
	}
}

// TestUsers: what becomes of the claims that a user is made of.
func TestUsers(t *testing.T) {
	w := newWorld(t)
	taken, err := w.people.AddUser(t.Context(), device.User{OP: "corp", Subject: "sub-bob", Name: "bob"}, device.Mitome)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.people.AddHint(t.Context(), taken.ID, device.Hint{Kind: "username", Value: "bob"}, device.Mitome); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		claims map[string]any
		want   string // name
		hinted bool   // her e-mail means her
	}{
		"all":                          {nil, "alice", true},
		"no user name":                 {map[string]any{"preferred_username": nil}, "Alice Example", true},
		"a user name not to be shown":  {map[string]any{"preferred_username": "al\u202eice"}, "Alice Example", true},
		"no name to be shown":          {map[string]any{"preferred_username": "\u202e", "name": "\u0007"}, "", true},
		"no name":                      {map[string]any{"preferred_username": nil, "name": nil}, "", true},
		"address not verified":         {map[string]any{"email_verified": false}, "alice", false},
		"address of which nobody says": {map[string]any{"email_verified": nil}, "alice", false},
		"verified, in a word":          {map[string]any{"email_verified": "true"}, "alice", true},
		"not verified, in a word":      {map[string]any{"email_verified": "false"}, "alice", false},
		"a name that means another":    {map[string]any{"preferred_username": "bob"}, "bob", true},
	} {
		t.Run(name, func(t *testing.T) {
			w.advance(time.Minute)
			w.op.honest()
			sub, mail := "sub-"+name, strings.ReplaceAll(name, " ", ".")+"@example.com"
			w.op.claims = map[string]any{"sub": sub, "email": mail}
			for k, v := range tt.claims {
				w.op.claims[k] = v
			}
			b := w.newBrowser()
			if r := b.get(b.toOP()); r.body != "done" {
				t.Fatal(r.body)
			}
			u, err := w.people.FindUser(t.Context(), device.Subject{OP: "corp", Sub: sub})
			if err != nil || u.Name != tt.want {
				t.Errorf("got %+v, %v", u, err)
			}
			by, err := w.people.FindUser(t.Context(), device.Subject{OP: "corp", Hint: device.Hint{Kind: "email", Value: mail}})
			if tt.hinted != (err == nil && by.ID == u.ID) {
				t.Errorf("her address finds %s, %v", by.ID, err)
			}
		})
	}
	bob, err := w.people.FindUser(t.Context(), device.Subject{OP: "corp", Hint: device.Hint{Kind: "username", Value: "bob"}})
	if err != nil || bob.ID != taken.ID {
		t.Errorf("somebody took over bob's name: %+v, %v", bob, err)
	}
}

// refused checks that a sign-in came to nothing: a page that says so, nobody at a
// desk, no user made, and a line in the audit log.
func (w *world) refused(t *testing.T, b *browser, r reply, code string) {
	t.Helper()
	if r.status != http.StatusTeapot || r.body != "failed "+code {
		t.Errorf("got %d %s, want %s", r.status, r.body, code)
	}
	if b.cookie(session.DeskCookieName) != "" {
		t.Error("a desk was opened")
	}
	if r.header.Get("Location") != "" {
		t.Error("the browser was sent on")
	}
	if users, err := w.people.ListUsers(t.Context(), ""); err != nil || len(users) != 0 {
		t.Errorf("%d users, %v", len(users), err)
	}
	if said := w.refusals(); !slices.Equal(said, []string{code}) {
		t.Errorf("audited %v", said)
	}
}

// TestGoodTokens: what may differ and is taken.
func TestGoodTokens(t *testing.T) {
	w := newWorld(t)
	w.provider.ACRValues = []string{"phr", "mfa"}
	for name, claims := range map[string]map[string]any{
		"honest":                    {},
		"second best acr":           {"acr": "mfa"},
		"signed in while we waited": {"auth_time": w.now().Add(-20 * time.Second).Unix()},
		"audience list with azp":    {"aud": []string{clientID, "other"}, "azp": clientID},
	} {
		w.op.claims = claims
		b := w.newBrowser()
		if r := b.get(b.toOP()); r.body != "done" {
			t.Errorf("%s: got %s", name, r.body)
		}
	}
}

// TestBadTokens: each thing that an ID token may have wrong.
func TestBadTokens(t *testing.T) {
	w := newWorld(t)
	w.provider.ACRValues = []string{"phr", "mfa"}
	stranger := newOP(t, w.now)
	unix := func(d time.Duration) int64 { return w.now().Add(d).Unix() }
	claim := func(k string, v any) func() { return func() { w.op.claims = map[string]any{k: v} } }
	tests := map[string]struct {
		lie  func()
		want string
	}{
		"another nonce":               {claim("nonce", "x"), signin.CodeToken},
		"no nonce":                    {claim("nonce", nil), signin.CodeToken},
		"another audience":            {claim("aud", "other"), signin.CodeToken},
		"no audience":                 {claim("aud", nil), signin.CodeToken},
		"several audiences, no azp":   {claim("aud", []string{clientID, "other"}), signin.CodeToken},
		"authorized for another":      {claim("azp", "other"), signin.CodeToken},
		"another issuer":              {claim("iss", "https://evil.test"), signin.CodeToken},
		"over":                        {func() { w.op.claims = map[string]any{"exp": unix(-time.Hour)} }, signin.CodeToken},
		"without end":                 {claim("exp", nil), signin.CodeToken},
		"nobody's":                    {claim("sub", nil), signin.CodeToken},
		"empty subject":               {claim("sub", ""), signin.CodeToken},
		"long subject":                {claim("sub", strings.Repeat("s", 256)), signin.CodeToken},
		"mistyped claims":             {claim("auth_time", "now"), signin.CodeToken},
		"signed by another":           {func() { w.op.sign = func(b []byte) string { return signed(t, stranger.key, jose.ES256, b) } }, signin.CodeToken},
		"signed with our secret":      {func() { w.op.sign = hmacWith(t, clientSecret) }, signin.CodeToken},
		"not signed":                  {func() { w.op.sign = unsigned }, signin.CodeToken},
		"not a token":                 {func() { w.op.sign = func([]byte) string { return "x" } }, signin.CodeToken},
		"no word of when":             {claim("auth_time", nil), signin.CodeStale},
		"signed in before":            {func() { w.op.claims = map[string]any{"auth_time": unix(-2 * time.Minute)} }, signin.CodeStale},
		"when is zero":                {claim("auth_time", 0), signin.CodeStale},
		"signed in in the future":     {func() { w.op.claims = map[string]any{"auth_time": unix(5 * time.Minute)} }, signin.CodeToken},
		"acr not reached":             {claim("acr", "pwd"), signin.CodeACR},
		"no acr":                      {claim("acr", nil), signin.CodeACR},
		"token endpoint says no":      {func() { w.op.token = status(400) }, signin.CodeOPError},
		"token endpoint fails":        {func() { w.op.token = status(500) }, signin.CodeOPError},
		"token endpoint sends away":   {func() { w.op.token = away }, signin.CodeOPError},
		"token endpoint hangs up":     {func() { w.op.token = hangUp }, signin.CodeUnreachable},
		"answer without an ID token":  {func() { w.op.token = text(`{"access_token":"a","token_type":"Bearer"}`) }, signin.CodeToken},
		"answer without any token":    {func() { w.op.token = text(`{}`) }, signin.CodeUnreachable},
		"ID token is not text":        {func() { w.op.token = text(`{"access_token":"a","id_token":7}`) }, signin.CodeToken},
		"answer of another issuer":    {func() { w.op.answer = url.Values{"iss": {"https://evil.test"}} }, signin.CodeToken},
		"answer of no issuer":         {func() { w.op.answer = url.Values{"iss": nil} }, signin.CodeToken},
		"answer of an empty issuer":   {func() { w.op.answer = url.Values{"iss": {""}} }, signin.CodeToken},
		"answer without a code":       {func() { w.op.answer = url.Values{"code": nil} }, signin.CodeOPError},
		"answer with two codes":       {func() { w.op.answer = url.Values{"code": {"a", "b"}} }, signin.CodeOPError},
		"she said no":                 {func() { w.op.answer = url.Values{"error": {"access_denied"}} }, signin.CodeRefused},
		"the OP has a fault":          {func() { w.op.answer = url.Values{"error": {"server_error"}} }, signin.CodeOPError},
		"an error of a stranger's":    {func() { w.op.answer = url.Values{"error": {"<script>"}} }, signin.CodeOPError},
		"another state":               {func() { w.op.answer = url.Values{"state": {"x"}} }, signin.CodeNoState},
		"no state":                    {func() { w.op.answer = url.Values{"state": nil} }, signin.CodeNoState},
		"state, and one more of them": {func() { w.op.answer = url.Values{"state": {"x", "y"}} }, signin.CodeNoState},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w.advance(time.Minute)
			w.op.honest()
			tt.lie()
			b := w.newBrowser()
			w.refused(t, b, b.get(b.toOP()), tt.want)
		})
	}
	if asked := w.op.asked.Get("acr_values"); asked != "phr mfa" {
		t.Errorf("asked for %q", asked)
	}
}

// TestInternalURL: the browser goes to the issuer's address, Mitome another way,
// and calls the OP by its name there.
func TestInternalURL(t *testing.T) {
	w := newWorld(t)
	w.op.issuer = "http://op.invalid:8180"
	w.provider.Issuer, w.provider.InternalURL = w.op.issuer, w.op.url
	b := w.newBrowser()
	if r := b.get(b.toOP()); r.body != "done" {
		t.Errorf("got %s", r.body)
	}
}

// TestMaxAge: a sign-in of a while ago is taken where the operator says so.
func TestMaxAge(t *testing.T) {
	w := newWorld(t)
	w.provider.MaxAge = 5 * time.Minute
	for age, want := range map[time.Duration]string{4 * time.Minute: "done", 6 * time.Minute: "failed " + signin.CodeStale} {
		w.op.claims = map[string]any{"auth_time": w.now().Add(-age).Unix()}
		b := w.newBrowser()
		if r := b.get(b.toOP()); r.body != want {
			t.Errorf("%v ago: got %s, want %s", age, r.body, want)
		}
	}
	if got := w.op.asked; got.Get("max_age") != "300" || got.Has("prompt") {
		t.Errorf("asked %v", got)
	}
}

// TestDown: an OP that is gone is a page, and no more.
func TestDown(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	callback := b.toOP()
	w.provider.Client.Transport = down{}
	w.refused(t, b, b.get(callback), signin.CodeUnreachable)
}

type down struct{}

func (down) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }

func hmacWith(t *testing.T, secret string) func([]byte) string {
	return func(b []byte) string { return signed(t, []byte(secret), jose.HS256, b) }
}

func unsigned(b []byte) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + enc(b) + "."
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		w.Write([]byte(`{"error":"invalid_grant","error_description":"a story"}`))
	}
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(body))
	}
}

func away(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "http://evil.invalid/", http.StatusTemporaryRedirect)
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
