package shop_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo/shop"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/tape"
)

func TestOrder(t *testing.T) {
	for _, tt := range []struct {
		use      string
		mode     shop.Mode
		language string
		decision string
		want     string // state, and the OP's code
		says     string
	}{
		{"till", shop.Poll, "en", "approved", "approved ", "Cappuccino, till 3, 540 JPY"},
		{"call", shop.Ping, "ja-JP,ja;q=0.9", "approved", "approved ", "受付7731: 電話口の山田太郎が、お客様の登録情報を開きます"},
		{"pay", shop.Push, "en", "approved", "approved ", "Order 88-1047"},
		{"lock", shop.Poll, "fr", "denied", "denied access_denied", "Front door"},
		{"lock", shop.Push, "ja", "denied", "denied access_denied", "正面玄関"},
		{"till", shop.Ping, "en", "expired", "expired expired_token", "Cappuccino, till 3, 540 JPY"},
		{"pay", shop.Push, "en", "withdrawn", "failed transaction_failed", "Order 88-1047"},
	} {
		t.Run(strings.Join([]string{tt.use, string(tt.mode), tt.decision}, " "), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.desk.set("completed")
			status, o := w.call("POST", "/orders", fmt.Sprintf(`{"case":%q,"mode":%q}`, tt.use, tt.mode), "Accept-Language", tt.language)
			if status != http.StatusCreated || o["state"] != "pending" || o["says"] != tt.says {
				t.Fatalf("got %d %v, want an order that says %q", status, o, tt.says)
			}
			if left, _ := o["left"].(float64); left < 100 || left > 120 {
				t.Errorf("%v seconds are left, want about 120", o["left"])
			}
			sent := w.last()
			code, _ := o["code"].(string)
			if typed, _ := sent["user_code"].(string); typed != code || (code != "") != (tt.use == "till") {
				t.Errorf("the till shows %q, the OP was told %q", code, typed)
			}
			if sent["binding_message"] != tt.says || sent["sub"] != "sub-alice" {
				t.Errorf("the OP was asked %v", sent)
			}
			w.decides(tt.decision)
			_, end := w.call("GET", fmt.Sprintf("/orders/%s/end", o["id"]), "")
			if got := fmt.Sprint(end["state"], " ", orEmpty(end["error"])); got != tt.want {
				t.Errorf("it ended as %q, want %q", got, tt.want)
			}
			claims, _ := end["claims"].(map[string]any)
			if tt.decision == "approved" && (claims["sub"] != "sub-alice" || claims["acr"] != "phr") {
				t.Errorf("got claims %v, want those of the approval", claims)
			}
			if _, again := w.call("GET", fmt.Sprintf("/orders/%s/end", o["id"]), ""); again["state"] != end["state"] {
				t.Errorf("asked again it ended as %v, want %v", again["state"], end["state"])
			}
		})
	}
}

func orEmpty(v any) string {
	s, _ := v.(string)
	return s
}

// TestCases holds the use cases to what the page and the other languages need.
func TestCases(t *testing.T) {
	digits := regexp.MustCompile(`^\d{6}$`)
	for _, c := range shop.Cases {
		if c.Message["en"] == "" || c.Message["ja"] == "" {
			t.Errorf("%s has no binding message in one of the languages", c.Name)
		}
		code, err := c.NewCode()
		if err != nil || c.Code != digits.MatchString(code) || !c.Code && code != "" {
			t.Errorf("%s shows the code %q (%v)", c.Name, code, err)
		}
		for _, d := range c.Details {
			if !slices.Contains(shop.DetailTypes, d["type"].(string)) {
				t.Errorf("%s has details of type %v, which the OP is not told of", c.Name, d["type"])
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"nobody has a phone", "POST", "/orders", `{"case":"till","mode":"poll"}`, nil, 409, "unknown_user_id"},
		{"no such case", "POST", "/orders", `{"case":"loan","mode":"poll"}`, nil, 400, "input"},
		{"no such mode", "POST", "/orders", `{"case":"till","mode":"pull"}`, nil, 400, "input"},
		{"no JSON", "POST", "/orders", `case=till`, nil, 400, "input"},
		{"more than asked for", "POST", "/orders", `{"case":"till","mode":"poll","user":"bob"}`, nil, 400, "input"},
		{"no such order", "GET", "/orders/x", "", nil, 404, "not_found"},
		{"the end of no such order", "GET", "/orders/x/end", "", nil, 404, "not_found"},
		{"a pairing that was not begun here", "GET", "/pairings/p1", "", nil, 404, "not_found"},
		{"confirm one that was not begun here", "POST", "/pairings/p1/confirm", "", nil, 404, "not_found"},
		{"the tape from nowhere", "GET", "/tape?after=x", "", nil, 400, "input"},
		{"no such file", "GET", "/static/shop.go", "", nil, 404, "not_found"},
		{"ordered from another site", "POST", "/orders", `{"case":"till","mode":"poll"}`, []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"paired from next door", "POST", "/pairings", "", []string{"Sec-Fetch-Site", "same-site"}, 403, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body := w.call(tt.method, tt.path, tt.body, tt.headers...)
			if status != tt.status || orEmpty(body["error"]) != tt.code {
				t.Errorf("got %d %v, want %d %s", status, body, tt.status, tt.code)
			}
		})
	}
}

