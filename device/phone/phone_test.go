package phone_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
)

func TestPairing(t *testing.T) {
	f := newFake(t)
	keys, err := softkey.Open(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	p := f.openWith(keys)
	if _, err := p.List(); !errors.Is(err, phone.ErrNotPaired) {
		t.Errorf("before: got %v, want %v", err, phone.ErrNotPaired)
	}
	g, err := p.Claim(f.url+"/pair#"+secret, "my phone")
	if err != nil {
		t.Fatal(err)
	}
	if g.MatchCode != "123456" || g.ID != "e1" || g.ExpiresAt == "" {
		t.Errorf("claimed: %+v", g)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	d, err := g.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if d.ID != "d1" || d.Name != "my phone" || d.OP != "corp" || d.UserName != "Aiko" {
		t.Errorf("got device %+v", d)
	}
	again := f.openWith(keys) // as after a restart
	if !again.Paired() || again.KnownDevices().Len() != 1 || again.KnownDevices().Get(0).ID != "d1" {
		t.Errorf("after a restart: paired %v, devices %d", again.Paired(), again.KnownDevices().Len())
	}
	if l, err := again.Devices(); err != nil || l.Len() != 1 || l.Get(0).OP != "corp" {
		t.Errorf("devices: %v", err)
	}
}

func TestSecondPairingKeepsTheSession(t *testing.T) {
	f := newFake(t)
	p := f.paired()
	before := f.token
	if _, err := p.Claim(f.url+"/pair#"+secret, "my phone"); err != nil {
		t.Fatal(err)
	}
	if f.token != before {
		t.Error("the phone began a new session")
	}
	f.token = "somebody else's" // ours is over
	if _, err := p.Claim(f.url+"/pair#"+secret, "my phone"); err != nil {
		t.Errorf("a dead session stands in the way: %v", err)
	}
	if _, err := p.List(); err != nil {
		t.Errorf("the new session does not serve: %v", err)
	}
}

func TestPairingThatIsNotConfirmed(t *testing.T) {
	for _, state := range []string{"cancelled", "expired"} {
		f := newFake(t)
		f.pairing = []string{"claimed", state}
		g, err := f.open().Claim(f.url+"/pair#"+secret, "my phone")
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Wait(); !errors.Is(err, phone.ErrPairingOver) {
			t.Errorf("%s: got %v, want %v", state, err, phone.ErrPairingOver)
		}
	}
}

func TestWaitOutlivesAServerThatIsAwayForAMoment(t *testing.T) {
	f := newFake(t)
	p := f.open()
	g, err := p.Claim(f.url+"/pair#"+secret, "my phone")
	if err != nil {
		t.Fatal(err)
	}
	misses := 0
	f.on("GET /v1/pairings/e1", func(w http.ResponseWriter, _ *http.Request) {
		if misses++; misses == 3 {
			f.on("GET /v1/pairings/e1", nil)
		}
		problem(w, 503, `{}`)
	})
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	f.on("GET /v1/pairings/e1", func(w http.ResponseWriter, _ *http.Request) { problem(w, 404, `{}`) })
	if err := g.Wait(); phone.ProblemOf(err) == nil {
		t.Errorf("got %v, want the server's 404", err)
	}
}

func TestLinks(t *testing.T) {
	tests := []struct {
		link, server string
		want         error
	}{
		{"https://mitome.example/pair#SECRET", "https://mitome.example", nil},
		{" https://Mitome.Example:443/pair#SECRET\n", "https://mitome.example", nil},
		{"https://mitome.example:8443/base/pair#SECRET", "https://mitome.example:8443/base", nil},
		{"http://devices.localhost:8080/pair#SECRET", "http://devices.localhost:8080", nil},
		{"http://mitome.example/pair#SECRET", "", phone.ErrServer},
		{"https://user:SECRET@mitome.example/pair#SECRET", "", phone.ErrServer},
		{"https://mitome.example/pair?x=SECRET#SECRET", "", phone.ErrServer},
		{"https://mitome.example/pair", "", phone.ErrLink},
		{"https://mitome.example/pair#", "", phone.ErrLink},
		{"https://mitome.example/other#SECRET", "", phone.ErrLink},
		{"mitome://pair#SECRET", "", phone.ErrLink},
		{"https://[bad/pair#SECRET", "", phone.ErrLink},
		{"SECRET", "", phone.ErrLink},
	}
	for _, tt := range tests {
		got, err := phone.ServerOf(tt.link)
		if got != tt.server || !errors.Is(err, tt.want) {
			t.Errorf("%s: got %q, %v; want %q, %v", tt.link, got, err, tt.server, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error tells the secret: %v", tt.link, err)
		}
	}
	f := newFake(t)
	if _, err := f.open().Claim("https://mitome.example/pair#SECRET", "my phone"); !errors.Is(err, phone.ErrLink) {
		t.Errorf("link of another server: got %v, want %v", err, phone.ErrLink)
	}
	if _, err := f.open().Claim(f.url+"/pair#WRONG", "my phone"); phone.ProblemOf(err) == nil || strings.Contains(err.Error(), "WRONG") {
		t.Errorf("dead link: got %v", err)
	}
}

func TestServerMustBeSafeToTalkTo(t *testing.T) {
	keys, err := softkey.Open(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{
		"https://mitome.example": true, "https://mitome.example:8443/base/": true,
		"http://localhost": true, "http://LOCALHOST:1234": true, "http://a.b.localhost": true,
		"http://127.0.0.1:80": true, "http://127.8.9.1": true, "http://[::1]:8080": true,
		"http://mitome.example": false, "http://localhost.example": false, "http://10.0.0.1": false,
		"http://notlocalhost": false, "ftp://localhost": false, "https://": false, "localhost:8080": false,
		"https://a@mitome.example": false, "https://mitome.example#x": false, "": false,
	}
	for server, ok := range tests {
		p, err := phone.Open(keys, server)
		if ok != (err == nil) || !ok && !errors.Is(err, phone.ErrServer) {
			t.Errorf("%q: got %v, want ok %v", server, err, ok)
		}
		if err == nil {
			p.Close()
		}
	}
}

func TestProblems(t *testing.T) {
	tests := []struct {
		name, body string
		status     int
		want       phone.Problem
	}{
		{"with numbers", `{"type":"urn:mitome:user_code_wrong","title":"That code is not right.","tries_left":0,"retry_after":30}`, 403,
			phone.Problem{Status: 403, Type: "urn:mitome:user_code_wrong", Title: "That code is not right.", TriesLeft: 0, RetryAfter: 30}},
		{"without", `{"type":"urn:mitome:request_settled","title":"Answered."}`, 409,
			phone.Problem{Status: 409, Type: "urn:mitome:request_settled", Title: "Answered.", TriesLeft: -1}},
		{"a proxy's page", `<html>no</html>`, 502,
			phone.Problem{Status: 502, Type: "about:blank", Title: "Bad Gateway", TriesLeft: -1}},
		{"terminal escapes", `{"type":"a\u0007","title":"\u001b]0;x\u0007hello\n\u202e"}`, 400,
			phone.Problem{Status: 400, Type: "a", Title: "]0;xhello", TriesLeft: -1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			p := f.paired()
			f.on("GET /v1/requests", func(w http.ResponseWriter, _ *http.Request) { problem(w, tt.status, tt.body) })
			_, err := p.List()
			if got := phone.ProblemOf(err); got == nil || *got != tt.want {
				t.Errorf("got %+v (%v), want %+v", got, err, tt.want)
			}
		})
	}
}

func TestHostileAnswers(t *testing.T) {
	f := newFake(t)
	p := f.paired()
	asked := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer elsewhere.Close()
	answers := map[string]func(http.ResponseWriter, *http.Request){
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, 307) },
		"too large": func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(`{"requests":[]}` + strings.Repeat(" ", 1<<20)))
		},
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) },
		"hang up":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, h := range answers {
		f.on("GET /v1/requests", h)
		if l, err := p.List(); err == nil || strings.Contains(err.Error(), f.token) {
			t.Errorf("%s: got %v, %v", name, l, err)
		}
	}
	if asked {
		t.Error("the phone followed a redirect to another server")
	}
}

