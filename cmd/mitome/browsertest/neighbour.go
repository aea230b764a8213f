package browsertest

import (
	"net/http"
	"net/url"
	"testing"
)

// Neighbour is another program on the host of Mitome, on a port of its own.
// Browsers take the two for one site and send Mitome's strict cookies with what
// its pages ask, so that only what Mitome itself refuses is refused.
type Neighbour struct{ origin string }

// NewNeighbour runs one.
func NewNeighbour(t *testing.T) Neighbour {
	t.Helper()
	return Neighbour{listen(t, "mitome", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		postPage.Execute(w, r.FormValue("to"))
	}))}
}

// PostTo is a page with a form whose button Win posts to an address.
func (n Neighbour) PostTo(to string) string {
	return n.origin + "/?" + url.Values{"to": {to}}.Encode()
}
