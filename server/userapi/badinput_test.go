package userapi_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// route is one call of the device API as an honest phone would make it.
type route struct {
	method, path string // as declared
	id           string // what stands for its parameter: "pairing", "request" or "device"
	body         map[string]any
	open         bool // needs no session
}

// routes is the whole API; TestEveryRouteIsHere holds it to what is mounted.
var routes = []route{
	{"POST", "/v1/pairings/claim", "", map[string]any{"secret": "AAAA", "device_name": "Pixel"}, false},
	{"GET", "/v1/pairings/:id", "pairing", nil, false},
	{"POST", "/v1/pairings/:id/passkey/options", "pairing", nil, false},
	{"POST", "/v1/pairings/:id/passkey", "pairing", map[string]any{"credential": map[string]any{}}, false},
	{"GET", "/v1/requests", "", nil, false},
	{"GET", "/v1/requests/:id", "request", nil, false},
	{"POST", "/v1/requests/:id/challenge", "request", nil, false},
	{"POST", "/v1/requests/:id/decision", "request", map[string]any{"verdict": "deny", "not_me": false, "user_code": "1"}, false},
	{"POST", "/v1/requests/:id/deny", "request", map[string]any{"capability": "D1.k1.mac"}, true}, // see capability_test.go
	{"GET", "/v1/devices", "", nil, false},
	{"PATCH", "/v1/devices/:id", "device", map[string]any{"name": "Phone"}, false},
	{"DELETE", "/v1/devices/:id", "device", nil, false},
	{"POST", "/v1/devices/:id/confirm", "device", nil, false},
	{"POST", "/v1/devices/:id/lost/challenge", "device", nil, false},
	{"POST", "/v1/devices/:id/lost", "device", map[string]any{"assertion": map[string]any{}}, false},
	{"GET", "/v1/user-codes", "", nil, false},
	{"POST", "/v1/devices/:id/user-code/challenge", "device", map[string]any{"user_code": "KTPX7731"}, false},
	{"POST", "/v1/devices/:id/user-code", "device", map[string]any{"user_code": "KTPX7731", "assertion": map[string]any{}}, false},
	{"POST", "/v1/devices/:id/hint-tokens/challenge", "device", nil, false},
	{"POST", "/v1/devices/:id/hint-tokens/unlock", "device", map[string]any{"assertion": map[string]any{}}, false},
	{"POST", "/v1/devices/:id/hint-tokens", "device", nil, false},
	{"POST", "/v1/requests/:id/not-me/challenge", "request", nil, false},
	{"GET", "/v1/locks", "", nil, false},
	{"POST", "/v1/devices/:id/lock/challenge", "device", nil, false},
	{"POST", "/v1/devices/:id/lock", "device", map[string]any{"assertion": map[string]any{}}, false},
	{"GET", "/v1/quiet-hours", "", nil, false},
	{"POST", "/v1/devices/:id/quiet-hours", "device", map[string]any{"zone": "Asia/Tokyo", "from": "22:00", "to": "06:00"}, false},
	{"GET", "/v1/push", "", nil, false},
	{"POST", "/v1/devices/:id/addresses", "device", map[string]any{"channel": "webpush", "target": "https://push.example.com/s", "locale": "ja"}, false},
	{"DELETE", "/v1/devices/:id/addresses/:aid", "device", nil, false},
	{"POST", "/v1/devices/:id/test", "device", nil, false},
	{"GET", "/v1/requests/wait", "", nil, false},
	{"GET", "/v1/history", "", nil, false},
	{"GET", "/v1/socket", "", nil, false},
	{"POST", "/v1/session/challenge", "", nil, true}, // these two are a browser's: see browser_test.go
	{"POST", "/v1/session", "", nil, true},
	{"DELETE", "/v1/session", "", nil, false},
	{"GET", "/.well-known/jwks.json", "", nil, true},
}

func (r route) at(id string) string { return strings.Replace(r.path, ":id", id, 1) }

func (r route) name() string { return r.method + " " + r.path }

