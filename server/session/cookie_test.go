package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
)

// browse is a call of a browser with these cookies ("name=value").
func browse(method string, header http.Header, cookies ...string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	if header != nil {
		r.Header = header.Clone()
	}
	for _, c := range cookies {
		r.Header.Add("Cookie", c)
	}
	return r
}

// page is what a browser says of a call by a page of ours.
func page(pairs ...string) http.Header {
	h := http.Header{"Origin": {publicURL}, "Sec-Fetch-Site": {"same-origin"}}
	for i := 0; i < len(pairs); i += 2 {
		if h.Del(pairs[i]); pairs[i+1] != "" {
			h.Set(pairs[i], pairs[i+1])
		}
	}
	return h
}

// browser makes a session for a browser and returns its cookie.
func browser(t *testing.T, k *session.Keeper) (session.Session, string) {
	t.Helper()
	token, s, err := k.Issue(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return s, session.CookieName + "=" + token
}

func TestCookie(t *testing.T) {
	keeper, _ := newKeeper(t)
	token, s := keeper.New("")
	for name, c := range map[string]*http.Cookie{"given": keeper.Cookie(token, s), "taken": session.NoCookie(session.CookieName)} {
		if err := c.Valid(); err != nil || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("%s: %v, %v", name, c, err)
		}
		if given := name == "given"; given != (c.MaxAge > 0) || given != (c.Value == token) || c.MaxAge > 400*24*3600 {
			t.Errorf("%s: %d seconds", name, c.MaxAge)
		}
	}
}

