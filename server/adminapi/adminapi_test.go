package adminapi_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/adminapi"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
	"github.com/mitome-ciba/mitome/server/web"
)

const token = "helpdesk-token"

// world is the admin API over a real store and a real listener.
type world struct {
	t      *testing.T
	db     *store.DB
	people *device.Service
	engine *gin.Engine
	url    string
	client *adminapi.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: storetest.SQLite(t)}
	w.people = &device.Service{
		Users: w.db, Devices: w.db, Enrollments: w.db, Ceremonies: w.db, Lifecycle: w.db, Gestures: w.db, UserCodes: w.db, Locks: w.db, CodeKeys: seal.New(), Now: time.Now,
		RP: device.RelyingParty{RPID: "mitome.test", RPName: "Mitome", Origins: []string{"https://mitome.test"}},
	}
	guard := &adminapi.Guard{}
	sum := sha256.Sum256([]byte(token))
	if err := guard.Add("helpdesk", hex.EncodeToString(sum[:])); err != nil {
		t.Fatal(err)
	}
	engine, err := web.NewEngine(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	(&adminapi.API{
		Users: w.people, UserCodes: w.people, Locks: w.people, Devices: w.people, Pairings: w.people,
		Approvals: &approval.Service{Store: w.db, People: w.people, Codes: seal.New(), Now: time.Now},
		Listing:   w.db, Evidence: w.db, Guard: guard, Now: time.Now, PublicURL: "https://mitome.test",
		Erasure: w.people,
		OPs:     []adminapi.OP{{Name: "corp", Kind: "keycloak", Title: "Corp"}, {Name: "shop", Kind: "keycloak", Title: "Shop"}},
	}).Mount(engine, &engine.RouterGroup)
	w.engine = engine
	srv := httptest.NewServer(engine)
	t.Cleanup(srv.Close)
	w.url, w.client = srv.URL, adminapi.NewClient(srv.URL, token)
	return w
}

// want fails the test unless err is the problem of that type.
func (w *world) want(err error, typ string) {
	w.t.Helper()
	var p *web.Problem
	if !errors.As(err, &p) || p.Type != "urn:mitome:"+typ {
		w.t.Errorf("got %#v, want %s", err, typ)
	}
}

