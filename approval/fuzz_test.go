package approval_test

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/seal"
)

// FuzzSpelled: what is spelled out holds nothing that deceives, loses no
// character, and stays as it is when it is spelled out again.
func FuzzSpelled(f *testing.F) {
	for _, s := range []string{"", "plain", "\u202e", "e\u0301\u0301\u0301\u0301\u0301", "葛\U000E0100", "\U000E0100", "\xff\xfe", "‹U+202E›", "\ufffd", "a\u200db"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := approval.Spelled(s)
		if r, odd := approval.OddRune(got); odd {
			t.Fatalf("%U is left in %q", r, got)
		}
		if again := approval.Spelled(got); again != got {
			t.Fatalf("%q becomes %q", got, again)
		}
		if utf8.RuneCountInString(got) < utf8.RuneCountInString(s) {
			t.Fatalf("%q lost something as %q", s, got)
		}
	})
}

// FuzzStatement: no statement holds together whose view is of another request or
// client than it says, whatever its passkey is said to have signed.
func FuzzStatement(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `{"v":"mitome/evidence/v1","decision":{"Verdict":"deny"}}`,
		`{"v":"mitome/evidence/v1","request":"R1","client_id":"shop","device":{"id":"d"},"decision":{"Verdict":"approve","Device":"d","Credential":"c"},"view":"{\"request\":\"R1\",\"client\":{\"id\":\"shop\"}}","nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","assertion":{"client_data_json":"e30="},"credential":{"id":"c","public_key":"AA=="}}`,
		`{"v":"mitome/evidence/v1","request":"R1","view":"{\"request\":\"R1\",\"Request\":\"R2\"}"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var st approval.Statement
		if json.Unmarshal(raw, &st) != nil {
			return
		}
		if err := st.Verify(device.CheckAssertion); err != nil && !errors.Is(err, approval.ErrEvidence) {
			t.Fatalf("refused as %v", err)
		} else if err == nil && st.Decision.Verdict != approval.Deny {
			t.Fatalf("an approval that nobody signed holds: %s", raw)
		}
		signed := 0
		err := st.Verify(func(_ []byte, _ string, challenge []byte, _ device.Assertion) error {
			if signed++; len(challenge) != 64 {
				t.Fatalf("the challenge has %d bytes", len(challenge))
			}
			return nil
		})
		if err != nil {
			return
		}
		var view struct {
			Request approval.RequestID `json:"request"`
			Client  struct {
				ID string `json:"id"`
			} `json:"client"`
		}
		_ = json.Unmarshal([]byte(st.View), &view)
		switch {
		case st.Decision.Verdict == approval.Deny:
			if st.Assertion != nil || st.View != "" || signed > 0 {
				t.Fatalf("a denial with a signature holds: %s", raw)
			}
		case signed != 1 || view.Request != st.Request || view.Client.ID != approval.Spelled(st.ClientID):
			t.Fatalf("a view of %q for %q holds: %s", view.Request, view.Client.ID, raw)
		}
	})
}

// FuzzCapability: nothing is read of the store for a capability that is none. There
// is no store here, so a read would be a panic.
func FuzzCapability(f *testing.F) {
	for _, s := range []string{"", ".", "..", "d1.key.AAAAAAAAAAAAAAAAAAAAAA", "d1..AAAA", "a.b.c.d", "d1.key.!", "\xff.\xff.\xff"} {
		f.Add("R1", s)
	}
	s := &approval.Service{Codes: seal.New()}
	f.Fuzz(func(t *testing.T, request, c string) {
		if _, err := s.DenyBy(t.Context(), approval.RequestID(request), approval.Secret(c), caller); !errors.Is(err, approval.ErrNotFound) {
			t.Fatalf("got %v, want %v", err, approval.ErrNotFound)
		}
	})
}