func TestBrowserSession(t *testing.T) {
	keeper, c := newKeeper(t)
	want, cookie := browser(t, keeper)
	token := strings.TrimPrefix(cookie, session.CookieName+"=")
	k := newKey(t)
	_, app, err := keeper.Issue(t.Context(), k.jkt(t))
	if err != nil {
		t.Fatal(err)
	}
	bound, _, err := keeper.Issue(t.Context(), k.jkt(t))
	if err != nil {
		t.Fatal(err)
	}
	upgrade := page("Upgrade", "websocket", "Connection", "Upgrade")
	tests := []struct {
		name string
		r    *http.Request
		want error
	}{
		{"read", browse("GET", nil, cookie), nil},
		{"head", browse("HEAD", nil, cookie), nil},
		{"read for another site's page, which will not see it", browse("GET", page("Sec-Fetch-Site", "same-site"), cookie), nil},
		{"write by our page", browse("POST", page(), cookie), nil},
		{"beside other cookies", browse("POST", page(), "a=b; "+cookie+"; c=d"), nil},
		{"write without origin", browse("POST", page("Origin", ""), cookie), session.ErrCrossSite},
		{"write without word of the site", browse("POST", page("Sec-Fetch-Site", ""), cookie), session.ErrCrossSite},
		{"write that says nothing", browse("DELETE", nil, cookie), session.ErrCrossSite},
		{"another site", browse("POST", page("Sec-Fetch-Site", "cross-site"), cookie), session.ErrCrossSite},
		{"another port or host of this site", browse("PUT", page("Sec-Fetch-Site", "same-site"), cookie), session.ErrCrossSite},
		{"typed into the address bar", browse("PATCH", page("Sec-Fetch-Site", "none"), cookie), session.ErrCrossSite},
		{"another origin", browse("POST", page("Origin", "https://evil.test"), cookie), session.ErrCrossSite},
		{"another port", browse("POST", page("Origin", publicURL+":8443"), cookie), session.ErrCrossSite},
		{"another scheme", browse("POST", page("Origin", "http://mitome.test"), cookie), session.ErrCrossSite},
		{"a longer name", browse("POST", page("Origin", publicURL+".evil.test"), cookie), session.ErrCrossSite},
		{"null origin", browse("POST", page("Origin", "null"), cookie), session.ErrCrossSite},
		{"two origins", browse("POST", http.Header{"Origin": {publicURL, publicURL}, "Sec-Fetch-Site": {"same-origin"}}, cookie), session.ErrCrossSite},
		{"unknown method", browse("BREW", nil, cookie), session.ErrCrossSite},
		{"socket of our page", browse("GET", upgrade, cookie), nil},
		{"socket, in a browser that names the origin alone", browse("GET", page("Upgrade", "websocket", "Sec-Fetch-Site", ""), cookie), nil},
		{"socket of another site", browse("GET", page("Upgrade", "websocket", "Origin", "https://evil.test", "Sec-Fetch-Site", ""), cookie), session.ErrCrossSite},
		{"socket that says cross-site", browse("GET", page("Upgrade", "websocket", "Sec-Fetch-Site", "cross-site"), cookie), session.ErrCrossSite},
		{"socket without origin", browse("GET", http.Header{"Upgrade": {"websocket"}}, cookie), session.ErrCrossSite},
		{"no cookie", browse("GET", nil), session.ErrUnauthorized},
		{"no cookie, and a write from elsewhere", browse("POST", nil), session.ErrUnauthorized},
		{"two of them", browse("GET", nil, cookie, cookie), session.ErrUnauthorized},
		{"another name", browse("GET", nil, "mitome="+token), session.ErrUnauthorized},
		{"name without its prefix's case", browse("GET", nil, "__host-mitome="+token), session.ErrUnauthorized},
		{"the desk's", browse("GET", nil, session.DeskCookieName+"="+token), session.ErrUnauthorized},
		{"cut off", browse("GET", nil, cookie[:len(cookie)-1]), session.ErrUnauthorized},
		{"unknown", browse("GET", nil, session.CookieName+"="+strings.Repeat("A", 43)), session.ErrUnauthorized},
		{"the hash, as it is stored", browse("GET", nil, session.CookieName+"="+string(want.ID)[:43]), session.ErrUnauthorized},
		{"a token that is bound to a key", browse("GET", nil, session.CookieName+"="+bound), session.ErrUnauthorized},
		{"beside an authorization that fails", browse("GET", http.Header{"Authorization": {"Bearer x"}}, cookie), session.ErrUnauthorized},
		{"beside a proof without a token", browse("GET", http.Header{"Dpop": {k.make(t, "GET", publicURL+path, "", c.now())}}, cookie), session.ErrUnauthorized},
		{"cookie's token with a proof", call("GET", path, token, k.make(t, "GET", publicURL+path, token, c.now())), session.ErrUnauthorized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := keeper.Authenticate(tt.r)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if (err == nil) != (got.ID == want.ID) || got.ID == app.ID {
				t.Errorf("got session %q", got.ID)
			}
		})
	}
	t.Run("an app's call counts, whatever cookie comes along", func(t *testing.T) {
		r := call("GET", path, bound, k.make(t, "GET", publicURL+path, bound, c.now()))
		r.Header.Set("Cookie", cookie)
		if s, err := keeper.Authenticate(r); err != nil || s.JKT == "" {
			t.Errorf("got %+v, %v", s, err)
		}
	})
	c.advance(session.DefaultLife)
	if _, err := keeper.Authenticate(browse("GET", nil, cookie)); !errors.Is(err, session.ErrUnauthorized) {
		t.Errorf("over: got %v", err)
	}
}

func TestPeek(t *testing.T) {
	keeper, _ := newKeeper(t)
	want, cookie := browser(t, keeper)
	for name, tt := range map[string]struct {
		r  *http.Request
		ok bool
	}{
		"page":           {browse("GET", http.Header{"Sec-Fetch-Site": {"none"}}, cookie), true},
		"form":           {browse("POST", page(), cookie), false},
		"nobody":         {browse("GET", nil), false},
		"an app's call":  {browse("GET", http.Header{"Authorization": {"DPoP x"}}, cookie), false},
		"socket":         {browse("GET", page("Upgrade", "websocket"), cookie), false},
		"unknown cookie": {browse("GET", nil, session.CookieName+"="+strings.Repeat("A", 43)), false},
	} {
		if s, ok := keeper.Peek(tt.r); ok != tt.ok || ok && s.ID != want.ID {
			t.Errorf("%s: got %v", name, ok)
		}
	}
}

