package authlete_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/authlete"
	"github.com/mitome-ciba/mitome/approval/op/optest"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/config"
)

// now is when everything happens.
var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

const secret = "path-secret_0123456789ABCDEFGHIJKL"

// message is what java-oauth-server writes.
const message = "Client App (My CIBA App) is requesting the following permissions.\n[Requested scopes]: openid,payments\n[Binding message]: W4SCT"

// requestID is what the ask below is called, made of the secret and its token.
const requestID = "UZaSQazx2iokX-Cs7hjkPMdMUWk20hwkhYO00yzyoTs"

// settings is a good configuration of an OP at url.
func settings(url string) map[string]any {
	return map[string]any{"secret": secret, "server_url": url}
}

func open(t *testing.T, d op.Deps, m map[string]any) *authlete.Adapter {
	t.Helper()
	a, err := tryOpen(d, m)
	if err != nil {
		t.Fatal(err)
	}
	return a.(*authlete.Adapter)
}

func tryOpen(d op.Deps, m map[string]any) (op.Adapter, error) {
	c := config.Config{OPs: []config.OP{{Name: "ws1", Settings: m}}}
	return authlete.Open(func(v any) error { return c.Decode(0, v) }, op.Deps{Name: "ws1", Client: d.Client, Log: d.Log, Now: d.Now})
}

