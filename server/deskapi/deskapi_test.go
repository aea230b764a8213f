package deskapi_test

import (
	"encoding/json"
	"encoding/xml"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/deskapi"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store/storetest"
	"github.com/mitome-ciba/mitome/server/web"
)

const public = "https://mitome.test"

type world struct {
	t      *testing.T
	engine *gin.Engine
	people *device.Service
	keeper *session.Keeper
	ahead  time.Duration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := storetest.SQLite(t)
	w := &world{t: t}
	now := func() time.Time { return time.Now().Add(w.ahead) }
	db.Now = now
	w.people = &device.Service{Users: db, Devices: db, Enrollments: db, Ceremonies: db, Lifecycle: db, Now: now}
	w.keeper = &session.Keeper{Store: db, Desks: db, PublicURL: public, Now: now}
	var err error
	if w.engine, err = web.NewEngine(slog.New(slog.DiscardHandler), nil); err != nil {
		t.Fatal(err)
	}
	(&deskapi.Handler{Sessions: w.keeper, Pairings: w.people, PublicURL: public, Version: "test"}).Mount(w.engine, w.engine.Group(""))
	return w
}

// desk has a user of that subject sign in; it returns her and her cookie.
func (w *world) desk(sub string) (device.User, string) {
	w.t.Helper()
	u, err := w.people.AddUser(w.t.Context(), device.User{OP: "corp", Subject: sub}, device.Mitome)
	if err != nil {
		w.t.Fatal(err)
	}
	c, _, err := w.keeper.OpenDesk(w.t.Context(), session.Desk{User: u.ID, OP: "corp", AuthTime: time.Now()})
	if err != nil {
		w.t.Fatal(err)
	}
	return u, c.Name + "=" + c.Value
}

// call is made by a page of ours unless header says otherwise.
type call struct {
	method, path, body, cookie string
	header                     http.Header
}

