package kiosk_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo/kiosk"
)

func TestOrder(t *testing.T) {
	photo := asJPEG(t, newScene(700, 500, 140).place(t, digits, 350, 250, 8, 12, 0).grain(10), 80)
	for _, tt := range []struct {
		name     string
		sheet    sheet
		language string
		decision string
		want     string // state, and the OP's code
		says     string
		amount   string
	}{
		{"typed", sheet{item: "day", code: "0482 1957 3602 8471 5093"}, "en", "approved", "approved ", "Kado House, kiosk 2: day ticket, 820 JPY", "820"},
		{"in a picture", sheet{item: "bicycle", picture: photo}, "ja-JP,ja;q=0.9", "approved", "approved ", "Kado House 2番券売機 自転車2時間 600円", "600"},
		{"a picture and something typed", sheet{item: "day", code: others, picture: photo}, "fr", "approved", "approved ", "Kado House, kiosk 2: day ticket, 820 JPY", "820"},
		{"refused", sheet{item: "umbrella", code: digits}, "en", "denied", "denied access_denied", "Kado House, kiosk 2: umbrella, 1,500 JPY", "1500"},
		{"nobody answers", sheet{item: "umbrella", code: digits}, "ja", "expired", "expired expired_token", "Kado House 2番券売機 傘 1,500円", "1500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			status, o := w.orders(tt.sheet, "Accept-Language", tt.language)
			if status != http.StatusCreated || o["state"] != "pending" || o["says"] != tt.says {
				t.Fatalf("got %d %v, want an order that says %q", status, o, tt.says)
			}
			sent, _ := w.last()
			if sent["login_hint_token"] != digits || sent["sub"] != "sub-of-a-phone" || sent["login_hint"] != nil ||
				sent["binding_message"] != tt.says || sent["client_name"] != kiosk.Name {
				t.Errorf("the OP asked %v", sent)
			}
			if d := fmt.Sprint(sent["authorization_details"]); !strings.Contains(d, "amount:"+tt.amount+" currency:JPY") {
				t.Errorf("the details are %s, want %s JPY in them", d, tt.amount)
			}
			w.decides(tt.decision)
			_, end := w.call("GET", fmt.Sprintf("/orders/%s/end", o["id"]), nil)
			if got := fmt.Sprint(end["state"], " ", orEmpty(end["error"])); got != tt.want || len(end) > 2 {
				t.Errorf("it ended as %v, want %q and nothing else", end, tt.want)
			}
			if w.log.Len() != 0 {
				t.Errorf("the log says %s", w.log)
			}
		})
	}
}

func orEmpty(v any) string {
	s, _ := v.(string)
	return s
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	wall := asPNG(t, newScene(200, 200, 140))
	two := asPNG(t, newScene(900, 500, 140).place(t, digits, 220, 250, 8, 0, 0).place(t, others, 670, 250, 8, 5, 0))
	poster := asPNG(t, newScene(400, 400, 140).place(t, "https://example.com/", 200, 200, 8, 0, 0))
	for _, tt := range []struct {
		name    string
		sheet   sheet
		headers []string
		status  int
		code    string
	}{
		{"no such thing", sheet{item: "yacht", code: digits}, nil, 400, "input"},
		{"no code", sheet{item: "day"}, nil, 400, "digits"},
		{"a digit too few", sheet{item: "day", code: digits[1:]}, nil, 400, "digits"},
		{"nobody's code", sheet{item: "day", code: others}, nil, 409, "unknown_user_id"},
		{"no picture", sheet{item: "day", picture: []byte("%PDF-1.7")}, nil, 400, "picture_kind"},
		{"a wall", sheet{item: "day", picture: wall}, nil, 400, "picture_none"},
		{"two phones", sheet{item: "day", picture: two}, nil, 400, "picture_several"},
		{"a poster", sheet{item: "day", picture: poster}, nil, 400, "picture_other"},
		{"a large file", sheet{item: "day", picture: make([]byte, 12<<20+1)}, nil, 400, "picture_large"},
		{"a very large file", sheet{item: "day", picture: make([]byte, 13<<20)}, nil, 400, "picture_large"},
		{"from another site", sheet{item: "day", code: digits}, []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"no form", sheet{item: "day", code: digits}, []string{"Content-Type", "application/json"}, 400, "input"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body := w.orders(tt.sheet, tt.headers...)
			if status != tt.status || orEmpty(body["error"]) != tt.code {
				t.Errorf("got %d %v, want %d %s", status, body, tt.status, tt.code)
			}
		})
	}
	if _, n := w.last(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
	if w.log.Len() != 0 {
		t.Errorf("the log says %s", w.log)
	}
	if status, body := w.call("GET", "/orders/x/end", nil); status != 404 || body["error"] != "not_found" {
		t.Errorf("the end of no such order: got %d %v", status, body)
	}
}

// TestEndlessPicture stops listening to one that does not end.
func TestEndlessPicture(t *testing.T) {
	w := newWorld(t)
	const whole = 64 << 20
	head := "--b\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"x\"\r\n\r\n"
	sent := &counted{Reader: io.MultiReader(strings.NewReader(head), io.LimitReader(zeros{}, whole))}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/orders", sent)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if resp, err := http.DefaultClient.Do(req); err == nil { // the answer may be lost: the line is cut
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("got %d, want 400", resp.StatusCode)
		}
	}
	if n := sent.n.Load(); n > whole/2 {
		t.Errorf("%d bytes were taken", n)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// counted counts what was read of it.
type counted struct {
	io.Reader
	n atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// TestSpent shows the same code again.
func TestSpent(t *testing.T) {
	w := newWorld(t)
	for _, want := range []string{"201 ", "409 expired_login_hint_token"} {
		status, body := w.orders(sheet{item: "day", code: digits})
		if got := fmt.Sprint(status, " ", orEmpty(body["error"])); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestPage is the page in each language, with words for whatever may be refused.
func TestPage(t *testing.T) {
	w := newWorld(t)
	inline := regexp.MustCompile(`<script>|<style|style="|\son[a-z]+="|https?://`)
	for language, want := range map[string]string{"en": "Show your code", "ja": "コードを見せて"} {
		resp, body := w.response("GET", "/", nil, "Accept-Language", language)
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, want) || !strings.Contains(body, `lang="`+language+`"`) {
			t.Errorf("in %s the page does not say %q: %d", language, want, resp.StatusCode)
		}
		if found := inline.FindAllString(strings.ReplaceAll(body, "http://mitome.localhost", ""), -1); found != nil {
			t.Errorf("the page holds %q, which its policy forbids", found)
		}
		if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("the policy is %q", policy)
		}
		for _, why := range []string{"digits", "picture_kind", "picture_large", "picture_none", "picture_several", "picture_other", "expired_login_hint_token", "unknown_user_id", "other"} {
			if !strings.Contains(body, `data-why="`+why+`"`) {
				t.Errorf("in %s the page has no words for %s", language, why)
			}
		}
		for _, item := range kiosk.Items {
			if item.Message[language] == "" {
				t.Errorf("%s has no binding message in %s", item.Name, language)
			}
		}
	}
	for _, file := range []string{"kiosk.js", "kiosk.css", "kiosk.svg", "base.css", "dom.js"} {
		if resp, body := w.response("GET", "/static/"+file, nil); resp.StatusCode != http.StatusOK || body == "" {
			t.Errorf("%s: got %d", file, resp.StatusCode)
		}
	}
}

func TestNew(t *testing.T) {
	if _, err := kiosk.New(kiosk.Config{CodeURL: "http://mitome.localhost/code"}); err == nil {
		t.Error("a kiosk without a client is taken")
	}
}
