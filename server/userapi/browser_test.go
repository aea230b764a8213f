package userapi_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

func (w *world) newBrowser() *phone {
	p := w.newPhone()
	p.browser = true
	return p
}

// TestBrowser: a whole life with a cookie in place of a key.
func TestBrowser(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	alice := b.pair("corp", "alice")
	if name, _, _ := strings.Cut(b.cookie, "="); name != "__Host-mitome" {
		t.Fatalf("cookie %q", name)
	}
	first := b.cookie
	bob := b.pair("bank", "bob")
	if b.cookie != first {
		t.Error("the second claim made another session")
	}
	one, two := w.ask(alice, ""), w.ask(bob, "")
	if got, want := b.list(), sorted(one.ID, two.ID); !slices.Equal(got, want) {
		t.Errorf("requests: %v, want %v", got, want)
	}
	b.approve(one.ID, "corp", "").want(t, 200, nil)
	b.do("POST", "/v1/requests/"+string(two.ID)+"/decision", map[string]any{"verdict": "deny"}).want(t, 200, nil)
	b.do("DELETE", "/v1/session", nil).want(t, 204, nil)
	if b.cookie != "" {
		t.Error("the cookie was left")
	}
	b.cookie = first
	b.do("GET", "/v1/requests", nil).wantProblem(t, 401, "unauthorized")
	if d := must(w.db.Device(t.Context(), b.device.ID))(t); d.State != device.Active {
		t.Errorf("signing out made the device %s", d.State)
	}
}

// TestClaimInBrowser: what a claim gives to whom.
func TestClaimInBrowser(t *testing.T) {
	w := newWorld(t)
	claim := func(p *phone, h http.Header) (answer, device.Offer) {
		w.advance(3 * time.Second)
		_, offer := w.offer("corp", strings.ToLower(time.Now().Format("u150405.000000000")))
		body := map[string]string{"secret": string(offer.Secret), "device_name": "Pixel"}
		return p.send(call{method: "POST", path: "/v1/pairings/claim", body: body, header: h}), offer
	}
	b := w.newBrowser()
	a, _ := claim(b, nil)
	a.want(t, 201, nil)
	if set := a.header.Get("Set-Cookie"); !strings.Contains(set, "; HttpOnly; Secure; SameSite=Strict") || !strings.Contains(set, "Path=/; ") {
		t.Errorf("Set-Cookie: %s", set)
	}
	if token := strings.TrimPrefix(b.cookie, "__Host-mitome="); strings.Contains(string(a.body), token) || strings.Contains(string(a.body), "access_token") {
		t.Error("a script could read the token")
	}
	if strings.Contains(w.log.String(), strings.TrimPrefix(b.cookie, "__Host-mitome=")) {
		t.Error("the token is in the log")
	}
	t.Run("a cookie that is over is replaced", func(t *testing.T) {
		old := &phone{w: w, browser: true, cookie: "__Host-mitome=" + strings.Repeat("A", 43)}
		a, _ := claim(old, nil)
		if a.want(t, 201, nil); strings.HasSuffix(old.cookie, strings.Repeat("A", 43)) {
			t.Error("no cookie was given")
		}
	})
	t.Run("an app's proof counts, not the cookie that came along", func(t *testing.T) {
		p := w.newPhone()
		h := p.headers("POST", "/v1/pairings/claim")
		h.Set("Cookie", b.cookie)
		h.Set("Origin", w.url)
		h.Set("Sec-Fetch-Site", "same-origin")
		a, _ := claim(p, h)
		if a.want(t, 201, nil); a.header.Get("Set-Cookie") != "" || !strings.Contains(string(a.body), `"token_type":"DPoP"`) {
			t.Errorf("got %v", a)
		}
	})
	calls := foreign(w, b.cookie)
	for name, h := range foreign(w, "") {
		calls[name+", a stranger"] = h
	}
	for name, h := range calls {
		t.Run(name, func(t *testing.T) {
			before := w.rows(`SELECT id, state FROM enrollments WHERE state <> 'offered' ORDER BY id`)
			a, _ := claim(b, h)
			a.wantProblem(t, 403, "cross_site")
			if after := w.rows(`SELECT id, state FROM enrollments WHERE state <> 'offered' ORDER BY id`); !slices.Equal(before, after) {
				t.Error("it was claimed")
			}
		})
	}
}

