package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
)

// secret is what no answer to a refused call, and no log line, may hold.
const secret = "s3cretvalue"

type sampleIn struct {
	ID   string `path:"id" maxLength:"16"`
	Body struct {
		Code  string `json:"code" maxLength:"8"`
		Count int    `json:"count,omitempty"`
	}
}

type sampleOut struct {
	Body struct {
		Code string `json:"code"`
	}
}

// listener is an engine with one of each kind of route, and its log.
func listener(t *testing.T, trusted ...string) (http.Handler, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	e, err := web.NewEngine(slog.New(slog.NewJSONHandler(&out, nil)), trusted)
	if err != nil {
		t.Fatal(err)
	}
	api := web.NewAPI(e, e.Group(""), "t", "1")
	web.Register(api, huma.Operation{Method: "POST", Path: "/v1/things/{id}", OperationID: "do"},
		func(_ context.Context, in *sampleIn) (*sampleOut, error) {
			switch in.Body.Code {
			case "rate":
				return nil, &web.RateError{Wait: 3e9}
			case "fault":
				return nil, errors.New("disk on fire: " + secret)
			case "panic":
				panic("at the disco")
			}
			var o sampleOut
			o.Body.Code = in.Body.Code
			return &o, nil
		})
	e.GET("/plain/:key", web.Handle(func(c *gin.Context) error { return fmt.Errorf("no: %w", web.ErrNotFound) }))
	e.GET("/ip", func(c *gin.Context) { c.String(200, web.IP(c.Request.Context()).String()) })
	e.GET("/late", func(c *gin.Context) { c.String(200, "half"); panic("late") })
	e.GET("/me", func(c *gin.Context) {
		s := session.Session{ID: "sess1", Devices: []device.Device{{ID: "dev1"}, {ID: "dev2"}}}
		c.Request = c.Request.WithContext(session.With(c.Request.Context(), s))
		c.Status(204)
	})
	return e, &out
}

func TestAnswers(t *testing.T) {
	const path = "/v1/things/" + "T1"
	tests := []struct {
		name, method, path, kind, body string
		status                         int
		typ                            string
	}{
		{"ok", "POST", path, "application/json", `{"code":"x"}`, 200, ""},
		{"utf-8", "POST", path, "application/json; charset=UTF-8", `{"code":"x"}`, 200, ""},
		{"other charset", "POST", path, "application/json; charset=utf-16", `{"code":"x"}`, 415, "unsupported_media_type"},
		{"no type", "POST", path, "", `{"code":"x"}`, 415, "unsupported_media_type"},
		{"form", "POST", path, "application/x-www-form-urlencoded", `{"code":"x"}`, 415, "unsupported_media_type"},
		{"text", "POST", path, "text/plain", `{"code":"x"}`, 415, "unsupported_media_type"},
		{"some other json", "POST", path, "application/x+json", `{"code":"x"}`, 415, "unsupported_media_type"},
		{"malformed type", "POST", path, "application/json; =", `{"code":"x"}`, 415, "unsupported_media_type"},
		{"not json", "POST", path, "application/json", secret, 400, "invalid_request"},
		{"two values", "POST", path, "application/json", `{"code":"x"}{}`, 400, "invalid_request"},
		{"empty", "POST", path, "application/json", ``, 400, "invalid_request"},
		{"null", "POST", path, "application/json", `null`, 422, "invalid_request"},
		{"array", "POST", path, "application/json", `["` + secret + `"]`, 422, "invalid_request"},
		{"missing", "POST", path, "application/json", `{}`, 422, "invalid_request"},
		{"too long", "POST", path, "application/json", `{"code":"` + secret + `"}`, 422, "invalid_request"},
		{"mistyped", "POST", path, "application/json", `{"code":"x","count":"` + secret + `"}`, 422, "invalid_request"},
		{"unknown field", "POST", path, "application/json", `{"code":"x","` + secret + `":1}`, 422, "invalid_request"},
		{"unknown query", "POST", path + "?" + secret + "=1", "application/json", `{"code":"x"}`, 422, "invalid_request"},
		{"long id", "POST", path + strings.Repeat("x", 20), "application/json", `{"code":"x"}`, 422, "invalid_request"},
		{"oversize", "POST", path, "application/json", `{"code":"` + strings.Repeat("x", web.MaxBody) + `"}`, 413, "too_large"},
		{"refusal", "POST", path, "application/json", `{"code":"rate"}`, 429, "rate"},
		{"fault", "POST", path, "application/json", `{"code":"fault"}`, 500, ""},
		{"panic", "POST", path, "application/json", `{"code":"panic"}`, 500, ""},
		{"plain handler", "GET", "/plain/" + secret, "", "", 404, "not_found"},
		{"no route", "GET", "/" + secret, "", "", 404, "not_found"},
		{"trailing slash", "POST", path + "/", "application/json", `{"code":"x"}`, 404, "not_found"},
		{"no method", "DELETE", path, "", "", 405, "method_not_allowed"},
		{"made-up method", secret, path, "", "", 405, "method_not_allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, out := listener(t)
			r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.kind)
			r.Header.Set("Authorization", "DPoP "+secret)
			if tt.kind == "" {
				r.Header.Del("Content-Type")
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || tt.typ != "" && !strings.Contains(w.Body.String(), `"urn:mitome:`+tt.typ+`"`) {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, tt.status, tt.typ)
			}
			if strings.Contains(w.Body.String(), secret) || strings.Contains(out.String(), secret) {
				t.Errorf("the answer or the log repeats what was sent: %s\n%s", w.Body, out)
			}
			checkHeaders(t, w)
		})
	}
}

