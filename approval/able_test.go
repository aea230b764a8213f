package approval_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/audit"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/store"
)

// changeRules is an operator who restarts Mitome with other rules.
func (w *world) changeRules(t *testing.T, connection, shop policy.Rules) {
	t.Helper()
	book, err := policy.New(policy.Rules{}, map[string]policy.Rules{"corp": connection})
	fatal(t, err)
	fatal(t, book.Client("corp", "shop", shop))
	w.Policy = book
}

// told reports whether p was sent word of request id.
func (w *world) told(t *testing.T, id approval.RequestID, phones ...phone) (out []bool) {
	t.Helper()
	jobs, err := w.db.ClaimJobs(t.Context(), 100, time.Minute)
	fatal(t, err)
	for _, p := range phones {
		d, err := w.db.Device(t.Context(), p.ID)
		fatal(t, err)
		var told bool
		for _, j := range jobs {
			told = told || j.Subject == string(id) && slices.ContainsFunc(d.Addresses, func(a push.Address) bool { return string(a.ID) == j.Target })
		}
		out = append(out, told)
	}
	return out
}

// TestDeviceBoundPasskeysOnly: where a client wants a passkey that cannot be synced,
// a device with another one is not notified, says why it cannot approve, and can
// deny; and the evidence says by which rule.
func TestDeviceBoundPasskeysOnly(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.changeRules(t, policy.Rules{}, policy.Rules{DeviceBound: true})
	aiko := w.user(t, "aiko")
	synced, bound := w.pair(t, aiko, devicetest.BackupEligible()), w.pair(t, aiko)
	r := w.accept(t, w.asks("aiko"))
	if told := w.told(t, r.ID, synced, bound); told[0] || !told[1] {
		t.Errorf("told: %v; want the device-bound one alone", told)
	}
	shown, err := w.Show(t.Context(), r.ID, who(synced), "en")
	if fatal(t, err); !strings.Contains(string(shown.View), "stays on one device") || strings.Contains(string(shown.View), `"approve":"A`) {
		t.Errorf("the synced one is shown %s", shown.View)
	}
	if shown, err = w.Show(t.Context(), r.ID, who(bound), "en"); err != nil || strings.Contains(string(shown.View), `"refused"`) {
		t.Errorf("the other one is shown %s, %v", shown.View, err)
	}
	_, err = w.Challenge(t.Context(), r.ID, who(synced), "en")
	is(t, "Challenge", err, approval.ErrDeviceBound)
	r, err = w.Decide(t.Context(), w.signed(t, r.ID, bound, ""))
	if fatal(t, err); r.State != approval.Approved || !slices.Equal(w.statement(t, r.ID).Decision.Rules, []string{"device_bound"}) {
		t.Errorf("got %s, by the rules %v", r.State, r.Decision.Rules)
	}
	var logged string
	fatal(t, w.db.EachAudit(t.Context(), store.AuditFilter{Request: string(r.ID)}, func(row audit.Row) error {
		logged += row.Detail
		return nil
	}))
	if !strings.Contains(logged, `"rules":"device_bound"`) {
		t.Errorf("the audit log says %s", logged)
	}
	r = w.accept(t, w.asks("aiko"))
	if r, err = w.Decide(t.Context(), no(r.ID, synced)); err != nil || r.State != approval.Denied {
		t.Errorf("a synced one denies: %s, %v", r.State, err)
	}
	a := w.asks("aiko")
	a.ClientID = "forum" // has no rules of its own
	r = w.accept(t, a)
	if r, err = w.Decide(t.Context(), w.signed(t, r.ID, synced, "", devicetest.BackupEligible())); err != nil || r.State != approval.Approved || r.Decision.Rules != nil {
		t.Errorf("for another client: %s, %+v, %v", r.State, r.Decision, err)
	}
}

// TestNobodyIsAskedWithSyncedPasskeysOnly: to the OP that is as with an acr that no
// passkey reaches.
func TestNobodyIsAskedWithSyncedPasskeysOnly(t *testing.T) {
	for _, reports := range []bool{false, true} {
		w := newWorld(t, policy.Rules{})
		w.changeRules(t, policy.Rules{}, policy.Rules{DeviceBound: true})
		aiko := w.user(t, "aiko")
		w.pair(t, aiko, devicetest.BackupEligible())
		lost := w.pair(t, aiko)
		fatal(t, w.people.Revoke(t.Context(), lost.ID, admin))
		a := w.asks("aiko")
		a.ReportsRefusals = reports
		r, err := w.Accept(t.Context(), a, theOP)
		switch {
		case !reports:
			is(t, "Accept", err, approval.ErrACR)
		case err != nil || r.State != approval.Denied || r.Decision.Reason != approval.ReasonACR:
			t.Errorf("got %s, %+v, %v; want a denial", r.State, r.Decision, err)
		}
		if waiting, err := w.db.PendingFor(t.Context(), []device.UserID{aiko.ID}, w.now); err != nil || len(waiting) != 0 {
			t.Errorf("%d request(s) wait for her, %v", len(waiting), err)
		}
		_, err = w.Accept(t.Context(), w.asks("nobody"), theOP)
		is(t, "of a stranger", err, approval.ErrUnknownUser)
	}
}