// foreign is what a browser says of calls that no page of ours made.
func foreign(w *world, cookie string) map[string]http.Header {
	out := map[string]http.Header{
		"another site":       {"Origin": {"https://evil.test"}, "Sec-Fetch-Site": {"cross-site"}},
		"a sister site":      {"Origin": {"https://www.mitome.test"}, "Sec-Fetch-Site": {"same-site"}},
		"another port":       {"Origin": {w.url + "0"}, "Sec-Fetch-Site": {"same-site"}},
		"a sandboxed frame":  {"Origin": {"null"}, "Sec-Fetch-Site": {"cross-site"}},
		"origin alone":       {"Origin": {w.url}},
		"site alone":         {"Sec-Fetch-Site": {"same-origin"}},
		"origin of another":  {"Origin": {"https://evil.test"}, "Sec-Fetch-Site": {"same-origin"}},
		"the right one, too": {"Origin": {w.url, "https://evil.test"}, "Sec-Fetch-Site": {"same-origin"}},
	}
	for _, h := range out {
		if cookie != "" {
			h.Set("Cookie", cookie)
		}
	}
	return out
}

// TestCrossSite: on every route that changes something, a call that another
// site's page made is refused, whoever is signed in, and changes nothing.
func TestCrossSite(t *testing.T) {
	s := newStage(t)
	b := s.newBrowser()
	b.pair("corp", "carol")
	for _, r := range routes {
		if r.method == "GET" {
			continue
		}
		for name, h := range foreign(s.world, b.cookie) {
			t.Run(r.name()+"/"+name, func(t *testing.T) {
				c := call{method: r.method, path: r.at(s.ids[r.id]), header: h}
				if r.body != nil {
					c.body = r.body
				}
				a := s.unharmed(t, b, c)
				a.wantProblem(t, 403, "cross_site")
				if a.header.Get("Set-Cookie") != "" {
					t.Error("a cookie was set")
				}
			})
		}
	}
}

// TestCookieOfNobody: on every route that needs a session a page without one is
// refused, and one with a made-up cookie alike.
func TestCookieOfNobody(t *testing.T) {
	s := newStage(t)
	for _, r := range routes {
		if r.open || r.path == "/v1/pairings/claim" {
			continue
		}
		for _, cookie := range []string{
			"", "__Host-mitome=" + strings.Repeat("A", 43), "__Host-mitome=x", "__Host-mitome=" + s.alice.token,
			"__Host-mitome-desk=" + strings.Repeat("A", 43), "mitome=" + s.alice.token,
		} {
			b := s.newBrowser()
			b.cookie = cookie
			c := call{method: r.method, path: r.at(s.ids[r.id])}
			if r.body != nil {
				c.body = r.body
			}
			s.unharmed(t, b, c).wantProblem(t, 401, "unauthorized")
		}
	}
}

// TestBrowserStrangers: what is another's is not there for a cookie, either.
func TestBrowserStrangers(t *testing.T) {
	s := newStage(t)
	b := s.newBrowser()
	b.pair("corp", "carol")
	for _, r := range routes {
		if r.id == "" {
			continue
		}
		c := call{method: r.method, path: r.at(s.ids[r.id])}
		if r.body != nil {
			c.body = r.body
		}
		s.unharmed(t, b, c).wantProblem(t, 404, r.id+"_not_found")
	}
}

// unlock signs p in by the passkey that it has for op.
func (p *phone) unlock(passkey *devicetest.Authenticator, lies ...devicetest.Lie) answer {
	p.w.t.Helper()
	p.w.advance(6 * time.Second) // two tries' worth
	o := p.begin()
	return p.do("POST", "/v1/session", map[string]any{"id": o.ID, "assertion": json.RawMessage(passkey.Get(p.w.t, o.Options, lies...))})
}

type unlockOptions struct {
	ID      string          `json:"id"`
	Options json.RawMessage `json:"options"`
}

func (p *phone) begin() (o unlockOptions) {
	p.w.t.Helper()
	p.do("POST", "/v1/session/challenge", nil).want(p.w.t, 200, &o)
	return o
}

