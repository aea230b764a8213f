package webpush

import (
	"fmt"
	"net/url"
	"testing"
)

// OriginOf is the audience of a token for endpoint.
func OriginOf(t *testing.T, endpoint string) string {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return originOf(u)
}

// Origins signs tokens for n origins and says how many are kept.
func (s *Sender) Origins(t *testing.T, n int) int {
	t.Helper()
	for i := range n {
		if _, err := s.token(&url.URL{Scheme: "https", Host: fmt.Sprintf("push%d.example", i)}); err != nil {
			t.Fatal(err)
		}
	}
	return len(s.tokens.header)
}