func TestEveryRouteIsHere(t *testing.T) {
	w := newWorld(t)
	var mounted, listed []string
	for _, r := range w.engine.Routes() {
		mounted = append(mounted, r.Method+" "+r.Path)
	}
	for _, r := range routes {
		listed = append(listed, r.name())
	}
	slices.Sort(mounted)
	slices.Sort(listed)
	if !slices.Equal(mounted, listed) {
		t.Errorf("mounted %v\nlisted  %v", mounted, listed)
	}
}

// stage is a world with alice, who has a device, a pending request and a pairing
// confirmed and not finished, and mallory, who has the same.
type stage struct {
	*world
	alice, mallory *phone
	ids            map[string]string // alice's
}

func newStage(t *testing.T) stage {
	t.Helper()
	w := newWorld(t)
	s := stage{world: w, ids: map[string]string{}}
	for _, name := range []string{"alice", "mallory"} {
		p := w.newPhone()
		r := w.ask(p.pair("corp", name), "483920")
		_, offer := w.offer("bank", name)
		c := p.claim(offer)
		by := device.Actor{Kind: device.ActorAdmin, ID: "root"}
		if _, err := w.devices.Confirm(t.Context(), device.EnrollmentID(c.ID), c.MatchCode, by); err != nil {
			t.Fatal(err)
		}
		if name == "alice" {
			s.alice, s.ids = p, map[string]string{"request": string(r.ID), "pairing": c.ID, "device": string(p.device.ID)}
		} else {
			s.mallory = p
		}
	}
	w.secrets = append(w.secrets, s.alice.token, s.mallory.token, canary)
	return s
}

// canary stands in what is sent and must never be repeated.
const canary = "c4naryvalue"

// unharmed makes one call and checks that it changed and leaked nothing.
func (s stage) unharmed(t *testing.T, p *phone, c call) answer {
	t.Helper()
	s.advance(3 * time.Second) // one claim's worth
	before := s.dump()
	a := p.send(c)
	if s.dump() != before {
		t.Errorf("a refused call changed what is stored: %v", a)
	}
	return a
}

// TestWhoIsCalling: on each route, whoever cannot prove the session is refused.
func TestWhoIsCalling(t *testing.T) {
	s := newStage(t)
	tests := []struct {
		name    string
		headers func(method, path string) http.Header
		typ     string
		claim   bool // it applies to the claim too, which needs no token
	}{
		{"nobody", func(string, string) http.Header { return http.Header{} }, "unauthorized", false},
		{"proof only", func(m, p string) http.Header {
			return http.Header{"DPoP": {s.world.newPhone().proof(m, p, "")}}
		}, "unauthorized", false},
		{"token only", func(string, string) http.Header {
			return http.Header{"Authorization": {"DPoP " + s.alice.token}}
		}, "invalid_dpop_proof", true},
		{"token as bearer", func(m, p string) http.Header {
			h := s.alice.headers(m, p)
			h.Set("Authorization", "Bearer "+s.alice.token)
			return h
		}, "unauthorized", true},
		{"another's key", func(m, p string) http.Header {
			return http.Header{"DPoP": {s.mallory.proof(m, p, s.alice.token)}, "Authorization": {"DPoP " + s.alice.token}}
		}, "unauthorized", true},
		{"another's token", func(m, p string) http.Header {
			return http.Header{"DPoP": {s.alice.proof(m, p, s.alice.token)}, "Authorization": {"DPoP " + s.mallory.token}}
		}, "invalid_dpop_proof", true},
		{"for another path", func(m, p string) http.Header { return s.alice.headers(m, p+"x") }, "invalid_dpop_proof", true},
		{"for another method", func(_, p string) http.Header { return s.alice.headers("PUT", p) }, "invalid_dpop_proof", true},
		{"two proofs", func(m, p string) http.Header {
			h := s.alice.headers(m, p)
			h["DPoP"] = append(h["DPoP"], s.alice.proof(m, p, s.alice.token))
			return h
		}, "invalid_dpop_proof", true},
		{"unknown token", func(m, p string) http.Header {
			ghost := *s.alice
			ghost.token = strings.Repeat("A", 43)
			return ghost.headers(m, p)
		}, "unauthorized", true},
	}
	for _, r := range routes {
		for _, tt := range tests {
			if r.open || r.path == "/v1/pairings/claim" && !tt.claim {
				continue
			}
			t.Run(r.name()+"/"+tt.name, func(t *testing.T) {
				path := r.at(s.ids[r.id])
				c := call{method: r.method, path: path, header: tt.headers(r.method, path)}
				if r.body != nil {
					c.body = r.body
				}
				a := s.unharmed(t, s.alice, c)
				a.wantProblem(t, 401, tt.typ)
				if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "DPoP error=") {
					t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
				}
			})
		}
	}
	t.Run("claim by nobody", func(t *testing.T) {
		s.unharmed(t, s.alice, call{method: "POST", path: "/v1/pairings/claim", header: http.Header{}, body: routes[0].body}).
			wantProblem(t, 401, "invalid_dpop_proof")
	})
}