func TestUnlock(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	alice := b.pair("corp", "alice")
	first, r := b.cookie, w.ask(alice, "")
	fresh := w.newBrowser()
	o := fresh.begin()
	var asked struct {
		PublicKey struct {
			AllowCredentials []any  `json:"allowCredentials"`
			UserVerification string `json:"userVerification"`
			RPID             string `json:"rpId"`
			Challenge        string `json:"challenge"`
		} `json:"publicKey"`
	}
	if err := json.Unmarshal(o.Options, &asked); err != nil || asked.PublicKey.AllowCredentials != nil ||
		asked.PublicKey.UserVerification != "required" || asked.PublicKey.RPID != rpID || len(asked.PublicKey.Challenge) != 86 {
		t.Errorf("%v: %s", err, o.Options)
	}
	var out paired
	fresh.unlock(b.passkeys["corp"]).want(t, 200, &out)
	if out.Device.ID != string(b.device.ID) || fresh.cookie == "" || fresh.cookie == first {
		t.Fatalf("got %+v, %q", out, fresh.cookie)
	}
	fresh.passkeys = b.passkeys
	fresh.approve(r.ID, "corp", "").want(t, 200, nil)
	// The other browser's session goes on: it is another one.
	b.do("GET", "/v1/requests", nil).want(t, 200, nil)
	// Signing in where there is a session ends that one, so that nobody can have
	// planted it, and keeps what it stood for of others.
	fresh.pair("bank", "alice-at-bank")
	before := fresh.cookie
	fresh.unlock(b.passkeys["corp"]).want(t, 200, nil)
	var list struct{ Devices []listed }
	fresh.do("GET", "/v1/devices", nil).want(t, 200, &list)
	if len(list.Devices) != 2 || fresh.cookie == before {
		t.Errorf("%d devices; same cookie %v", len(list.Devices), fresh.cookie == before)
	}
	fresh.cookie = before
	fresh.do("GET", "/v1/requests", nil).wantProblem(t, 401, "unauthorized")
}

// TestUnlockRefused: every answer but the right one is refused alike.
func TestUnlockRefused(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.pair("corp", "alice")
	mallory := w.newBrowser()
	mallory.pair("corp", "mallory")
	passkey := b.passkeys["corp"]
	b.unlock(passkey).want(t, 200, nil) // from here on it has a counter
	fresh := w.newBrowser()
	for name, a := range map[string]func() answer{
		"without user verification": func() answer { return fresh.unlock(passkey, devicetest.WithoutUV()) },
		"without presence":          func() answer { return fresh.unlock(passkey, devicetest.WithoutUP()) },
		"on another origin":         func() answer { return fresh.unlock(passkey, devicetest.FromOrigin("https://evil.test")) },
		"for another RP":            func() answer { return fresh.unlock(passkey, devicetest.ForRPID("evil.test")) },
		"over another challenge":    func() answer { return fresh.unlock(passkey, devicetest.OverChallenge(make([]byte, 64))) },
		"as a registration":         func() answer { return fresh.unlock(passkey, devicetest.OfType("webauthn.create")) },
		"with an old counter":       func() answer { return fresh.unlock(passkey, devicetest.AtCount(0)) },
		"spoilt":                    func() answer { return fresh.unlock(passkey, devicetest.WithBadSignature()) },
		"with another key":          func() answer { return fresh.unlock(passkey, devicetest.WithOtherKey()) },
		"as an unknown passkey":     func() answer { return fresh.unlock(passkey, devicetest.AsCredential([]byte("unknown"))) },
		"as another's passkey": func() answer {
			return fresh.unlock(passkey, devicetest.AsCredential(mallory.passkeys["corp"].ID))
		},
		"a passkey of nobody": func() answer {
			return fresh.unlock(devicetest.NewAuthenticator(t, rpID, origin, devicetest.ES256))
		},
	} {
		t.Run(name, func(t *testing.T) {
			answer := a()
			if answer.wantProblem(t, 403, "passkey_failed"); answer.header.Get("Set-Cookie") != "" {
				t.Error("a cookie was set")
			}
		})
	}
	t.Run("challenge of another act", func(t *testing.T) {
		w.advance(6 * time.Second)
		r := w.ask(must(w.db.User(t.Context(), b.device.User))(t), "")
		var o options
		b.do("POST", "/v1/requests/"+string(r.ID)+"/challenge", nil).want(t, 200, &o)
		signed := json.RawMessage(passkey.Get(t, o.Options))
		fresh.do("POST", "/v1/session", map[string]any{"id": fresh.begin().ID, "assertion": signed}).wantProblem(t, 403, "passkey_failed")
	})
	t.Run("twice", func(t *testing.T) {
		w.advance(6 * time.Second)
		o := fresh.begin()
		in := map[string]any{"id": o.ID, "assertion": json.RawMessage(passkey.Get(t, o.Options))}
		(&phone{w: w, browser: true}).do("POST", "/v1/session", in).want(t, 200, nil)
		(&phone{w: w, browser: true}).do("POST", "/v1/session", in).wantProblem(t, 409, "gesture_missing")
	})
	t.Run("too late", func(t *testing.T) {
		o := fresh.begin()
		w.advance(device.GestureLife)
		fresh.do("POST", "/v1/session", map[string]any{"id": o.ID, "assertion": json.RawMessage(passkey.Get(t, o.Options))}).
			wantProblem(t, 409, "gesture_missing")
	})
	t.Run("revoked", func(t *testing.T) {
		if err := w.db.RevokeDevice(t.Context(), b.device.ID, device.Mitome); err != nil {
			t.Fatal(err)
		}
		fresh.unlock(passkey).wantProblem(t, 403, "passkey_failed")
	})
	if fresh.cookie != "" {
		t.Error("a refused browser has a cookie")
	}
}

