package gravitee_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/gravitee"
	"github.com/mitome-ciba/mitome/approval/op/optest"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/config"
)

// now is when everything happens.
var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

const header = "Bearer notifier-secret-0123456789"

// settings is a good configuration of an AM at url.
func settings(url string) map[string]any {
	return map[string]any{
		"domain_url": url + "/bank", "client_id": "mitome", "client_secret": "s+cret/1", "header_value": header,
	}
}

func open(t *testing.T, d op.Deps, m map[string]any) op.Adapter {
	t.Helper()
	a, err := tryOpen(d, m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tryOpen(d op.Deps, m map[string]any) (op.Adapter, error) {
	c := config.Config{OPs: []config.OP{{Name: "bank", Settings: m}}}
	return gravitee.Open(func(v any) error { return c.Decode(0, v) }, d)
}

// stateOf is what AM signs for itself: our side reads it and cannot check it.
func stateOf(t *testing.T, change map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": "domain-1", "aud": "shop-client", "sub": "user-1", "jti": "tid-0001",
		"iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	}
	for k, v := range change {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(`{"alg":"HS256"}`)) + "." + b64(payload) + ".c2lnbmF0dXJlLW9mLUFN"
}

// fields is the form that AM posts, changed by change; nil takes a field out.
func fields(t *testing.T, change url.Values) url.Values {
	t.Helper()
	f := url.Values{
		"tid": {"tid-0001"}, "state": {stateOf(t, nil)}, "subject": {"user-1"}, "scope": {"openid payments"},
		"expire": {"600"}, "acr": {"urn:a", "phr"}, "message": {"W4SCT"},
	}
	for k, v := range change {
		if f[k] = v; v == nil {
			delete(f, k)
		}
	}
	return f
}

// notify makes the request that AM sends.
func notify(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/op/bank", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", header)
	return r
}

func TestAdapter(t *testing.T) {
	optest.Run(t, optest.Case{
		Kind: "gravitee",
		Open: func(t *testing.T, url string, d op.Deps) op.Adapter { return open(t, d, settings(url)) },
		Now:  now,
		Genuine: func(t *testing.T, _ string) *http.Request {
			return notify(fields(t, url.Values{"authorization_details": {`[{"type":"payment_initiation"}]`}, "note": {"[later"}}).Encode())
		},
		Want: func(t *testing.T, _ string) approval.Ask {
			return approval.Ask{
				Ref:      "tid-0001",
				Handle:   approval.Secret(url.Values{"tid": {"tid-0001"}, "state": {stateOf(t, nil)}}.Encode()),
				Subject:  device.Subject{Sub: "user-1"},
				ClientID: "shop-client", Scope: []string{"openid", "payments"}, BindingMessage: "W4SCT",
				ACRValues: []string{"urn:a", "phr"},
				Context: map[string]json.RawMessage{
					"authorization_details": json.RawMessage(`[{"type":"payment_initiation"}]`), "note": json.RawMessage(`"[later"`),
				},
				ExpiresAt: now.Add(10*time.Minute - 3*time.Second), Guard: 500 * time.Millisecond, ReportsRefusals: true,
			}
		},
		Echoes:    true,
		Forgeries: append(forgedHeaders(t), forgedForms(t)...),
		Reports: []optest.Report{
			{Name: "approved", Request: approval.Request{State: approval.Approved, Decision: &approval.Decision{Verdict: approval.Approve}}},
			{Name: "denied", Request: denied(approval.ReasonUser)},
			{Name: "denied_acr", Request: denied(approval.ReasonACR)},
			{Name: "withdrawn", Request: approval.Request{State: approval.Withdrawn}},
			{Name: "expired", Request: approval.Request{State: approval.Expired}, Silent: true},
			{Name: "pending", Request: approval.Request{State: approval.Pending}, Silent: true},
		},
		Answers: []optest.Answer{
			{Name: "state unknown, and it is late", Status: 400, Want: op.ErrRefused, Body: `{"error":"invalid_request","error_description":"Invalid CIBA State"}`},
			{Name: "client unknown", Status: 401, Want: op.ErrRefused, Body: `{"error":"invalid_client"}`},
		},
		RepeatSafe: map[approval.State]bool{
			approval.Approved: true, approval.Denied: true, approval.Expired: true, approval.Withdrawn: true,
		},
	})
}

func denied(why approval.Reason) approval.Request {
	return approval.Request{State: approval.Denied, Decision: &approval.Decision{Verdict: approval.Deny, Reason: why}}
}

// forgedHeaders are requests that do not prove to be AM's.
func forgedHeaders(t *testing.T) []optest.Forgery {
	var out []optest.Forgery
	for name, values := range map[string][]string{
		"none": nil, "empty": {""}, "another secret": {"Bearer notifier-secret-0123456788"}, "the beginning": {header[:20]},
		"more of it": {header + "0"}, "without its scheme": {strings.TrimPrefix(header, "Bearer ")},
		"in other letters": {strings.ToLower(header)}, "given twice": {header, header}, "with another one": {"Bearer x", header},
	} {
		out = append(out, optest.Forgery{Name: "header: " + name, Want: op.ErrUnauthentic, Status: http.StatusUnauthorized,
			Make: func(t *testing.T, _ string) *http.Request {
				r := notify(fields(t, nil).Encode())
				r.Header["Authorization"] = values
				return r
			}})
	}
	return out
}

// forgedForms are requests with the right header and something else wrong.
func forgedForms(t *testing.T) []optest.Forgery {
	state := func(change map[string]any) url.Values { return url.Values{"state": {stateOf(t, change)}} }
	many := url.Values{"acr": strings.Split(strings.Repeat("x ", 16)+"x", " ")}
	forms := []struct {
		name   string
		change url.Values
	}{
		{"no tid", url.Values{"tid": nil}},
		{"two tids", url.Values{"tid": {"tid-0001", "tid-0002"}}},
		{"long tid", url.Values{"tid": {strings.Repeat("t", 256)}}},
		{"no subject", url.Values{"subject": nil}},
		{"empty subject", url.Values{"subject": {""}}},
		{"two subjects", url.Values{"subject": {"user-1", "user-2"}}},
		{"two messages", url.Values{"message": {"W4SCT", "W4SCU"}}},
		{"no expire", url.Values{"expire": nil}},
		{"expire is no number", url.Values{"expire": {"ten"}}},
		{"expire is negative", url.Values{"expire": {"-1"}}},
		{"expire is no time at all", url.Values{"expire": {"3"}}},
		{"expire has no end", url.Values{"expire": {"99999999999"}}},
		{"no state", url.Values{"state": nil}},
		{"two states", url.Values{"state": {stateOf(t, nil), stateOf(t, nil)}}},
		{"state is no token", url.Values{"state": {"opaque"}}},
		{"state is not base64", url.Values{"state": {"a.!.b"}}},
		{"state is not JSON", url.Values{"state": {"a.YQ.b"}}},
		{"state of another transaction", state(map[string]any{"jti": "tid-0002"})},
		{"state without one", state(map[string]any{"jti": nil})},
		{"state of nobody", state(map[string]any{"aud": nil})},
		{"state of several", state(map[string]any{"aud": []string{"a", "b"}})},
		{"state over", state(map[string]any{"exp": now.Add(3 * time.Second).Unix()})},
		{"state without an end", state(map[string]any{"exp": nil})},
		{"message is not UTF-8", url.Values{"message": {"\xff"}}},
		{"a field is endless", url.Values{"x": {strings.Repeat("x", 5<<10)}}},
		{"a field is there twice", url.Values{"x": {"1", "2"}}},
		{"a field has a control character for a name", url.Values{"\a": {"x"}}},
		{"a field has no name", url.Values{"": {"x"}}},
		{"too many acr values", many},
	}
	var out []optest.Forgery
	for _, f := range forms {
		out = append(out, malformed(f.name, func(t *testing.T) *http.Request { return notify(fields(t, f.change).Encode()) }))
	}
	crowd := url.Values{}
	for _, c := range "abcdefghijklmnopqrs" {
		crowd.Set("x"+string(c), "1")
	}
	return append(out,
		malformed("too many fields", func(t *testing.T) *http.Request { return notify(fields(t, crowd).Encode()) }),
		malformed("64 KiB and one", func(t *testing.T) *http.Request { return notify(strings.Repeat("&", 64<<10+1)) }),
		malformed("not a form", func(t *testing.T) *http.Request { return notify("tid=%zz") }),
		malformed("JSON", func(t *testing.T) *http.Request {
			r := notify(fields(t, nil).Encode())
			r.Header.Set("Content-Type", "application/json")
			return r
		}))
}

func malformed(name string, build func(*testing.T) *http.Request) optest.Forgery {
	return optest.Forgery{Name: name, Want: op.ErrMalformed, Status: http.StatusBadRequest,
		Make: func(t *testing.T, _ string) *http.Request { return build(t) }}
}
