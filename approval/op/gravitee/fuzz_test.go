package gravitee_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mitome-ciba/mitome/approval/op"
)

// genuineForm is what AM sends; STATE stands for the token that it signs for
// itself.
const genuineForm = "tid=tid-0001&state=STATE&subject=user-1&expire=600&scope=openid+payments&acr=urn%3Aa&acr=phr&message=W4SCT&authorization_details=%5B%7B%7D%5D"

// FuzzForm: of a form that is taken no field is lost, nothing of it is doubtful,
// and its end is one that AM knows.
func FuzzForm(f *testing.F) {
	const claims = `{"aud":"shop-client","jti":"tid-0001","exp":1795338600}`
	for _, s := range []string{"", "&x=%5Blater", "&tid=2", "&=x", "&x=%ff", "&x=1&x=2", "&x=%7B%22a%22%3A1%7D", ";a=b", "&%", "&expire=99999999999999999999", "&message=%00"} {
		f.Add(genuineForm+s, claims)
	}
	for _, c := range []string{"", "{}", `{"aud":["a"],"jti":"tid-0001","exp":1795338600}`, `{"aud":"a","jti":"tid-0001","exp":1e300}`, `{"aud":"a\u0000","jti":"tid-0001","exp":1795338600}`, `{"aud":"a","jti":"tid-0001","exp":-1}`} {
		f.Add(genuineForm, c)
	}
	a, err := tryOpen(deps(), settings("https://am.example"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, form, claims string) {
		state := "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".AA"
		body := strings.Replace(form, "STATE", state, 1)
		got, err := a.Receive(notify(body))
		if err != nil {
			if !errors.Is(err, op.ErrMalformed) || got.Ref != "" || got.Handle != "" {
				t.Fatalf("refused as %v, with %v", err, got)
			}
			return
		}
		sent, err := url.ParseQuery(body)
		if err != nil || !bytes.Equal(got.Body, []byte(body)) {
			t.Fatalf("took what is no form (%v), or changed it", err)
		}
		if got.Ref != sent.Get("tid") || got.Subject.Sub != sent.Get("subject") || got.BindingMessage != sent.Get("message") || got.ClientID == "" {
			t.Fatalf("got %v of %q", got, body)
		}
		if left := got.ExpiresAt.Sub(now); left <= 0 || left > 24*time.Hour {
			t.Fatalf("users have %v", left)
		}
		for name, values := range sent {
			switch name {
			case "tid", "state", "subject", "expire", "message", "scope", "acr":
				continue
			}
			if v, ok := got.Context[name]; !ok || !json.Valid(v) || len(values) != 1 {
				t.Fatalf("%q was %q and is %s", name, values, v)
			}
		}
		said := append(slices.Concat(got.Scope, got.ACRValues), got.ClientID, got.Ref, got.BindingMessage)
		if i := slices.IndexFunc(said, func(s string) bool { return !utf8.ValidString(s) }); i >= 0 {
			t.Fatalf("%q is not text", said[i])
		}
	})
}
