package approval_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
)

func TestOddRunesAreSpelled(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "",
		"Pay 100 EUR — é 日本 🇯🇵":           "Pay 100 EUR — é 日本 🇯🇵",
		"葛\U000E0100飾":                    "葛\U000E0100飾",
		"a\u202eb":                        "a‹U+202E›b",
		"a\nb":                            "a‹U+000A›b",
		"a\u200bb\u2066":                  "a‹U+200B›b‹U+2066›",
		"\u3000":                          "\u3000",
		"a\xffb":                          "a‹U+FFFD›b",
		"a\ufffdb":                        "a‹U+FFFD›b",
		"a\ufe0f\ufe0f":                   "a\ufe0f‹U+FE0F›",
		" \ufe0f":                         " ‹U+FE0F›",
		"e\u0301\u0302\u0303\u0304\u0305": "e\u0301\u0302\u0303\u0304‹U+0305›",
		"\u3164\u2800\U000e0001":          "‹U+3164›‹U+2800›‹U+E0001›",
	} {
		got := approval.Spelled(in)
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if r, odd := approval.OddRune(in); odd != (in != want) {
			t.Errorf("%q: OddRune says %U, %v", in, r, odd)
		}
		if r, odd := approval.OddRune(got); odd {
			t.Errorf("%q: spelled it still holds %U", in, r)
		}
	}
}

// TestChallengeBytes pins what a passkey signs: an auditor's tool written
// elsewhere computes the same.
func TestChallengeBytes(t *testing.T) {
	nonce := bytes.Repeat([]byte{7}, 32)
	c := approval.Challenge{Request: "R1", Device: "D1", Nonce: nonce, View: []byte(`{"v":1}`)}
	sum := sha256.Sum256([]byte("mitome/tx/v1\x00" + `{"v":1}`))
	if got := c.Bytes(); !bytes.Equal(got, append(nonce[:32:32], sum[:]...)) {
		t.Errorf("got %x", got)
	}
	if !bytes.Equal(c.Nonce, bytes.Repeat([]byte{7}, 32)) || string(c.View) != `{"v":1}` {
		t.Error("Bytes changed what it read")
	}
}