// TestScopesOfAClient: another one is refused, and reported where the OP's answer
// has no word for it.
func TestScopesOfAClient(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.changeRules(t, policy.Rules{}, policy.Rules{Scopes: []string{"profile"}})
	w.pair(t, w.user(t, "aiko"))
	a := w.asks("aiko")
	a.Scope = []string{"openid", "payments"}
	_, err := w.Accept(t.Context(), a, theOP)
	is(t, "Accept", err, approval.ErrScope)
	a.ReportsRefusals = true
	if r := w.accept(t, a); r.State != approval.Denied || r.Decision.Reason != approval.ReasonScope || w.jobs(t, r.ID)["report"] != 1 {
		t.Errorf("got %s, %+v", r.State, r.Decision)
	}
	a = w.asks("aiko")
	if a.ClientID, a.Scope = "bank", []string{"openid", "payments"}; w.accept(t, a).State != approval.Pending {
		t.Error("a client without rules of its own is not asked for")
	}
	a = w.asks("nobody") // of whom nothing is learnt
	a.Scope = []string{"openid", "payments"}
	_, err = w.Accept(t.Context(), a, theOP)
	is(t, "of a stranger", err, approval.ErrUnknownUser)
}

// TestRulesThatChangeMeanwhile: what the user sees and types was settled when the
// request came; whether she may approve is judged by the rules of then and now.
func TestRulesThatChangeMeanwhile(t *testing.T) {
	stricter := map[string]struct {
		rules policy.Rules
		want  error
	}{
		"a passkey of one device": {policy.Rules{DeviceBound: true}, approval.ErrDeviceBound},
		"a code":                  {policy.Rules{RequireCode: true}, approval.ErrNoCode},
		"a scope less":            {policy.Rules{Scopes: []string{"profile"}}, approval.ErrScope},
		"a message":               {policy.Rules{BindingMessage: policy.ModeRequired}, approval.ErrBindingMessage},
	}
	for name, tt := range stricter {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, policy.Rules{})
			p := w.pair(t, w.user(t, "aiko"), devicetest.BackupEligible())
			a := w.asks("aiko")
			a.Scope, a.BindingMessage = []string{"openid", "email"}, ""
			r := w.accept(t, a)
			yes := w.signed(t, r.ID, p, "", devicetest.BackupEligible())
			w.changeRules(t, policy.Rules{}, tt.rules)
			_, err := w.Decide(t.Context(), yes)
			is(t, "Decide, signed before", err, tt.want)
			_, err = w.Challenge(t.Context(), r.ID, who(p), "en")
			is(t, "Challenge", err, tt.want)
			if state := w.state(t, r.ID); state != approval.Pending {
				t.Errorf("it is %s; want that another device can answer", state)
			}
			if r, err = w.Decide(t.Context(), no(r.ID, p)); err != nil || r.State != approval.Denied {
				t.Errorf("denied: %s, %v", r.State, err)
			}
		})
	}
	t.Run("looser", func(t *testing.T) {
		w := newWorld(t, policy.Rules{})
		w.changeRules(t, policy.Rules{}, policy.Rules{BindingMessage: policy.ModeType})
		p := w.pair(t, w.user(t, "aiko"))
		a := w.asks("aiko")
		a.BindingMessage = "W4S-CT7"
		r := w.accept(t, a)
		w.changeRules(t, policy.Rules{}, policy.Rules{})
		_, err := w.Decide(t.Context(), w.signed(t, r.ID, p, ""))
		is(t, "nothing typed", err, approval.ErrCodeMissing)
		if r, err = w.Decide(t.Context(), w.signed(t, r.ID, p, "w4sct7")); err != nil || r.State != approval.Approved {
			t.Errorf("typed: %s, %v", r.State, err)
		}
	})
}

// TestAPasskeyCannotHideThatItIsSynced: the flag is the one that it was made with;
// one that says something else when it signs is refused.
func TestAPasskeyCannotHideThatItIsSynced(t *testing.T) {
	w := newWorld(t, policy.Rules{DeviceBound: true})
	p := w.pair(t, w.user(t, "aiko"))
	r := w.accept(t, w.asks("aiko"))
	_, err := w.Decide(t.Context(), w.signed(t, r.ID, p, "", devicetest.BackupEligible()))
	is(t, "Decide", err, approval.ErrAssertion)
	if state := w.state(t, r.ID); state != approval.Pending {
		t.Errorf("it is %s", state)
	}
}
