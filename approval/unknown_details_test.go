package approval_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/approval/show"
)

// strictly has details that no template knows be refused.
func (w *world) strictly(t *testing.T) {
	t.Helper()
	words, err := show.Load()
	fatal(t, err)
	w.Views = &show.Shower{Catalogue: words, Connections: map[string]show.Connection{"corp": {Strict: true}}}
}

// details is an ask of aiko with the given authorization_details.
func (w *world) details(text string) approval.Ask {
	a := w.asks("aiko")
	a.Context = map[string]json.RawMessage{"authorization_details": json.RawMessage(text)}
	return a
}

// TestUnknownDetailsCannotBeApproved: they can be seen and denied, and whatever a
// client sends, there is neither a challenge nor a yes; also where the challenge
// is older than the rule.
func TestUnknownDetailsCannotBeApproved(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	a := w.details(`[{"type":"other"}]`)
	a.UserCode = "483920"
	r := w.accept(t, a)
	yes := w.signed(t, r.ID, p, "483920") // before the rule
	w.strictly(t)

	shown, err := w.Show(t.Context(), r.ID, who(p), "en")
	fatal(t, err)
	var v show.View
	fatal(t, json.Unmarshal(shown.View, &v))
	if v.Refused == "" || v.Words.Approve != "" || len(v.Details) == 0 {
		t.Errorf("got %s", shown.View)
	}
	_, err = w.Challenge(t.Context(), r.ID, who(p), "en")
	is(t, "challenge", err, approval.ErrUnknownDetails)
	_, err = w.Decide(t.Context(), yes)
	is(t, "a yes signed before", err, approval.ErrUnknownDetails)
	yes.UserCode = "111111"
	_, err = w.Decide(t.Context(), yes)
	is(t, "a yes with a wrong code", err, approval.ErrUnknownDetails)
	stored, err := w.db.Request(t.Context(), r.ID)
	fatal(t, err)
	if stored.State != approval.Pending || stored.Code.Tries != 0 {
		t.Errorf("got %s with %d tries charged, want it as it was", stored.State, stored.Code.Tries)
	}
	got, err := w.Decide(t.Context(), no(r.ID, p))
	fatal(t, err)
	if got.State != approval.Denied {
		t.Errorf("got %s, want that it can be denied", got.State)
	}
}

// TestKnownDetailsCanBeApproved: also strictly, and the evidence holds the very
// view, in which no card number is whole.
func TestKnownDetailsCanBeApproved(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.strictly(t)
	p := w.pair(t, w.user(t, "aiko"))
	r := w.accept(t, w.details(`[{"type":"3ds:payment_authorisation","source_account":"4111 1111 1111 1111",
		"instructed_amount":{"amount":"12400","currency":"JPY"},"beneficiary_name":"Books"}]`))
	_, err := w.Decide(t.Context(), w.signed(t, r.ID, p, ""))
	fatal(t, err)
	view := w.statement(t, r.ID).View
	if !strings.Contains(view, "•••• 1111") || strings.Contains(view, "4111") {
		t.Errorf("evidence of %s", view)
	}
}