func TestTokenIsNotPrinted(t *testing.T) {
	f := newFake(t)
	p := f.paired()
	for _, text := range []string{fmt.Sprint(p), fmt.Sprintf("%v", p), fmt.Sprintf("%+v", p), fmt.Sprintf("%#v", p)} {
		if strings.Contains(text, f.token) {
			t.Errorf("the token is in %s", text)
		}
	}
}

// TestGomobileCanBind holds every exported method to what gomobile can bind:
// text, numbers, flags, bytes, errors, and pointers or interfaces of ours.
func TestGomobileCanBind(t *testing.T) {
	types := []reflect.Type{
		reflect.TypeFor[*phone.Phone](), reflect.TypeFor[*phone.Pairing](), reflect.TypeFor[*phone.Request](),
		reflect.TypeFor[*phone.RequestList](), reflect.TypeFor[*phone.Device](), reflect.TypeFor[*phone.DeviceList](),
		reflect.TypeFor[*phone.Problem](), reflect.TypeFor[phone.KeyStore](), reflect.TypeFor[phone.Handler](),
	}
	funcs := map[string]reflect.Type{
		"Open": reflect.TypeOf(phone.Open), "ServerOf": reflect.TypeOf(phone.ServerOf), "ProblemOf": reflect.TypeOf(phone.ProblemOf),
	}
	for _, typ := range types {
		for m := range typ.Methods() {
			if m.IsExported() {
				funcs[typ.String()+"."+m.Name] = m.Type
			}
		}
		if typ.Kind() == reflect.Pointer {
			for _, field := range reflect.VisibleFields(typ.Elem()) {
				if field.IsExported() && !bindable(field.Type) {
					t.Errorf("%s.%s is a %s", typ, field.Name, field.Type)
				}
			}
		}
	}
	for name, f := range funcs {
		for in := range f.Ins() {
			if !bindable(in) {
				t.Errorf("%s takes a %s", name, in)
			}
		}
		for out := range f.Outs() {
			if !bindable(out) {
				t.Errorf("%s returns a %s", name, out)
			}
		}
		if n := f.NumOut(); n > 2 || n == 2 && f.Out(1) != reflect.TypeFor[error]() {
			t.Errorf("%s returns %d values", name, n)
		}
	}
}

func bindable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Float64:
		return t.PkgPath() == "" // a named kind of our own would lose its methods
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Uint8
	case reflect.Pointer:
		return t.Elem().Kind() == reflect.Struct && t.Elem().PkgPath() == reflect.TypeFor[phone.Phone]().PkgPath()
	case reflect.Interface:
		return t == reflect.TypeFor[error]() || t.PkgPath() == reflect.TypeFor[phone.Phone]().PkgPath()
	}
	return false
}
