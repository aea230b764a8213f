package counter_test

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/counter"
)

func in(en, ja string) fs.FS {
	return fstest.MapFS{"words/en.json": {Data: []byte(en)}, "words/ja.json": {Data: []byte(ja)}}
}

func TestWords(t *testing.T) {
	for name, files := range map[string]fs.FS{
		"a word too few":      in(`{"a": "A", "b": "B"}`, `{"a": "あ"}`),
		"a word too many":     in(`{"a": "A"}`, `{"a": "あ", "b": "い"}`),
		"an empty word":       in(`{"a": "A"}`, `{"a": ""}`),
		"no words":            in(`{"a": "A"}`, `あ`),
		"a language too few":  fstest.MapFS{"words/en.json": {Data: []byte(`{}`)}},
		"no language at all":  fstest.MapFS{},
		"words of other form": in(`{"a": "A"}`, `{"a": ["あ"]}`),
	} {
		if _, err := counter.LoadWords(files); err == nil {
			t.Errorf("%s goes unnoticed", name)
		}
	}
	words, err := counter.LoadWords(in(`{"a": "A", "spoken.a": "B", "spoken.b": "C"}`, `{"a": "あ", "spoken.a": "い", "spoken.b": "う"}`))
	if err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]string{"ja-JP,en;q=0.5": "あ", "en": "A", "fr": "A", "": "A"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Language", asked)
		if said, err := words.Speak(r).Say("a"); said != want || err != nil {
			t.Errorf("asked for in %q: got %q, %v, want %q", asked, said, err, want)
		}
		if _, err := words.Speak(r).Say("z"); err == nil {
			t.Error("a word that is missing goes unnoticed")
		}
		if keys := strings.Join(words.Speak(r).Keys("spoken."), " "); keys != "spoken.a spoken.b" {
			t.Errorf("got keys %q", keys)
		}
	}
}

// TestOrders forgets the oldest, so that a demo that is left open does not grow.
func TestOrders(t *testing.T) {
	var o counter.Orders[int]
	for i := range 101 {
		o.Keep(strconv.Itoa(i), i)
	}
	if _, err := o.Find("0"); !errors.Is(err, counter.ErrNotFound) {
		t.Errorf("the oldest: got %v, want not found", err)
	}
	if got, err := o.Find("100"); got != 100 || err != nil {
		t.Errorf("the newest: got %v, %v", got, err)
	}
}

func TestOutcome(t *testing.T) {
	for want, err := range map[string]error{
		"approved ":                 nil,
		"denied access_denied":      &rp.Error{Code: "access_denied"},
		"expired expired_token":     &rp.Error{Code: "expired_token"},
		"failed transaction_failed": &rp.Error{Code: "transaction_failed"},
		"failed unreachable":        errors.New("no route to host"),
	} {
		if state, code := counter.Outcome(err); state+" "+code != want {
			t.Errorf("%v: got %s %s, want %s", err, state, code, want)
		}
	}
}

func TestStatic(t *testing.T) {
	own := fstest.MapFS{"static/a.css": {Data: []byte("own")}, "static/a.txt": {Data: []byte("secret")}}
	h := counter.Serve(nil, map[string]counter.Do{"GET /static/{file}": counter.Static(own)})
	for path, want := range map[string]string{"/static/a.css": "200 text/css; charset=utf-8", "/static/dom.js": "200 text/javascript; charset=utf-8", "/static/a.txt": "404 application/json; charset=utf-8", "/static/b.css": "404 application/json; charset=utf-8"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := strconv.Itoa(w.Code) + " " + w.Header().Get("Content-Type"); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}