// TestReplayedCall: a call that was overheard cannot be made again.
func TestReplayedCall(t *testing.T) {
	s := newStage(t)
	for _, r := range routes {
		if r.open {
			continue
		}
		path := r.at(s.ids[r.id])
		c := call{method: r.method, path: path, header: s.alice.headers(r.method, path)}
		if r.body != nil {
			c.body = r.body
		}
		s.alice.send(c)
		t.Run(r.name(), func(t *testing.T) {
			typ := "invalid_dpop_proof"
			if r.name() == "DELETE /v1/session" { // there is nothing left to prove
				typ = "unauthorized"
			}
			s.unharmed(t, s.alice, c).wantProblem(t, 401, typ)
		})
	}
}

// TestStrangers: on each route that names something, what is another's is
// answered like what is not there, to the byte.
func TestStrangers(t *testing.T) {
	s := newStage(t)
	for _, r := range routes {
		if r.id == "" {
			continue
		}
		t.Run(r.name(), func(t *testing.T) {
			var answers []answer
			for _, id := range []string{s.ids[r.id], rand.Text(), canary} {
				c := call{method: r.method, path: r.at(id)}
				if r.body != nil {
					c.body = r.body
				}
				a := s.unharmed(t, s.mallory, c)
				a.wantProblem(t, 404, r.id+"_not_found")
				answers = append(answers, a)
			}
			for _, a := range answers[1:] {
				if a.String() != answers[0].String() {
					t.Errorf("a stranger's is told from a missing one: %v, %v", answers[0], a)
				}
			}
		})
	}
}

// TestBadPaths: each route refuses what does not belong in its URL.
func TestBadPaths(t *testing.T) {
	s := newStage(t)
	for _, r := range routes {
		path := r.at(s.ids[r.id])
		do := func(method, path string) answer {
			c := call{method: method, path: path}
			if r.body != nil && method == r.method {
				c.body = r.body
			}
			return s.unharmed(t, s.alice, c)
		}
		t.Run(r.name(), func(t *testing.T) {
			do("PUT", path).wantProblem(t, 405, "method_not_allowed")
			do(r.method, path+"/").wantProblem(t, 404, "not_found")
			if r.id != "" {
				do(r.method, r.at(strings.Repeat("x", 65))).wantProblem(t, 422, "invalid_request")
				do(r.method, r.at("a%2Fb")).wantProblem(t, 404, "not_found")
			}
			if !r.open && r.path != "/v1/socket" {
				do(r.method, path+"?"+canary+"=1").wantProblem(t, 422, "invalid_request")
			}
		})
	}
}

