package main_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
)

// kills end Mitome with kill -9 at the three points around a report, on both
// databases. After a restart each request is accounted for: reported, or unsure
// and shown to the operator. An approval is never reported twice.
var kills = []struct {
	name    string
	verb    string
	hold    hold
	report  string // what Mitome says of it in the end
	client  string // what the client gets
	reports int    // how often Keycloak was told, or nearly
}{
	{"before the mark", "approve", pass, "done", "tokens", 1},
	{"after the mark", "approve", holdReport, "unsure", "authorization_pending", 1},
	{"after the answer", "approve", holdAnswer, "unsure", "tokens", 1},
	{"a denial after the mark", "deny", holdReport, "done", "access_denied", 2},
	{"a denial after the answer", "deny", holdAnswer, "done", "access_denied", 2},
}

func testKills(t *testing.T, s *stage) {
	for _, tt := range kills {
		for _, database := range []string{"SQLite", "PostgreSQL"} {
			t.Run("kill -9, "+tt.name+", "+database, func(t *testing.T) {
				t.Parallel()
				g := newGateway(t, s, opening{
					Postgres: database == "PostgreSQL",
					Realm:    keycloaktest.Policy{Expires: 5 * time.Minute}, // longer than a dead worker's lease
					Settings: "    expires_in: 5m\n    guard: 5s",
				})
				phone := g.pair(t, g.realm.Alice, "alice")
				g.wire.Hold(tt.hold)
				id := g.realm.Shop.MustAsk(t, "alice")
				request := phone.pending(t)
				phone.do(t, tt.verb, request)
				if tt.hold == pass {
					if n := g.wire.Reports(); n != 0 {
						t.Fatal("the guard was over before Mitome could be killed")
					}
				} else {
					g.wire.stopped(t)
				}
				g.kill()
				g.wire.Hold(pass)
				g.start(t)

				g.accounted(t, request, tt.report)
				check(t, "client", outcome(t, g.realm.Shop, id), tt.client)
				if n := g.wire.Reports(); n != tt.reports {
					t.Errorf("Keycloak was told %d times, want %d", n, tt.reports)
				}
			})
		}
	}
}

// accounted waits until Mitome says what became of a report, and checks that an
// unsure one, and no other, is shown to the operator.
func (g *gateway) accounted(t *testing.T, request, report string) {
	t.Helper()
	const lease = 60 * time.Second // of the worker that was killed
	var got string
	await(t, "the report to end", lease+patience, func() bool {
		got = g.request(t, request).Report.State
		return got != "" && got != "waiting"
	})
	check(t, "report", got, report)
	out := g.run(t, "request", "list", "--unsure")
	if listed := strings.Contains(out, request); listed != (report == "unsure") {
		t.Errorf("mitome request list --unsure:\n%s", out)
	}
}
