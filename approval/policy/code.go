package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mitome-ciba/mitome/approval"
)

var (
	// userCode is what an OP may ask to be typed.
	userCode = regexp.MustCompile(`^[A-Za-z0-9]{4,12}$`)
	// tooFew digits say less than the 20 bits that a code must be worth (NIST SP
	// 800-63B-4 §3.1.3.2, ASVS 6.5.4); four of letters and digits say them.
	tooFew = regexp.MustCompile(`^[0-9]{1,5}$`)
	// codeShaped is a binding message that can be typed. A longer one is shown:
	// nobody types it without a mistake.
	codeShaped = regexp.MustCompile(`^[A-Z0-9-]{6,20}$`)
	// atLeastSix: hyphens are not compared, so they do not count.
	atLeastSix = regexp.MustCompile(`(?:[A-Z0-9]-*){6}`)
)

// minTyped is how long the shortest binding message is that can be typed.
const minTyped = 6

// code decides what is shown and what must be typed of an ask whose binding
// message, text, has passed. One thing is typed at most: the OP's code if there
// is one.
func (j judge) code(a approval.Ask, text string) (approval.Admission, error) {
	if a.UserCode != "" {
		if !userCode.MatchString(a.UserCode) || tooFew.MatchString(a.UserCode) {
			return approval.Admission{}, approval.ErrCodeShape
		}
		// A code that stands on the device already proves nothing when typed.
		if shownBy(a, a.UserCode) || compact(text).contains(compact(a.UserCode)) {
			return approval.Admission{}, fmt.Errorf("%w: it is shown elsewhere in the request", approval.ErrCodeShape)
		}
		return approval.Admission{
			BindingMessage: text, CodeSource: approval.CodeUserCode, Code: a.UserCode,
		}, nil
	}
	if passedOn(a) {
		return approval.Admission{}, fmt.Errorf("%w: it comes as a parameter that nobody verifies", approval.ErrCodeShape)
	}
	if j.BindingMessage == ModeType && codeShaped.MatchString(text) && atLeastSix.MatchString(text) && !shownBy(a, text) {
		return approval.Admission{CodeSource: approval.CodeBindingMessage, Code: text}, nil
	}
	if j.RequireCode {
		return approval.Admission{}, approval.ErrNoCode
	}
	return approval.Admission{BindingMessage: text}, nil
}

// passedOn reports whether a user_code stands among the client's own parameters,
// though the contract with the OP has no place for one. The client trusts that it
// is verified, and neither the OP nor we would.
func passedOn(a approval.Ask) bool {
	for name, v := range a.Context {
		if s := strings.TrimSpace(string(v)); strings.EqualFold(name, "user_code") && s != "" && s != "null" && s != `""` {
			return true
		}
	}
	return false
}

// shownBy reports whether the request's page would show the code: in the name
// of the client, a scope or a detail.
func shownBy(a approval.Ask, code string) bool {
	c := compact(code)
	shown := append([]string{a.ClientName, a.ClientID}, a.Scope...)
	for _, k := range slices.Sorted(maps.Keys(a.Context)) {
		if approval.Withheld(k) {
			continue
		}
		shown = append(shown, k)
		shown = append(shown, texts(a.Context[k])...)
	}
	return slices.ContainsFunc(shown, func(s string) bool { return compact(s).contains(c) })
}

// texts is every key and value in raw, as it would be read. What is not JSON is
// one text.
func texts(raw json.RawMessage) []string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return []string{string(raw)}
	}
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				out = append(out, k)
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		default:
			out = append(out, fmt.Sprint(v))
		}
	}
	walk(v)
	return out
}