// checkHeaders checks what every answer must carry.
func checkHeaders(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if w.Header().Get("X-Request-Id") == "" {
		t.Error("no X-Request-Id")
	}
	if w.Code >= 400 {
		var p struct{ Status int }
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code {
			t.Errorf("not a problem document: %s", w.Body)
		}
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("content type %q", got)
		}
	}
	if w.Code == 429 && w.Header().Get("Retry-After") != "3" {
		t.Errorf("Retry-After %q, want 3", w.Header().Get("Retry-After"))
	}
	if w.Code == 405 && w.Header().Get("Allow") != "POST" {
		t.Errorf("Allow %q, want POST", w.Header().Get("Allow"))
	}
}

// TestLog: one line a call, that names the route and not the path.
func TestLog(t *testing.T) {
	tests := []struct {
		name, path string
		want       map[string]any
	}{
		{"pattern", "/plain/" + secret + "?q=" + secret, map[string]any{"method": "GET", "route": "/plain/:key", "status": 404., "ip": "192.0.2.1"}},
		{"no route", "/" + secret, map[string]any{"route": "", "status": 404.}},
		{"who", "/me", map[string]any{"session": "sess1", "devices": []any{"dev1", "dev2"}, "status": 204.}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, out := listener(t)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", tt.path, nil))
			var line map[string]any
			if err := json.Unmarshal(out.Bytes(), &line); err != nil {
				t.Fatalf("not one line: %s", out)
			}
			for k, want := range tt.want {
				if got := line[k]; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s: %v, want %v", k, got, want)
				}
			}
			if line["call"] == "" || line["call"] != w.Header().Get("X-Request-Id") {
				t.Errorf("call %v is not the id of the answer", line["call"])
			}
			if _, ok := line["took"]; !ok || strings.Contains(out.String(), secret) {
				t.Errorf("line: %s", out)
			}
		})
	}
}

// TestPanicAfterHalf: an answer that has begun is not made into another one.
func TestPanicAfterHalf(t *testing.T) {
	h, out := listener(t)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/late", nil))
	if w.Body.String() != "half" || !strings.Contains(out.String(), `"panic":"late"`) {
		t.Errorf("body %s, log %s", w.Body, out)
	}
}

// TestIP: X-Forwarded-For is a caller's word, unless the caller is a proxy of ours.
func TestIP(t *testing.T) {
	for trusted, want := range map[string]string{"": "192.0.2.1", "192.0.2.0/24": "203.0.113.7"} {
		var list []string
		if trusted != "" {
			list = []string{trusted}
		}
		h, _ := listener(t, list...)
		r := httptest.NewRequest("GET", "/ip", nil)
		r.Header.Set("X-Forwarded-For", "203.0.113.7")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Body.String() != want {
			t.Errorf("trusted %q: got %s, want %s", trusted, w.Body, want)
		}
		forged := httptest.NewRequest("GET", "/ip", nil)
		forged.Header.Set("X-Real-IP", "203.0.113.7")
		w = httptest.NewRecorder()
		h.ServeHTTP(w, forged)
		if w.Body.String() != "192.0.2.1" {
			t.Errorf("trusted %q: got %s by X-Real-IP, which no proxy of ours sets", trusted, w.Body)
		}
		appended := httptest.NewRequest("GET", "/ip", nil)
		appended.Header["X-Forwarded-For"] = []string{"198.51.100.9, 198.51.100.8", "203.0.113.7"} // the caller's, and the proxy's
		w = httptest.NewRecorder()
		h.ServeHTTP(w, appended)
		if w.Body.String() != want {
			t.Errorf("trusted %q: got %s, want %s, which the proxy itself saw", trusted, w.Body, want)
		}
	}
	if _, err := web.NewEngine(slog.New(slog.DiscardHandler), []string{"not an address"}); err == nil {
		t.Error("a proxy that is no address was taken")
	}
}

// TestRoutineCalls: health checks that are content leave no line, because they
// come every few seconds; those that are not do.
func TestRoutineCalls(t *testing.T) {
	h, out := listener(t)
	status := http.StatusOK
	h.(*gin.Engine).GET("/readyz", func(c *gin.Context) { c.Status(status) })
	ask := func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/readyz", nil)) }
	ask()
	if out.Len() > 0 {
		t.Errorf("logged: %s", out)
	}
	status = http.StatusServiceUnavailable
	ask()
	if !strings.Contains(out.String(), `"status":503`) {
		t.Errorf("not logged: %s", out)
	}
}

// TestBackstop: a route that reads without a bound of its own is stopped.
func TestBackstop(t *testing.T) {
	h, _ := listener(t)
	var read int64
	var err error
	h.(*gin.Engine).POST("/careless", func(c *gin.Context) { read, err = io.Copy(io.Discard, c.Request.Body) })
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/careless", strings.NewReader(strings.Repeat("x", 10*web.MaxBody))))
	var tooLarge *http.MaxBytesError
	if !errors.As(err, &tooLarge) || read > 2*web.MaxBody {
		t.Errorf("%d bytes were read, %v", read, err)
	}
}
