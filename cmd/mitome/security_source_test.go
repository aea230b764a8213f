package main_test

import (
	"go/ast"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestNoMail: nothing here can send mail or a text message, so neither can be a way
// to approve (NIST SP 800-63B-4 §3.1.3.1, ASVS 6.3.6), and there are no other
// channels than these.
func TestNoMail(t *testing.T) {
	var channels []string
	for _, s := range sources(t) {
		for _, imp := range s.file.Imports {
			if regexp.MustCompile(`(?i)smtp|gomail|mailer|sms|twilio`).MatchString(imp.Path.Value) && !s.isTest() {
				t.Errorf("%s imports %s", s.path, imp.Path.Value)
			}
		}
		if s.path == "push/push.go" {
			channels = constantsOf(s, "Channel")
		}
	}
	if want := []string{"apns", "fcm", "webpush", "websocket"}; !slices.Equal(channels, want) {
		t.Errorf("the channels are %v, want %v", channels, want)
	}
}

// constantsOf is the values of the constants of a type, in order of the alphabet.
func constantsOf(s source, typ string) (out []string) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := v.Type.(*ast.Ident); ok && name.Name == typ {
			for _, value := range v.Values {
				if lit, ok := value.(*ast.BasicLit); ok {
					text, _ := strconv.Unquote(lit.Value)
					out = append(out, text)
				}
			}
		}
		return true
	})
	slices.Sort(out)
	return out
}

// guessable are the files that may use randomness that can be guessed, and for what.
var guessable = map[string]string{
	"server/outbox/worker.go":         "spreads retries in time",
	"device/phone/phone.go":           "spreads reconnects in time",
	"cmd/mitome/loopback/loopback.go": "chooses a port to listen on",
}

// TestRandomness: whatever anybody could want to guess is made by crypto/rand.
func TestRandomness(t *testing.T) {
	found := map[string]bool{}
	for _, s := range sources(t) {
		for _, imp := range s.file.Imports {
			if s.isTest() || !strings.HasPrefix(imp.Path.Value, `"math/rand`) {
				continue
			}
			found[s.path] = true
			if guessable[s.path] == "" {
				t.Errorf("%s imports %s; take crypto/rand", s.path, imp.Path.Value)
			}
		}
	}
	for path := range guessable {
		if !found[path] {
			t.Errorf("%s uses no such randomness; take it from the table", path)
		}
	}
}

// TestNotPromised: what Mitome cannot know is said where its promises are.
func TestNotPromised(t *testing.T) {
	text := strings.Join(strings.Fields(readDoc(t, "security.md")), " ")
	for _, must := range []string{
		"It is not known that the user sits before the consumption device", "not phishing-resistant in NIST's sense",
		"The screen is not a trusted display", "hybrid transport",
	} {
		if !strings.Contains(text, must) {
			t.Errorf("docs/security.md does not say: %s", must)
		}
	}
}
