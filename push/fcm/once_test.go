package fcm

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// answering answers every request alike, and counts them.
type answering struct{ n int }

// RoundTrip implements http.RoundTripper.
func (a *answering) RoundTrip(*http.Request) (*http.Response, error) {
	a.n++
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

// TestOnce: whatever the SDK makes of an ended context, there is no second
// request, and none that no Send has asked for.
func TestOnce(t *testing.T) {
	base := &answering{}
	ctx := context.WithValue(t.Context(), attemptKey{}, &attempt{end: func() {}})
	for i, ctx := range []context.Context{ctx, ctx, t.Context()} {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://fcm.example/v1", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := once{base}.RoundTrip(r)
		if want := i > 0; errors.Is(err, errTwice) != want {
			t.Errorf("request %d: got %v", i+1, err)
		}
		if err == nil {
			resp.Body.Close()
		}
	}
	if base.n != 1 {
		t.Errorf("%d requests left, want 1", base.n)
	}
}