// TestUnlockBadInput: the two routes, wrongly called.
func TestUnlockBadInput(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	w.newPhone().do("POST", "/v1/session/challenge", nil).wantProblem(t, 403, "cross_site") // an app has its key
	tests := map[string]struct {
		body   any
		kind   string
		status int
		typ    string
	}{
		"nothing":        {"", "", 400, "invalid_request"},
		"not json":       {"x", "", 400, "invalid_request"},
		"no id":          {map[string]any{"assertion": map[string]any{}}, "", 422, "invalid_request"},
		"no assertion":   {map[string]any{"id": "x"}, "", 422, "invalid_request"},
		"null assertion": {map[string]any{"id": "x", "assertion": nil}, "", 422, "invalid_request"},
		"text assertion": {map[string]any{"id": "x", "assertion": canary}, "", 422, "invalid_request"},
		"long id":        {map[string]any{"id": strings.Repeat("x", 65), "assertion": map[string]any{}}, "", 422, "invalid_request"},
		"unknown field":  {map[string]any{"id": "x", "assertion": map[string]any{}, canary: 1}, "", 422, "invalid_request"},
		"unknown id":     {map[string]any{"id": canary, "assertion": map[string]any{}}, "", 409, "gesture_missing"},
		"nul id":         {map[string]any{"id": "\x00", "assertion": map[string]any{}}, "", 409, "gesture_missing"},
		"form":           {"a=b", "application/x-www-form-urlencoded", 415, "unsupported_media_type"},
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		tt := tests[name]
		t.Run(name, func(t *testing.T) {
			w.advance(3 * time.Second)
			before := w.dump()
			b.send(call{method: "POST", path: "/v1/session", body: tt.body, kind: tt.kind}).wantProblem(t, tt.status, tt.typ)
			if w.dump() != before {
				t.Error("something was stored")
			}
		})
	}
	t.Run("an assertion that is none", func(t *testing.T) {
		o := b.begin()
		b.do("POST", "/v1/session", map[string]any{"id": o.ID, "assertion": map[string]any{}}).wantProblem(t, 403, "passkey_failed")
	})
	t.Run("too often", func(t *testing.T) {
		for range 30 {
			b.do("POST", "/v1/session/challenge", nil)
		}
		a := b.do("POST", "/v1/session/challenge", nil)
		if a.wantProblem(t, 429, "rate"); a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	})
}

func TestHistory(t *testing.T) {
	w := newWorld(t)
	b, mallory := w.newBrowser(), w.newPhone()
	alice := b.pair("corp", "alice")
	mallory.pair("corp", "mallory")
	var want []approval.RequestID
	for _, verdict := range []string{"approve", "deny", ""} {
		r := w.ask(alice, "")
		switch verdict {
		case "approve":
			b.approve(r.ID, "corp", "").want(t, 200, nil)
		case "deny":
			b.do("POST", "/v1/requests/"+string(r.ID)+"/decision", map[string]any{"verdict": "deny"}).want(t, 200, nil)
		default:
			continue // still pending: not listed
		}
		want = append([]approval.RequestID{r.ID}, want...)
	}
	var got struct {
		Requests []struct {
			ID, OP, Kind, State, Verdict string
			ClientName                   string `json:"client_name"`
			DeviceName                   string `json:"device_name"`
			At                           time.Time
		}
	}
	b.do("GET", "/v1/history", nil).want(t, 200, &got)
	if len(got.Requests) != 2 || got.Requests[0].ID != string(want[0]) || got.Requests[1].ID != string(want[1]) {
		t.Fatalf("got %+v", got)
	}
	if r := got.Requests[1]; r.State != "approved" || r.Verdict != "approve" || r.DeviceName != "Pixel" || r.ClientName != "Shop" ||
		r.Kind != "sign_in" || r.OP != "corp" || w.now().Sub(r.At) > time.Minute {
		t.Errorf("got %+v", r)
	}
	mallory.do("GET", "/v1/history", nil).want(t, 200, &got)
	if len(got.Requests) != 0 {
		t.Errorf("a stranger sees %+v", got)
	}
}