func TestPairing(t *testing.T) {
	w := newWorld(t)
	status, offer := w.call("POST", "/pairings", "")
	if status != http.StatusCreated || offer["link"] != "http://mitome.localhost/pair#SECRET" {
		t.Fatalf("got %d %v, want an offer", status, offer)
	}
	w.desk.set("claimed")
	if _, p := w.call("GET", "/pairings/p1", ""); p["state"] != "claimed" || p["match_code"] != "123456" || p["device"] != "Pixel" {
		t.Errorf("got %v, want the code to compare", p)
	}
	if status, _ := w.call("POST", "/pairings/p1/confirm", ""); status != http.StatusNoContent {
		t.Errorf("confirm: got %d, want 204", status)
	}
	if _, p := w.call("GET", "/pairings/p1", ""); p["state"] != "confirmed" {
		t.Errorf("got %v, want it confirmed", p)
	}
	w.desk.set("down")
	if status, p := w.call("GET", "/pairings/p1", ""); status != 500 || p["error"] != "fault" || !strings.Contains(w.log.String(), errDown.Error()) {
		t.Errorf("got %d %v, and the log %q; want a fault that only the log explains", status, p, w.log.String())
	}
}

// TestTape reads along, and goes on where a connection broke.
func TestTape(t *testing.T) {
	w := newWorld(t)
	for _, title := range []string{"one", "two", "three"} {
		w.tape.Add(tape.Message{From: tape.Shop, To: tape.OP, Title: title})
	}
	for _, tt := range []struct {
		name, path string
		headers    []string
		want       []string
	}{
		{"from the start", "/tape?after=0", nil, []string{"one", "two", "three", "four"}},
		{"from a place", "/tape?after=2", nil, []string{"three", "four"}},
		{"come back", "/tape?after=0", []string{"Last-Event-ID", "3"}, []string{"four"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := w.response("GET", tt.path, "", tt.headers...)
			defer resp.Body.Close()
			if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
				t.Errorf("it is %s", kind)
			}
			if len(w.tape.Since(3)) == 0 { // while somebody listens
				w.tape.Add(tape.Message{From: tape.OP, To: tape.Shop, Title: "four"})
			}
			lines := bufio.NewScanner(resp.Body)
			for _, want := range tt.want {
				for lines.Scan() && !strings.HasPrefix(lines.Text(), "data: ") {
				}
				if !strings.Contains(lines.Text(), `"title":"`+want+`"`) {
					t.Fatalf("got %s, want %s", lines.Text(), want)
				}
			}
		})
	}
}

// TestPage is the page in each language, and what it may do.
func TestPage(t *testing.T) {
	w := newWorld(t)
	inline := regexp.MustCompile(`<script>|<style|style="|\son[a-z]+="|https?://`)
	for language, want := range map[string]string{"en": "They ask. You answer", "ja": "相手が尋ね"} {
		resp := w.response("GET", "/", "", "Accept-Language", language)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("got %d, %v", resp.StatusCode, err)
		}
		if !strings.Contains(string(body), want) || !strings.Contains(string(body), `lang="`+language+`"`) {
			t.Errorf("in %s the page does not say %q", language, want)
		}
		if found := inline.FindAllString(strings.ReplaceAll(string(body), "http://mitome.localhost", ""), -1); found != nil {
			t.Errorf("the page holds %q, which its policy forbids", found)
		}
		policy := resp.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("the policy %q lacks %s", policy, part)
			}
		}
	}
}