func (w *world) user(op, subject, name string) adminapi.User {
	w.t.Helper()
	u, err := w.client.AddUser(w.t.Context(), adminapi.NewUser{OP: op, Subject: subject, Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func TestUsers(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.client
	aiko, ben := w.user("corp", "s-1", "Aiko"), w.user("shop", "s-1", "Ben")

	_, err := c.AddUser(ctx, adminapi.NewUser{OP: "corp", Subject: "s-1"})
	w.want(err, "user_exists")
	_, err = c.AddUser(ctx, adminapi.NewUser{OP: "typo", Subject: "s-1"})
	w.want(err, "op_not_found")
	_, err = c.AddUser(ctx, adminapi.NewUser{OP: "corp", Subject: "s-2", Name: "turn\u202eabout"})
	w.want(err, "invalid_name")
	_, err = c.User(ctx, "nobody")
	w.want(err, "user_not_found")

	if err := c.AddHint(ctx, aiko.ID, adminapi.NewHint{Kind: "username", Value: "aiko"}); err != nil {
		t.Fatal(err)
	}
	w.want(c.AddHint(ctx, aiko.ID, adminapi.NewHint{Kind: "shoe size", Value: "38"}), "invalid_hint")
	w.want(c.AddHint(ctx, "nobody", adminapi.NewHint{Kind: "username", Value: "x"}), "user_not_found")
	other := w.user("corp", "s-3", "")
	w.want(c.AddHint(ctx, other.ID, adminapi.NewHint{Kind: "username", Value: "aiko"}), "hint_taken")

	for _, tt := range []struct {
		op, find string
		want     []string
	}{
		{"", "", []string{aiko.ID, other.ID, ben.ID}},
		{"shop", "", []string{ben.ID}},
		{"", "s-1", []string{aiko.ID, ben.ID}},
		{"corp", "s-1", []string{aiko.ID}},
		{"", "Ben", []string{ben.ID}},
		{"", "aiko", []string{aiko.ID}},
		{"shop", "aiko", nil},
		{"", ben.ID, []string{ben.ID}},
		{"", "s-", nil},
	} {
		users, err := c.Users(ctx, tt.op, tt.find)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, u := range users {
			got[u.ID] = true
		}
		want := map[string]bool{}
		for _, id := range tt.want {
			want[id] = true
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("op %q, find %q: %s", tt.op, tt.find, d)
		}
	}
	ops, err := c.OPs(ctx)
	if err != nil || len(ops) != 2 || ops[0] != (adminapi.OP{Name: "corp", Kind: "keycloak", Title: "Corp"}) {
		t.Errorf("got %v, %v", ops, err)
	}
}

func TestPairing(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.client
	u := w.user("corp", "s-1", "Aiko")
	_, err := c.Offer(ctx, "nobody")
	w.want(err, "user_not_found")

	offer, err := c.Offer(ctx, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	secret, ok := strings.CutPrefix(offer.Link, "https://mitome.test/pair#")
	if !ok || len(secret) < 26 || offer.State != "offered" || offer.MatchCode != "" {
		t.Errorf("got %+v, want a link with a secret in its fragment", offer)
	}
	stored, err := w.db.Enrollment(ctx, device.EnrollmentID(offer.ID))
	if err != nil || stored.OfferedBy.Kind != device.ActorAdmin || stored.OfferedBy.ID != "helpdesk" {
		t.Errorf("offered by %+v (%v), want the administrator by name", stored.OfferedBy, err)
	}
	e, err := w.people.Claim(ctx, device.Claim{Secret: device.Secret(secret), Session: "s", DeviceName: "phone"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Pairing(ctx, offer.ID)
	if err != nil || p.State != "claimed" || p.MatchCode != e.MatchCode || p.DeviceName != "phone" {
		t.Errorf("got %+v, %v", p, err)
	}
	if p, err = c.Confirm(ctx, offer.ID, e.MatchCode); err != nil || p.State != "confirmed" {
		t.Errorf("got %+v, %v", p, err)
	}
	if p, err = c.Cancel(ctx, offer.ID); err != nil || p.State != "cancelled" {
		t.Errorf("got %+v, %v", p, err)
	}
	_, err = c.Confirm(ctx, offer.ID, e.MatchCode)
	w.want(err, "pairing_over")
	_, err = c.Pairing(ctx, "none")
	w.want(err, "pairing_not_found")
}

func TestWrongMatchCode(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	offer, err := w.client.Offer(ctx, w.user("corp", "s-1", "").ID)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(offer.Link, "#")
	e, err := w.people.Claim(ctx, device.Claim{Secret: device.Secret(secret), Session: "s", DeviceName: "phone"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.client.Confirm(ctx, offer.ID, "not "+e.MatchCode)
	w.want(err, "match_code_wrong")
	if p, err := w.client.Pairing(ctx, offer.ID); err != nil || p.State != "cancelled" {
		t.Errorf("got %+v, %v, want the pairing cancelled", p, err)
	}
}

// paired makes a device of u, as the end of a pairing does.
func (w *world) paired(u adminapi.User) device.Device {
	w.t.Helper()
	return w.begun(u, device.Active, time.Time{})
}

// begun is paired for a device that begins in that state.
func (w *world) begun(u adminapi.User, state device.State, until time.Time) device.Device {
	w.t.Helper()
	now := time.Now()
	if err := w.db.CreateSession(w.t.Context(), session.Session{ID: "s", JKT: "k", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}); err != nil {
		w.t.Fatal(err)
	}
	e := device.Enrollment{
		ID: "e-" + device.EnrollmentID(u.ID), User: device.UserID(u.ID), SecretHash: []byte(u.ID), State: device.Confirmed,
		OfferedBy: device.Mitome, CreatedAt: now, ExpiresAt: now.Add(time.Minute), Session: "s", DeviceName: "phone",
	}
	if err := w.db.CreateEnrollment(w.t.Context(), e); err != nil {
		w.t.Fatal(err)
	}
	d := device.Device{ID: "d-" + device.DeviceID(u.ID), User: e.User, Enrollment: e.ID, Name: "phone", State: state, CreatedAt: now, ActiveAt: until}
	c := device.Credential{ID: "c", Device: d.ID, WebAuthnID: []byte("w"), PublicKey: []byte("p"), CreatedAt: now}
	e.State, e.Device = device.Completed, d.ID
	if err := w.db.CompleteEnrollment(w.t.Context(), device.Completion{Next: e, Device: d, Passkey: c}, device.Mitome); err != nil {
		w.t.Fatal(err)
	}
	return d
}

func TestDevices(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.client
	u := w.user("corp", "s-1", "Aiko")
	d := w.paired(u)
	list, err := c.Devices(ctx, u.ID)
	if err != nil || len(list) != 1 || list[0].ID != string(d.ID) || list[0].State != "active" {
		t.Fatalf("got %+v, %v", list, err)
	}
	a := devicetest.Subscription("https://push.example/1", time.Now())
	if _, err := w.db.AddAddress(ctx, device.NewAddress{Device: d.ID, Address: a, Most: 5}, devicetest.Admin); err != nil {
		t.Fatal(err)
	}
	for _, doubtful := range []bool{true, false} {
		if err := w.db.DoubtAddress(ctx, a.ID, doubtful); err != nil {
			t.Fatal(err)
		}
		if list, err = c.Devices(ctx, u.ID); err != nil || (list[0].DoubtfulSince != nil) != doubtful {
			t.Errorf("doubtful %v: got %+v, %v", doubtful, list, err)
		}
	}
	got, err := c.RenameDevice(ctx, list[0].ID, "work phone")
	if err != nil || got.Name != "work phone" {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = c.RenameDevice(ctx, list[0].ID, "pho\u200bne")
	w.want(err, "invalid_name")
	_, err = c.RenameDevice(ctx, "none", "x")
	w.want(err, "device_not_found")
	for range 2 { // twice is no error
		if got, err = c.RevokeDevice(ctx, list[0].ID); err != nil || got.State != "revoked" || got.RevokedAt == nil {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	_, err = c.RevokeDevice(ctx, "none")
	w.want(err, "device_not_found")
	_, err = c.Devices(ctx, "nobody")
	w.want(err, "user_not_found")
}

const handle = "HANDLE-OF-THE-OP"

// ask stores a request of u that waits for an answer.
func (w *world) ask(u adminapi.User, ref string, effects ...approval.Effect) approval.Request {
	w.t.Helper()
	now := time.Now()
	r, err := w.db.CreateRequest(w.t.Context(), approval.Request{
		ID: approval.NewRequestID(), OP: u.OP, RefHash: []byte(ref), Fingerprint: []byte("f"), Handle: handle,
		UserID: device.UserID(u.ID), ClientID: "shop", BindingMessage: "W4SCT", State: approval.Pending,
		CreatedAt: now, ExpiresAt: now.Add(time.Minute),
	}, effects, device.Mitome)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestRequests(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.client
	aiko, ben := w.user("corp", "s-1", "Aiko"), w.user("shop", "s-1", "Ben")
	first, second := w.ask(aiko, "1"), w.ask(ben, "2", approval.Report{})
	count := func(f adminapi.RequestFilter) int {
		t.Helper()
		list, err := c.Requests(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	for f, want := range map[adminapi.RequestFilter]int{
		{}: 2, {OP: "corp"}: 1, {User: ben.ID}: 1, {State: "pending"}: 2, {State: "approved"}: 0, {Unsure: true}: 0, {Limit: 1}: 1,
	} {
		if got := count(f); got != want {
			t.Errorf("%+v: got %d, want %d", f, got, want)
		}
	}
	r, err := c.Request(ctx, string(second.ID))
	if err != nil || r.ID != string(second.ID) || r.Report == nil || r.Report.State != "waiting" || r.BindingMessage != "W4SCT" {
		t.Errorf("got %+v, %v", r, err)
	}
	_, err = c.Request(ctx, "none")
	w.want(err, "request_not_found")
	_, err = c.Evidence(ctx, string(first.ID))
	w.want(err, "request_not_found")

	if r, err = c.Withdraw(ctx, string(first.ID)); err != nil || r.State != "withdrawn" || r.Report == nil || r.Report.State != "waiting" {
		t.Errorf("got %+v, %v; want its OP to be told", r, err)
	}
	_, err = c.Withdraw(ctx, string(first.ID))
	w.want(err, "request_settled")
	_, err = c.Withdraw(ctx, "none")
	w.want(err, "request_not_found")
}

// TestHandleStaysInside reads every answer about a request as it goes over the wire.
func TestHandleStaysInside(t *testing.T) {
	w := newWorld(t)
	r := w.ask(w.user("corp", "s-1", "Aiko"), "1")
	for _, path := range []string{"/v1/requests", "/v1/requests/" + string(r.ID)} {
		code, body := w.call("GET", path, "", "Bearer "+token)
		if code != 200 || !strings.Contains(body, string(r.ID)) {
			t.Fatalf("%s: got %d %s", path, code, body)
		}
		if strings.Contains(body, handle) || strings.Contains(body, "handle") {
			t.Errorf("%s tells the handle: %s", path, body)
		}
	}
}

func (w *world) call(method, path, body, auth string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode >= 400 && resp.Header.Get("Content-Type") != "application/problem+json" {
		w.t.Errorf("%s %s: %d is no problem document: %s", method, path, resp.StatusCode, b)
	}
	return resp.StatusCode, string(b)
}

// TestBadInput sends every route what it cannot take: the answer is a problem
// that repeats nothing of it, and nothing has changed.
func TestBadInput(t *testing.T) {
	w := newWorld(t)
	u := w.user("corp", "s-1", "Aiko")
	bodies := map[string]string{
		"empty":         "",
		"malformed":     `{"user":`,
		"not an object": `["SECRET-INPUT"]`,
		"mistyped":      `{"user":5,"op":5,"subject":{},"name":[],"kind":1,"value":1,"match_code":7}`,
		"unknown key":   `{"user":"x","op":"corp","subject":"x","name":"x","kind":"email","value":"x@x","match_code":"1","other":"SECRET-INPUT"}`,
		"missing keys":  `{}`,
		"too long":      `{"user":"` + strings.Repeat("x", 1000) + `","op":"` + strings.Repeat("x", 1000) + `","subject":"x","name":"` + strings.Repeat("x", 1000) + `","kind":"` + strings.Repeat("x", 1000) + `","value":"x","match_code":"` + strings.Repeat("1", 1000) + `"}`,
		"oversized":     `{"name":"` + strings.Repeat("x", web.MaxBody+1) + `"}`,
	}
	for _, route := range w.engine.Routes() {
		path := strings.ReplaceAll(route.Path, ":id", u.ID)
		if route.Method == "POST" && takesBody(route.Path) {
			for name, body := range bodies {
				code, answer := w.call("POST", path, body, "Bearer "+token)
				if code < 400 || code >= 500 || strings.Contains(answer, "SECRET-INPUT") {
					t.Errorf("%s %s: got %d %s", path, name, code, answer)
				}
			}
		}
		if code, answer := w.call(route.Method, path+"?SECRET=INPUT", "{}", "Bearer "+token); code < 400 || strings.Contains(answer, "SECRET=INPUT") {
			t.Errorf("%s with an unknown parameter: got %d %s", path, code, answer)
		}
		for _, id := range []string{"%00", strings.Repeat("x", 200), "..%2f..", "'%20OR%201=1"} {
			if !strings.Contains(route.Path, ":id") {
				break
			}
			code, _ := w.call(route.Method, strings.ReplaceAll(route.Path, ":id", id), `{"name":"x","kind":"email","value":"x@x.x","match_code":"1"}`, "Bearer "+token)
			if code < 400 || code >= 500 {
				t.Errorf("%s %s with id %.10s: got %d", route.Method, route.Path, id, code)
			}
		}
	}
	for _, q := range []string{"state=bogus", "limit=0", "limit=1001", "limit=x", "unsure=perhaps"} {
		if code, _ := w.call("GET", "/v1/requests?"+q, "", "Bearer "+token); code != 422 && code != 400 {
			t.Errorf("%s: got %d", q, code)
		}
	}
	users, err := w.db.ListUsers(t.Context(), "")
	if err != nil || len(users) != 1 || users[0].Name != "Aiko" {
		t.Errorf("got %v, %v: bad input changed something", users, err)
	}
}

func takesBody(path string) bool {
	for _, none := range []string{"/revoke", "/cancel", "/withdraw", "/lock"} {
		if strings.HasSuffix(path, none) {
			return false
		}
	}
	return true
}

func TestGuard(t *testing.T) {
	w := newWorld(t)
	for auth, want := range map[string]int{
		"Bearer " + token: 200, "bearer " + token: 200,
		"": 401, "Bearer": 401, "Bearer ": 401, "Bearer x": 401, "DPoP " + token: 401, "Basic " + token: 401, token: 401,
		"Bearer  " + token: 401,
	} {
		if code, body := w.call("GET", "/v1/ops", "", auth); code != want {
			t.Errorf("%q: got %d %s, want %d", auth, code, body, want)
		}
	}
	serve := func(ctx context.Context, auth ...string) int {
		req := httptest.NewRequest("GET", "/v1/ops", nil).WithContext(ctx)
		for _, a := range auth {
			req.Header.Add("Authorization", a)
		}
		rec := httptest.NewRecorder()
		w.engine.ServeHTTP(rec, req)
		return rec.Code
	}
	if code := serve(t.Context(), "Bearer "+token, "Bearer x"); code != 401 {
		t.Errorf("two tokens: got %d", code)
	}
	if code := serve(adminapi.WithPeer(t.Context(), os.Geteuid())); code != 200 {
		t.Errorf("the owner on the socket: got %d", code)
	}
	if code := serve(adminapi.WithPeer(t.Context(), os.Geteuid()+1)); code != 401 {
		t.Errorf("another user on the socket: got %d", code)
	}
	if code := serve(adminapi.WithPeer(t.Context(), os.Geteuid()), "Bearer x"); code != 401 {
		t.Errorf("a wrong token on the socket: got %d", code)
	}
	if err := new(adminapi.Guard).Add("x", "abcd"); err == nil {
		t.Error("a short hash was taken")
	}
}

// TestClientProblems checks what the client makes of answers that are not ours.
func TestClientProblems(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		io.WriteString(w, "<html>")
	}))
	defer srv.Close()
	_, err := adminapi.NewClient(srv.URL, "").OPs(t.Context())
	var p *web.Problem
	if !errors.As(err, &p) || p.Status != 502 {
		t.Errorf("got %v", err)
	}
	if b, err := json.Marshal(p); err != nil || strings.Contains(string(b), "html") {
		t.Errorf("got %s, %v", b, err)
	}
}
