package op_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/mitome-ciba/mitome/approval/op"
)

// TestConnectionsAreKeptWhereRepeatingIsSafe: each report has a connection of its
// own, unless the poster is one for OPs that may hear everything twice.
func TestConnectionsAreKeptWhereRepeatingIsSafe(t *testing.T) {
	for _, tt := range []struct {
		name string
		open func(*http.Client) (*op.Poster, error)
		want int
	}{{"alone", op.NewPoster, 3}, {"pooled", op.NewPooledPoster, 1}} {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			peers := map[string]bool{}
			srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				peers[r.RemoteAddr] = true
			}))
			t.Cleanup(srv.Close)
			p, err := tt.open(&http.Client{Transport: &http.Transport{}})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if a, err := p.Post(t.Context(), call(srv.URL)); err != nil || a.Status != 200 {
					t.Fatalf("got %+v, %v", a, err)
				}
			}
			if len(peers) != tt.want {
				t.Errorf("%d connections, want %d", len(peers), tt.want)
			}
		})
	}
}