func (w *world) do(c call) *httptest.ResponseRecorder {
	r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
	r.Header = http.Header{"Origin": {public}, "Sec-Fetch-Site": {"same-origin"}}
	if c.header != nil {
		r.Header = c.header.Clone()
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.cookie != "" {
		r.Header.Set("Cookie", c.cookie)
	}
	rec := httptest.NewRecorder()
	w.engine.ServeHTTP(rec, r)
	return rec
}

// problem checks that rec is that refusal, and gives no cookie.
func problem(t *testing.T, rec *httptest.ResponseRecorder, status int, typ string) {
	t.Helper()
	var p struct{ Type string }
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || rec.Code != status || p.Type != "urn:mitome:"+typ {
		t.Errorf("got %d %s, want %d %s", rec.Code, rec.Body, status, typ)
	}
	if rec.Header().Get("Set-Cookie") != "" {
		t.Error("a cookie was set")
	}
}

func (w *world) offer(cookie string) (o deskapi.Offer) {
	w.t.Helper()
	rec := w.do(call{method: "POST", path: "/v1/desk/pairings", cookie: cookie})
	if err := json.Unmarshal(rec.Body.Bytes(), &o); err != nil || rec.Code != http.StatusCreated {
		w.t.Fatalf("got %d %s", rec.Code, rec.Body)
	}
	return o
}

// claim is a phone that has scanned the code.
func (w *world) claim(o deskapi.Offer) device.Enrollment {
	w.t.Helper()
	_, secret, _ := strings.Cut(o.Link, "#")
	_, s, err := w.keeper.Issue(w.t.Context(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	e, err := w.people.Claim(w.t.Context(), device.Claim{Secret: device.Secret(secret), Session: string(s.ID), DeviceName: "Phone"})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// routes is the whole API.
var routes = []call{
	{method: "POST", path: "/v1/desk/pairings"},
	{method: "GET", path: "/v1/desk/pairings/:id"},
	{method: "POST", path: "/v1/desk/pairings/:id/confirm", body: `{"match_code":"123456"}`},
	{method: "POST", path: "/v1/desk/pairings/:id/cancel"},
	{method: "DELETE", path: "/v1/desk"},
}

func (c call) of(id string) call {
	c.path = strings.ReplaceAll(c.path, ":id", id)
	return c
}

func TestEveryRouteIsHere(t *testing.T) {
	var mounted, listed []string
	for _, r := range newWorld(t).engine.Routes() {
		mounted = append(mounted, r.Method+" "+r.Path)
	}
	for _, r := range routes {
		listed = append(listed, r.method+" "+r.path)
	}
	slices.Sort(mounted)
	slices.Sort(listed)
	if !slices.Equal(mounted, listed) {
		t.Errorf("mounted %v, listed %v", mounted, listed)
	}
}

// TestBadCallers: each route refuses who has no desk, whose desk is over, and
// what another site's page asks for; and nothing comes of it.
func TestBadCallers(t *testing.T) {
	w := newWorld(t)
	_, cookie := w.desk("alice")
	o := w.offer(cookie)
	token, s, err := w.keeper.Issue(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	from := func(origin, site string) http.Header {
		return http.Header{"Origin": {origin}, "Sec-Fetch-Site": {site}}
	}
	for _, r := range routes {
		r := r.of(o.ID)
		for name, tt := range map[string]struct {
			cookie string
			header http.Header
			status int
			typ    string
		}{
			"nobody":                   {"", nil, 401, "unauthorized"},
			"unknown desk":             {session.DeskCookieName + "=" + strings.Repeat("A", 43), nil, 401, "unauthorized"},
			"broken cookie":            {session.DeskCookieName + "=x", nil, 401, "unauthorized"},
			"a device's session":       {w.keeper.Cookie(token, s).String(), nil, 401, "unauthorized"},
			"its token as a desk":      {session.DeskCookieName + "=" + token, nil, 401, "unauthorized"},
			"two desks":                {cookie + "; " + cookie, nil, 401, "unauthorized"},
			"another site":             {cookie, from("https://evil.test", "cross-site"), 403, "cross_site"},
			"a sister site":            {cookie, from("https://www.mitome.test", "same-site"), 403, "cross_site"},
			"another port":             {cookie, from(public+":8443", "same-site"), 403, "cross_site"},
			"a program with a cookie":  {cookie, http.Header{}, 403, "cross_site"},
			"a page that hides itself": {cookie, from("null", "cross-site"), 403, "cross_site"},
		} {
			if tt.status == 403 && r.method == "GET" {
				continue // the browser keeps the answer from that page
			}
			t.Run(r.method+" "+r.path+"/"+name, func(t *testing.T) {
				r.cookie, r.header = tt.cookie, tt.header
				problem(t, w.do(r), tt.status, tt.typ)
			})
		}
	}
	if e, err := w.people.Enrollment(t.Context(), device.EnrollmentID(o.ID)); err != nil || e.State != device.Offered {
		t.Errorf("the offer is %s, %v", e.State, err)
	}
	w.ahead = session.DeskLife
	for _, r := range routes {
		r := r.of(o.ID)
		r.cookie = cookie
		problem(t, w.do(r), 401, "unauthorized")
	}
}

// TestStrangers: another user's pairing, and one that an administrator offered
// to this very user, are not there.
func TestStrangers(t *testing.T) {
	w := newWorld(t)
	alice, cookie := w.desk("alice")
	_, mallory := w.desk("mallory")
	o := w.offer(cookie)
	e := w.claim(o)
	byAdmin, err := w.people.Offer(t.Context(), alice.ID, device.Actor{Kind: device.ActorAdmin, ID: string(alice.ID)})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes[1:4] {
		var texts []string
		for id, who := range map[string]string{o.ID: mallory, string(byAdmin.Enrollment.ID): cookie, "none": cookie} {
			r := r.of(id)
			r.cookie = who
			rec := w.do(r)
			problem(t, rec, 404, "pairing_not_found")
			texts = append(texts, rec.Body.String())
		}
		if slices.Sort(texts); texts[0] != texts[2] {
			t.Errorf("%s: a stranger's is told from a missing one: %v", r.path, texts)
		}
	}
	if e, err := w.people.Enrollment(t.Context(), e.ID); err != nil || e.State != device.Claimed {
		t.Errorf("it is %s, %v", e.State, err)
	}
}

func TestConfirmAndCancel(t *testing.T) {
	w := newWorld(t)
	_, cookie := w.desk("alice")
	confirm := func(id, code string) *httptest.ResponseRecorder {
		return w.do(call{method: "POST", path: "/v1/desk/pairings/" + id + "/confirm", body: `{"match_code":"` + code + `"}`, cookie: cookie})
	}
	state := func(id string) device.EnrollmentState {
		e, err := w.people.Enrollment(t.Context(), device.EnrollmentID(id))
		if err != nil {
			t.Fatal(err)
		}
		return e.State
	}
	o := w.offer(cookie)
	problem(t, confirm(o.ID, "123456"), 409, "pairing_step")
	e := w.claim(o)
	if rec := confirm(o.ID, e.MatchCode[:3]+" "+e.MatchCode[3:]); rec.Code != 200 || state(o.ID) != device.Confirmed {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	// Another code: somebody else has the link, so the pairing is void.
	o = w.offer(cookie)
	e = w.claim(o)
	wrong := "000000"
	if e.MatchCode == wrong {
		wrong = "000001"
	}
	problem(t, confirm(o.ID, wrong), 409, "match_code_wrong")
	problem(t, confirm(o.ID, e.MatchCode), 410, "pairing_over")
	o = w.offer(cookie)
	if rec := w.do(call{method: "POST", path: "/v1/desk/pairings/" + o.ID + "/cancel", cookie: cookie}); rec.Code != 200 || state(o.ID) != device.Cancelled {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
}

func TestBadInput(t *testing.T) {
	w := newWorld(t)
	_, cookie := w.desk("alice")
	o := w.offer(cookie)
	at := "/v1/desk/pairings/" + o.ID
	for name, tt := range map[string]struct {
		call   call
		status int
		typ    string
	}{
		"no body":           {call{method: "POST", path: at + "/confirm"}, 415, "unsupported_media_type"},
		"not json":          {call{method: "POST", path: at + "/confirm", body: "x"}, 400, "invalid_request"},
		"no code":           {call{method: "POST", path: at + "/confirm", body: `{}`}, 422, "invalid_request"},
		"number":            {call{method: "POST", path: at + "/confirm", body: `{"match_code":123456}`}, 422, "invalid_request"},
		"long code":         {call{method: "POST", path: at + "/confirm", body: `{"match_code":"` + strings.Repeat("1", 33) + `"}`}, 422, "invalid_request"},
		"unknown field":     {call{method: "POST", path: at + "/confirm", body: `{"match_code":"1","x":1}`}, 422, "invalid_request"},
		"long id":           {call{method: "GET", path: "/v1/desk/pairings/" + strings.Repeat("x", 65)}, 422, "invalid_request"},
		"unknown parameter": {call{method: "GET", path: at + "?user=bob"}, 422, "invalid_request"},
		"other method":      {call{method: "PUT", path: at}, 405, "method_not_allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.call.cookie = cookie
			problem(t, w.do(tt.call), tt.status, tt.typ)
		})
	}
	t.Run("too many offers", func(t *testing.T) {
		for range 25 {
			w.do(call{method: "POST", path: "/v1/desk/pairings", cookie: cookie})
		}
		problem(t, w.do(call{method: "POST", path: "/v1/desk/pairings", cookie: cookie}), 429, "rate")
	})
}

// TestQRCode: the picture is plain SVG, with nothing in it that a strict policy
// would stop or that could run.
func TestQRCode(t *testing.T) {
	w := newWorld(t)
	_, cookie := w.desk("alice")
	o := w.offer(cookie)
	var svg struct {
		XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
		ViewBox string   `xml:"viewBox,attr"`
		Paths   []struct {
			Fill string `xml:"fill,attr"`
			D    string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal([]byte(o.SVG), &svg); err != nil || len(svg.Paths) != 2 {
		t.Fatalf("%v: %s", err, o.SVG)
	}
	// The finder pattern's upper edge stands four modules in, and is seven wide.
	if !strings.HasPrefix(svg.Paths[1].D, "M4 4h7v1h-7z") || svg.Paths[0].Fill != "#fff" || svg.Paths[1].Fill != "#000" {
		t.Errorf("got %s", o.SVG)
	}
	for _, word := range []string{"style", "script", "href", "<image", "on"} {
		if strings.Contains(strings.ToLower(o.SVG), word) {
			t.Errorf("the picture holds %q", word)
		}
	}
	if left := time.Until(o.ExpiresAt); left > device.OfferLife || left < device.OfferLife-10*time.Second {
		t.Errorf("it may be claimed for %v", left)
	}
}