// TestOriginOfPublicURL: browsers write an origin in one way, operators do not.
func TestOriginOfPublicURL(t *testing.T) {
	keeper, _ := newKeeper(t)
	for public, origin := range map[string]string{
		"https://Mitome.test":          "https://mitome.test",
		"https://mitome.test:443":      "https://mitome.test",
		"http://localhost:80":          "http://localhost",
		"http://mitome.localhost:8080": "http://mitome.localhost:8080",
		"https://mitome.test/path":     "https://mitome.test",
		"https://mitome.test:80":       "https://mitome.test:80",
	} {
		keeper.PublicURL = public
		if err := keeper.SameOrigin(browse("POST", page("Origin", origin))); err != nil {
			t.Errorf("%s called from %s: %v", public, origin, err)
		}
		if err := keeper.SameOrigin(browse("POST", page("Origin", origin+"0"))); !errors.Is(err, session.ErrCrossSite) {
			t.Errorf("%s called from %s0: %v", public, origin, err)
		}
	}
}

func TestDesk(t *testing.T) {
	keeper, c := newKeeper(t)
	db := keeper.Store.(*store.DB)
	keeper.Desks = db // its clock is the real one: it is the keeper's word that ends a desk here
	u := device.User{ID: "U1", OP: "corp", Subject: "s"}
	if err := db.CreateUser(t.Context(), u, device.Mitome); err != nil {
		t.Fatal(err)
	}
	given, want, err := keeper.OpenDesk(t.Context(), session.Desk{User: u.ID, OP: "corp", AuthTime: c.now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := given.Valid(); err != nil || !given.Secure || !given.HttpOnly || given.SameSite != http.SameSiteStrictMode ||
		given.Name != session.DeskCookieName || given.MaxAge != 600 || given.Path != "/" {
		t.Errorf("%v, %v", given, err)
	}
	_, device := browser(t, keeper)
	desk := given.Name + "=" + given.Value
	ask := func(r *http.Request) (got session.Desk, err error) {
		e := gin.New()
		e.Any("/*any", session.RequireDesk(keeper, func(_ *gin.Context, f error) { err = f }), func(c *gin.Context) {
			got, _ = session.DeskFrom(c.Request.Context())
			if _, also := session.From(c.Request.Context()); also {
				t.Error("a desk is a session, too")
			}
		})
		e.ServeHTTP(httptest.NewRecorder(), r)
		return got, err
	}
	for name, tt := range map[string]struct {
		r    *http.Request
		want error
	}{
		"read":                   {browse("GET", nil, desk), nil},
		"write":                  {browse("POST", page(), desk), nil},
		"write from elsewhere":   {browse("POST", page("Origin", "https://evil.test"), desk), session.ErrCrossSite},
		"write of a sister site": {browse("POST", page("Sec-Fetch-Site", "same-site"), desk), session.ErrCrossSite},
		"nobody":                 {browse("GET", nil), session.ErrUnauthorized},
		"a device's session":     {browse("GET", nil, device), session.ErrUnauthorized},
		"its token as a desk":    {browse("GET", nil, strings.Replace(device, session.CookieName, session.DeskCookieName, 1)), session.ErrUnauthorized},
		"the desk's as a device": {browse("GET", nil, session.CookieName+"="+given.Value), session.ErrUnauthorized},
	} {
		got, err := ask(tt.r)
		if !errors.Is(err, tt.want) || (err == nil) != (got.ID == want.ID) {
			t.Errorf("%s: got %q, %v, want %v", name, got.ID, err, tt.want)
		}
		if _, ok := keeper.PeekDesk(tt.r); ok != (tt.want == nil && tt.r.Method == "GET") {
			t.Errorf("%s: peeked %v", name, ok)
		}
	}
	if _, err := keeper.Authenticate(browse("GET", nil, session.CookieName+"="+given.Value)); !errors.Is(err, session.ErrUnauthorized) {
		t.Errorf("a desk's token opened a session: %v", err)
	}
	c.advance(session.DeskLife - time.Second)
	if _, err := ask(browse("GET", nil, desk)); err != nil {
		t.Error(err)
	}
	c.advance(time.Second)
	if _, err := ask(browse("GET", nil, desk)); !errors.Is(err, session.ErrUnauthorized) {
		t.Errorf("over: got %v", err)
	}
}
