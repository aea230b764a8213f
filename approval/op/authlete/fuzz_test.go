package authlete_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/op"
)

// FuzzBody: of a body that is taken no member is lost, and its end is one that
// the OP waits for.
func FuzzBody(f *testing.F) {
	const good = `{"workspace":"ws1","user":"1001","message":"MESSAGE","timeout":60,"actionize_token":"t","state":null}`
	text, err := json.Marshal(message)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("async", strings.Replace(good, `"MESSAGE"`, string(text), 1))
	for _, s := range []string{
		good, `{}`, `null`, `{"workspace":"ws1","user":"1001","timeout":60,"x":{"a":[1]}}`, `{"timeout":1e9}`, `{"timeout":6.5}`, "\xff",
		`{"workspace":"ws1","user":"a\u0000","timeout":60}`, `{"workspace":"ws1","user":"1","timeout":60,"":1}`,
		`{"workspace":"ws1","user":"1","timeout":60,"Message":"a","message":"b"}`,
	} {
		for _, name := range []string{"async", "sync", "poll", "result"} {
			f.Add(name, s)
		}
	}
	opened, err := tryOpen(deps(), settings("https://as.example"))
	if err != nil {
		f.Fatal(err)
	}
	a := opened.(interface {
		op.Adapter
		op.Poller
	})
	f.Fuzz(func(t *testing.T, name, body string) {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "" {
			return // not what a path is made of
		}
		if ref, err := a.Poll(call(name, body)); (err == nil) != (ref != "") || len(ref) > 255 {
			t.Fatalf("asked for %q, %v", ref, err)
		}
		got, err := a.Receive(call(name, body))
		if err != nil {
			known := errors.Is(err, op.ErrMalformed) || errors.Is(err, op.ErrUnauthentic)
			if !known || got.Ref != "" && got.Handle != "" && !got.ExpiresAt.IsZero() {
				t.Fatalf("refused as %v, with %v", err, got)
			}
			return
		}
		if left := got.ExpiresAt.Sub(now); left <= 0 || left > 10*time.Minute || got.Ref == "" || got.Subject.Sub == "" || got.ClientID == "" {
			t.Fatalf("got %v, and users have %v", got, left)
		}
		var sent map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			t.Fatalf("taken, though it is %v", err)
		}
		for member := range sent {
			switch member {
			case "workspace", "user", "message", "timeout", "actionize_token", "state":
			default:
				if _, ok := got.Context[member]; !ok {
					t.Fatalf("%q is lost", member)
				}
			}
		}
	})
}

// FuzzMessage: of a message that java-oauth-server wrote, and of any other,
// nothing is lost that the user should read.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{
		message, "", "plain words", "Client App () is requesting the following permissions.\n[Requested scopes]: null",
		"Client App (a) is requesting the following permissions. (b) is requesting the following permissions.[Requested scopes]: x[Binding message]: y[Binding message]: z",
		"Client App (a\nb) is requesting the following permissions.[Requested scopes]: ,,",
	} {
		f.Add(s)
	}
	a, err := tryOpen(deps(), settings("https://as.example"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		body := `{"workspace":"ws1","user":"1001","timeout":60,"message":` + string(quoted) + `}`
		got, err := a.Receive(call("async", body))
		if err != nil {
			if !errors.Is(err, op.ErrMalformed) {
				t.Fatalf("refused as %v", err)
			}
			return
		}
		var sent string // with what is not UTF-8 replaced, as any writer of JSON does
		if err := json.Unmarshal(quoted, &sent); err != nil {
			t.Fatal(err)
		}
		shown := got.ClientID + " " + strings.Join(got.Scope, " ") + " " + got.BindingMessage
		for word := range strings.FieldsSeq(strings.NewReplacer(
			"Client App (", " ", ") is requesting the following permissions.", " ", "[Requested scopes]:", " ", "[Binding message]:", " ", ",", " ", "null", " ",
		).Replace(sent)) {
			if !strings.Contains(strings.ReplaceAll(strings.ReplaceAll(shown, ",", " "), "null", " "), word) {
				t.Fatalf("%q of %q is not in %q", word, sent, shown)
			}
		}
	})
}
