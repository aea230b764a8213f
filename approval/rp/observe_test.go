package rp_test

import (
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// TestObserve shows every message of a flow and no secret of it.
func TestObserve(t *testing.T) {
	for _, signed := range []bool{false, true} {
		for _, mode := range []rp.Mode{rp.Ping, rp.Push} {
			f := newFakeOP(t)
			var seen []rp.Message
			c := f.client(mode)
			c.Auth, c.Key = rp.SecretPost("the-client-secret"), rp.Key{ID: "k1", Signer: f.key}
			c.Observe = func(m rp.Message) { seen = append(seen, m) }
			c.Notifications.Observe = c.Observe
			r := full()
			r.Signed, r.UserCode = signed, "771133"
			p, err := c.Start(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			token := notificationToken(t, f, signed)
			body := given(f.sign(t, with("nonce", "n-1")))
			f.tokens = []said{ok(body)}
			if mode == rp.Push {
				notify(c, token, body)
			} else {
				notify(c, token, map[string]any{"auth_req_id": "req-1"})
			}
			if _, err := p.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			kinds := ""
			for _, m := range seen {
				kinds += string(m.Kind[0])
				var text strings.Builder
				_ = m.Header.Write(&text)
				text.WriteString(m.Body + m.URL)
				for _, secret := range []string{"the-client-secret", "771133", token, body["id_token"].(string), "refresh\"", "access\""} {
					if strings.Contains(text.String(), secret) {
						t.Errorf("%s shows %q:\n%s", m.Kind, secret, text.String())
					}
				}
				if m.At.IsZero() || m.URL == "" || m.Answer != (m.Status != 0) {
					t.Errorf("got %+v", m)
				}
			}
			if want := map[rp.Mode]string{rp.Ping: "bbnntt", rp.Push: "bbnn"}[mode]; kinds != want {
				t.Errorf("%s: saw %s, want %s", mode, kinds, want)
			}
			if !strings.Contains(seen[0].Body, "Pay 480 JPY") || !strings.Contains(seen[1].Body, "req-1") {
				t.Errorf("too little is shown:\n%s\n%s", seen[0].Body, seen[1].Body)
			}
		}
	}
}

// notificationToken reads the token out of what the OP was sent.
func notificationToken(t *testing.T, f *fakeOP, signed bool) string {
	t.Helper()
	form := f.last().form
	if !signed {
		return form.Get("client_notification_token")
	}
	var claims struct {
		Token string `json:"client_notification_token"`
	}
	payload(t, form.Get("request"), &claims)
	return claims.Token
}