// body is what the OP posts, changed by change; nil takes a member out.
func body(t *testing.T, change map[string]any) string {
	t.Helper()
	m := map[string]any{
		"workspace": "ws1", "user": "1001", "message": message, "timeout": 60, "actionize_token": "auth-req-id-0001", "state": nil,
	}
	for k, v := range change {
		if m[k] = v; v == nil {
			delete(m, k)
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// post makes a call with a path below the base URL.
func post(path, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// call is a call with the right secret.
func call(name, body string) *http.Request {
	return post("/op/ws1/ad/"+secret+"/api/authenticate/"+name, body)
}

func TestAdapter(t *testing.T) {
	optest.Run(t, optest.Case{
		Kind: "authlete",
		Open: func(t *testing.T, url string, d op.Deps) op.Adapter { return open(t, d, settings(url)) },
		Now:  now,
		Genuine: func(t *testing.T, _ string) *http.Request {
			return call("async", body(t, map[string]any{"amount": "5 EUR"}))
		},
		Want: func(t *testing.T, _ string) approval.Ask {
			return approval.Ask{
				Ref: requestID, Handle: requestID, Subject: device.Subject{Sub: "1001"},
				ClientID: "My CIBA App", Scope: []string{"openid", "payments"}, BindingMessage: "W4SCT",
				Context:   map[string]json.RawMessage{"amount": json.RawMessage(`"5 EUR"`)},
				ExpiresAt: now.Add(57 * time.Second), Guard: 500 * time.Millisecond, ReportsRefusals: true,
			}
		},
		Strip:     func(r *http.Request) { r.URL.Path = "/op/ws1" },
		Echoes:    true,
		Forgeries: append(forgedPaths(), forgedBodies(t)...),
		Reports: []optest.Report{
			{Name: "approved", Request: approval.Request{State: approval.Approved, Decision: &approval.Decision{Verdict: approval.Approve}}},
			{Name: "denied", Request: denied(approval.ReasonUser)},
			{Name: "denied_acr", Request: denied(approval.ReasonACR)},
			{Name: "expired", Request: approval.Request{State: approval.Expired}},
			{Name: "withdrawn", Request: approval.Request{State: approval.Withdrawn}},
			{Name: "pending", Request: approval.Request{State: approval.Pending}, Silent: true},
		},
		Answers: []optest.Answer{
			{Name: "no content", Status: 204, Want: nil},
			{Name: "request_id unknown, and it is late", Status: 400, Want: op.ErrRefused},
		},
		RepeatSafe: map[approval.State]bool{
			approval.Approved: true, approval.Denied: true, approval.Expired: true, approval.Withdrawn: true,
		},
	})
}

func denied(why approval.Reason) approval.Request {
	return approval.Request{State: approval.Denied, Decision: &approval.Decision{Verdict: approval.Deny, Reason: why}}
}

// forgedPaths are calls that do not prove to be the OP's.
func forgedPaths() []optest.Forgery {
	var out []optest.Forgery
	for _, path := range []string{
		"/op/ws1", "/op/ws1/ad/", "/op/ws1/ad//api/authenticate/async", "/op/ws1/ad/" + secret[:33] + "/api/authenticate/async",
		"/op/ws1/ad/" + secret + "M/api/authenticate/async", "/op/ws1/ad/" + strings.ToLower(secret) + "/api/authenticate/async",
		"/op/ws1/ad/api/authenticate/async", "/api/authenticate/async", "/op/ws1/ad/x/" + secret + "/api/authenticate/async",
		"/op/ws1/" + secret + "/api/authenticate/async", "/op/ws1/ad/" + secret + "/ad/x/api/authenticate/async",
	} {
		out = append(out, optest.Forgery{Name: "path " + strings.ReplaceAll(path, "/", "|"), Want: op.ErrUnauthentic, Status: http.StatusUnauthorized,
			Make: func(t *testing.T, _ string) *http.Request { return post(path, body(t, nil)) }})
	}
	return append(out, optest.Forgery{Name: "secret in a header", Want: op.ErrUnauthentic, Status: http.StatusUnauthorized,
		Make: func(t *testing.T, _ string) *http.Request {
			r := post("/op/ws1/ad/x/api/authenticate/async", body(t, nil))
			r.Header.Set("Authorization", "Bearer "+secret)
			return r
		}})
}

// forgedBodies are calls with the right path and something else wrong.
func forgedBodies(t *testing.T) []optest.Forgery {
	bodies := []struct {
		name, call string
		change     map[string]any
	}{
		{"another workspace", "async", map[string]any{"workspace": "ws2"}},
		{"no workspace", "sync", map[string]any{"workspace": nil}},
		{"no user", "poll", map[string]any{"user": nil}},
		{"user is a number", "async", map[string]any{"user": 1001}},
		{"user is endless", "async", map[string]any{"user": strings.Repeat("u", 256)}},
		{"user cannot be shown", "async", map[string]any{"user": "a\x07"}},
		{"no timeout", "async", map[string]any{"timeout": nil}},
		{"timeout is short", "sync", map[string]any{"timeout": 4}},
		{"timeout has no end", "sync", map[string]any{"timeout": 601}},
		{"timeout is a text", "sync", map[string]any{"timeout": "60"}},
		{"message is an object", "sync", map[string]any{"message": map[string]any{}}},
		{"client's name cannot be shown", "sync", map[string]any{"message": strings.Replace(message, "My", "My\x07", 1)}},
		{"token is endless", "sync", map[string]any{"actionize_token": strings.Repeat("t", 5<<10)}},
		{"a field that cannot be shown", "sync", map[string]any{"\a": 1}},
		{"actionize", "actionize", map[string]any{"action": "allow", "token": "auth-req-id-0001"}},
		{"result", "result", nil},
		{"a call of its own", "push", nil},
		{"no call", "", nil},
	}
	var out []optest.Forgery
	for _, b := range bodies {
		out = append(out, malformed(b.name, func(t *testing.T) *http.Request { return call(b.call, body(t, b.change)) }))
	}
	crowd := map[string]any{}
	for _, c := range "abcdefghijklmnopq" {
		crowd[string(c)] = 1
	}
	for name, text := range map[string]string{
		"null": "null", "a list": "[]", "two objects": body(t, nil) + "{}", "not UTF-8": `{"user":"` + "\xff" + `"}`,
		"64 KiB and one": `{"x":"` + strings.Repeat(" ", 64<<10) + `"}`, "too many fields": body(t, crowd),
	} {
		out = append(out, malformed(name, func(*testing.T) *http.Request { return call("async", text) }))
	}
	return append(out, malformed("a form", func(t *testing.T) *http.Request {
		r := call("async", body(t, nil))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}))
}

func malformed(name string, build func(*testing.T) *http.Request) optest.Forgery {
	return optest.Forgery{Name: name, Want: op.ErrMalformed, Status: http.StatusBadRequest,
		Make: func(t *testing.T, _ string) *http.Request { return build(t) }}
}