// TestBadBodies: each field of each body, wrong in each way.
func TestBadBodies(t *testing.T) {
	s := newStage(t)
	type bad struct {
		name   string
		body   any
		kind   string
		status int
		typ    string
	}
	for _, r := range routes {
		if r.body == nil {
			continue
		}
		with := func(name string, v any) map[string]any {
			out := map[string]any{}
			for k, old := range r.body {
				out[k] = old
			}
			if out[name] = v; v == nil {
				delete(out, name)
			}
			return out
		}
		good := string(must(json.Marshal(r.body))(t))
		tests := []bad{
			{"not json", canary, "", 400, "invalid_request"},
			{"empty", "", "", 400, "invalid_request"},
			{"cut off", good[:len(good)-1], "", 400, "invalid_request"},
			{"two values", good + good, "", 400, "invalid_request"},
			{"null", "null", "", 422, "invalid_request"},
			{"array", "[" + good + "]", "", 422, "invalid_request"},
			{"unknown field", with(canary, 1), "", 422, "invalid_request"},
			{"oversize", with("device_name", strings.Repeat("x", web.MaxBody)), "", 413, "too_large"},
			{"deep", `{"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}", "", 400, "invalid_request"},
			{"form", "a=b", "application/x-www-form-urlencoded", 415, "unsupported_media_type"},
			{"text", good, "text/plain", 415, "unsupported_media_type"},
		}
		for field := range r.body {
			for name, v := range map[string]any{"number": 7.5, "array": []any{canary}} {
				tests = append(tests, bad{field + " as " + name, with(field, v), "", 422, "invalid_request"})
			}
			if _, isText := r.body[field].(string); isText {
				tests = append(tests, bad{field + " too long", with(field, strings.Repeat("x", 3000)), "", 422, "invalid_request"})
			}
		}
		for _, field := range []string{"secret", "device_name", "credential", "verdict", "name", "assertion", "channel", "target"} {
			if _, ok := r.body[field]; ok {
				tests = append(tests, bad{"no " + field, with(field, nil), "", 422, "invalid_request"},
					bad{field + " as null", with(field, json.RawMessage("null")), "", 422, "invalid_request"})
			}
		}
		for _, tt := range tests {
			t.Run(r.name()+"/"+tt.name, func(t *testing.T) {
				c := call{method: r.method, path: r.at(s.ids[r.id]), body: tt.body, kind: tt.kind}
				s.unharmed(t, s.alice, c).wantProblem(t, tt.status, tt.typ)
			})
		}
	}
}

// TestBadMeaning: well formed, and nonsense.
func TestBadMeaning(t *testing.T) {
	s := newStage(t)
	decision := "/v1/requests/" + s.ids["request"] + "/decision"
	tests := []struct {
		name, path string
		body       any
		status     int
		typ        string
	}{
		{"verdict of another word", decision, map[string]any{"verdict": canary}, 422, "invalid_request"},
		{"approve without a passkey", decision, map[string]any{"verdict": "approve", "user_code": "483920"}, 422, "invalid_request"},
		{"approve, and not me", decision, map[string]any{"verdict": "approve", "not_me": true, "assertion": map[string]any{}}, 422, "invalid_request"},
		{"assertion as text", decision, map[string]any{"verdict": "approve", "assertion": canary}, 422, "invalid_request"},
		{"name that reverses the line", "/v1/pairings/claim", map[string]any{"secret": "AAAA", "device_name": "a\u202eb"}, 400, "invalid_name"},
		{"blank name", "/v1/pairings/claim", map[string]any{"secret": "AAAA", "device_name": "  "}, 400, "invalid_name"},
		{"unknown secret", "/v1/pairings/claim", map[string]any{"secret": canary, "device_name": "x"}, 404, "pairing_not_found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.unharmed(t, s.alice, call{method: "POST", path: tt.path, body: tt.body}).wantProblem(t, tt.status, tt.typ)
		})
	}
	if got := must(s.db.Request(t.Context(), approval.RequestID(s.ids["request"])))(t); got.Code.Tries != 0 {
		t.Errorf("%d tries were charged", got.Code.Tries)
	}
}

// TestLogHoldsNoSecret: after all of a phone's life nothing of it is in the log.
func TestLogHoldsNoSecret(t *testing.T) {
	s := newStage(t)
	s.alice.do("GET", "/v1/requests?"+canary, nil)
	s.alice.approve(approval.RequestID(s.ids["request"]), "corp", "483920").want(t, 200, nil)
	log := s.log.String()
	if lines := strings.Count(log, "\n"); lines < 10 || !strings.Contains(log, `"route":"/v1/requests/:id/decision"`) {
		t.Fatalf("%d lines", lines)
	}
	for _, secret := range append(s.secrets, s.ids["request"], s.ids["pairing"]) {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
