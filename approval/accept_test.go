package approval_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
)

func TestAcceptAsksEveryDeviceOfTheUser(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	u := w.user(t, "aiko")
	w.pair(t, u)
	w.pair(t, u)
	revoked := w.pair(t, u)
	fatal(t, w.people.Revoke(t.Context(), revoked.ID, admin))
	w.pair(t, w.user(t, "ben"))

	a := w.asks("aiko")
	a.Guard = 3 * time.Second
	r := w.accept(t, a)
	if r.State != approval.Pending || r.UserID != u.ID || r.ID != a.ID || !r.ReportAfter.Equal(t0.Add(3*time.Second)) {
		t.Errorf("got %+v", r)
	}
	if got := w.jobs(t, r.ID); got["notify"] != 2 || len(got) != 1 {
		t.Errorf("jobs %v, want 2 notify", got)
	}
}

func TestARepeatedAskIsTheFirstRequest(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	u := w.user(t, "aiko")
	p := w.pair(t, u)
	first := w.asks("aiko")
	r := w.accept(t, first)
	again := first
	again.ID = approval.NewRequestID()
	if got := w.accept(t, again); got.ID != r.ID {
		t.Errorf("a repetition made %s, want %s", got.ID, r.ID)
	}
	if got := w.jobs(t, r.ID); got["notify"] != 1 {
		t.Errorf("jobs %v, want one notify", got)
	}
	_, err := w.Decide(t.Context(), no(r.ID, p))
	fatal(t, err)
	if got := w.accept(t, again); got.ID != r.ID || got.State != approval.Denied {
		t.Errorf("repeated after the decision: %s, %s", got.ID, got.State)
	}

	forged := again
	forged.Body = []byte("another body")
	_, err = w.Accept(t.Context(), forged, theOP)
	is(t, "the same reference, another body", err, approval.ErrRefReused)
	elsewhere := again
	elsewhere.OP, elsewhere.ID = "other", approval.NewRequestID()
	_, err = w.Accept(t.Context(), elsewhere, theOP)
	is(t, "the same reference at another OP", err, approval.ErrUnknownUser)
}

func TestTheSameAskAtOnceMakesOneRequest(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.pair(t, w.user(t, "aiko"))
	a := w.asks("aiko")
	ids := make([]approval.RequestID, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			mine := a
			mine.ID = approval.NewRequestID()
			r, err := w.Accept(t.Context(), mine, theOP)
			if err != nil {
				t.Error(err)
			}
			ids[i] = r.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("got %v", ids)
		}
	}
}

// refusals is an ask that cannot be put to anybody, each for another reason.
func refusals() map[string]struct {
	spoil  func(*approval.Ask)
	err    error
	reason approval.Reason
} {
	type r = struct {
		spoil  func(*approval.Ask)
		err    error
		reason approval.Reason
	}
	return map[string]r{
		"unknown user":    {func(a *approval.Ask) { a.Subject.Sub = "nobody" }, approval.ErrUnknownUser, approval.ReasonUnknownUser},
		"no device":       {func(a *approval.Ask) { a.Subject.Sub = "ben" }, approval.ErrUnknownUser, approval.ReasonUnknownUser},
		"nobody at all":   {func(a *approval.Ask) { a.Subject = device.Subject{} }, approval.ErrUnknownUser, approval.ReasonUnknownUser},
		"binding message": {func(a *approval.Ask) { a.BindingMessage = "see example.com" }, approval.ErrBindingMessage, approval.ReasonBindingMessage},
		"acr":             {func(a *approval.Ask) { a.ACRValues = []string{"gold"} }, approval.ErrACR, approval.ReasonACR},
		"code":            {func(a *approval.Ask) { a.UserCode = "1" }, approval.ErrCodeShape, approval.ReasonUserCodeShape},
		"a stranger with a bad message": {func(a *approval.Ask) { a.Subject.Sub, a.BindingMessage = "nobody", "see example.com" },
			approval.ErrUnknownUser, approval.ReasonUnknownUser},
	}
}

func TestRefusalsAreSaidToAnOPThatCanHearThem(t *testing.T) {
	for name, tt := range refusals() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, policy.Rules{})
			w.pair(t, w.user(t, "aiko"))
			w.user(t, "ben")
			a := w.asks("aiko")
			tt.spoil(&a)
			r, err := w.Accept(t.Context(), a, theOP)
			is(t, "Accept", err, tt.err)
			if r.ID != "" {
				t.Errorf("got a request: %+v", r)
			}
			_, err = w.db.Request(t.Context(), a.ID)
			is(t, "what is stored", err, approval.ErrNotFound)
		})
	}
}

func TestRefusalsAreReportedToAnOPThatCannot(t *testing.T) {
	for name, tt := range refusals() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, policy.Rules{})
			p := w.pair(t, w.user(t, "aiko"))
			w.user(t, "ben")
			a := w.asks("aiko")
			a.ReportsRefusals = true
			a.Context = map[string]json.RawMessage{"request_context": []byte(`{"ip":"203.0.113.7"}`)}
			tt.spoil(&a)
			r := w.accept(t, a)
			stored, err := w.db.Request(t.Context(), r.ID)
			fatal(t, err)
			if stored.State != approval.Denied || stored.Decision == nil || stored.Decision.Reason != tt.reason {
				t.Errorf("got %s, %+v; want denied for %s", stored.State, stored.Decision, tt.reason)
			}
			if stored.UserID != "" || stored.BindingMessage != "" || stored.Context != nil || stored.Code.Source != "" {
				t.Errorf("kept more than it needs: %+v", stored)
			}
			if stored.Handle != "handle" {
				t.Error("the handle is gone, so nothing can be reported")
			}
			if got := w.jobs(t, r.ID); got["report"] != 1 || len(got) != 1 {
				t.Errorf("jobs %v, want one report", got)
			}
			_, err = w.Show(t.Context(), r.ID, who(p), "en")
			is(t, "shown to a user", err, approval.ErrNotFound)
			if again := w.accept(t, a); again.ID != r.ID {
				t.Error("a repetition made another request")
			}
		})
	}
}

// TestACodeMayBeRequired: an OP that can hear it is told, any other is reported to.
func TestACodeMayBeRequired(t *testing.T) {
	w := newWorld(t, policy.Rules{RequireCode: true})
	w.pair(t, w.user(t, "aiko"))
	a := w.asks("aiko")
	_, err := w.Accept(t.Context(), a, theOP)
	is(t, "Accept", err, approval.ErrNoCode)
	a.ReportsRefusals = true
	if r := w.accept(t, a); r.State != approval.Denied || r.Decision.Reason != approval.ReasonNoUserCode {
		t.Errorf("got %s, %+v", r.State, r.Decision)
	}
}

// TestARepetitionIsNotRefused: what was taken once stays taken, though the ask
// would be refused by now.
func TestARepetitionIsNotRefused(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	a := w.asks("aiko")
	first := w.accept(t, a)
	fatal(t, w.people.Revoke(t.Context(), p.ID, admin))
	if again := w.accept(t, a); again.ID != first.ID {
		t.Errorf("got %s, want %s", again.ID, first.ID)
	}
	a.Body = []byte("another body")
	_, err := w.Accept(t.Context(), a, theOP)
	is(t, "another body", err, approval.ErrRefReused)
}

// TestNobodyTellsAnUnknownUserFromOneWithoutADevice compares everything that an
// OP, or somebody who reads its answers, can see of the two.
func TestNobodyTellsAnUnknownUserFromOneWithoutADevice(t *testing.T) {
	for _, reports := range []bool{false, true} {
		w := newWorld(t, policy.Rules{})
		gone := w.pair(t, w.user(t, "chie"))
		fatal(t, w.people.Revoke(t.Context(), gone.ID, admin))
		w.user(t, "ben")
		var seen []string
		for _, sub := range []string{"nobody", "ben", "chie"} {
			a := w.asks(sub)
			a.ReportsRefusals = reports
			r, err := w.Accept(t.Context(), a, theOP)
			var decision approval.Decision
			if r.Decision != nil {
				decision = *r.Decision
			}
			seen = append(seen, fmt.Sprint(err, r.State, r.UserID, decision, w.jobs(t, r.ID)))
		}
		if seen[0] != seen[1] || seen[0] != seen[2] {
			t.Errorf("ReportsRefusals %v: got\n%s", reports, strings.Join(seen, "\n"))
		}
	}
}

func TestAcceptTakesNoAskThatCannotBeAnswered(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.pair(t, w.user(t, "aiko"))
	for _, sub := range []string{"aiko", "nobody"} { // alike, whoever is meant
		for _, reports := range []bool{false, true} {
			a := w.asks(sub)
			a.ExpiresAt, a.ReportsRefusals = w.now, reports
			_, err := w.Accept(t.Context(), a, theOP)
			is(t, "an ask whose time is over, of "+sub, err, approval.ErrExpired)
		}
	}
	a := w.asks("aiko")
	a.Ref = ""
	if _, err := w.Accept(t.Context(), a, theOP); err == nil {
		t.Error("an ask without a reference was taken")
	}
}

func TestAnOPReachesItsOwnUsersOnly(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.pair(t, w.user(t, "aiko"))
	a := w.asks("aiko")
	a.OP = "other" // and Subject.OP still says corp
	_, err := w.Accept(t.Context(), a, theOP)
	is(t, "a user of another OP", err, approval.ErrUnknownUser)
}

func TestWhatIsNeverShownIsNotKept(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.pair(t, w.user(t, "aiko"))
	a := w.asks("aiko")
	a.UserCode = "483920"
	a.Context = map[string]json.RawMessage{
		"user_code": []byte(`"483920"`), "Binding_Message": []byte(`"x"`), "login_hint": []byte(`"aiko@example.com"`),
		"request_context": []byte(`{"ip":"203.0.113.7"}`), "plain": []byte(`not JSON`),
	}
	r := w.accept(t, a)
	stored, err := w.db.Request(t.Context(), r.ID)
	fatal(t, err)
	if len(stored.Context) != 2 || string(stored.Context["plain"]) != `"not JSON"` {
		t.Errorf("kept %s", stored.Context)
	}
	if all := fmt.Sprintf("%+v", stored); strings.Contains(all, "483920") {
		t.Errorf("the code is kept: %s", all)
	}
}

// TestFaultsAreNotRefusals: what is our own fault must not tell the OP that the
// user is unknown, nor be stored as a denial.
func TestFaultsAreNotRefusals(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.pair(t, w.user(t, "aiko"))
	fault := errors.New("disk on fire")
	for name, break_ := range map[string]func(*approval.Service){
		"people":   func(s *approval.Service) { s.People = brokenPeople{s.People, fault} },
		"codes":    func(s *approval.Service) { s.Codes = brokenCodes{s.Codes, fault} },
		"passkeys": func(s *approval.Service) { s.Passkeys = brokenPasskeys{s.Passkeys, fault} },
	} {
		s := *w.Service
		break_(&s)
		a := w.asks("aiko")
		a.ReportsRefusals, a.UserCode, a.ACRValues = true, "483920", []string{"phr"}
		_, err := s.Accept(t.Context(), a, theOP)
		is(t, name, err, fault)
		_, err = w.db.Request(t.Context(), a.ID)
		is(t, name+", stored", err, approval.ErrNotFound)
	}
}

type brokenPeople struct {
	approval.People
	err error
}

func (b brokenPeople) FindUser(context.Context, device.Subject) (device.User, error) {
	return device.User{}, b.err
}

type brokenPasskeys struct {
	approval.Passkeys
	err error
}

func (b brokenPasskeys) CredentialsOf(context.Context, device.DeviceID) ([]device.Credential, error) {
	return nil, b.err
}

type brokenCodes struct {
	approval.CodeKeys
	err error
}

func (b brokenCodes) CodeMAC(string, []byte) (string, []byte, error) { return "", nil, b.err }

// TestABlankCodeIsNoCode: whatever the policy says, a code of nothing but hyphens
// is not taken, because any other such would match it.
func TestABlankCodeIsNoCode(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	w.pair(t, w.user(t, "aiko"))
	s := *w.Service
	s.Policy = laxPolicy{s.Policy}
	_, err := s.Accept(t.Context(), w.asks("aiko"), theOP)
	is(t, "Accept", err, approval.ErrCodeShape)
}

type laxPolicy struct{ approval.Policy }

func (laxPolicy) Admit(approval.Ask) (approval.Admission, error) {
	return approval.Admission{CodeSource: approval.CodeUserCode, Code: "- -"}, nil
}

// TestSecretsDoNotPrint: an ask or an answer that ends up in a log says its ids.
func TestSecretsDoNotPrint(t *testing.T) {
	ask := approval.Ask{ID: "R1", OP: "corp", UserCode: "483920", Handle: "bearer", BindingMessage: "Pay", Subject: device.Subject{Sub: "aiko"}}
	answer := approval.Answer{Request: "R1", Verdict: approval.Approve, UserCode: "483920"}
	adm := approval.Admission{CodeSource: approval.CodeUserCode, Code: "483920"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "ask", ask, "answer", answer, "admission", adm)
	out := log.String() + fmt.Sprintf("%v %+v %#v %s", ask, ask, ask, ask) +
		fmt.Sprintf("%v %+v %#v", answer, &answer, answer) + fmt.Sprintf("%v %+v %#v", adm, adm, adm)
	for _, secret := range []string{"483920", "bearer", "aiko"} {
		if strings.Contains(out, secret) {
			t.Errorf("%s is in %s", secret, out)
		}
	}
}

// TestNoRequestLivesLonger: whatever the OP says, a user has ten minutes at most,
// and a yes after them is none.
func TestNoRequestLivesLonger(t *testing.T) {
	w := newWorld(t, policy.Rules{})
	p := w.pair(t, w.user(t, "aiko"))
	a := w.asks("aiko")
	a.ExpiresAt = w.now.Add(time.Hour)
	r := w.accept(t, a)
	if got := r.ExpiresAt.Sub(w.now); got != 10*time.Minute {
		t.Errorf("an hour was asked for: it lives for %v", got)
	}
	yes := w.signed(t, r.ID, p, "")
	w.now = w.now.Add(10 * time.Minute)
	_, err := w.Decide(t.Context(), yes)
	is(t, "a yes after it", err, approval.ErrExpired)
	short := w.asks("aiko")
	if r := w.accept(t, short); !r.ExpiresAt.Equal(short.ExpiresAt) {
		t.Errorf("a shorter time became %v", r.ExpiresAt)
	}
}
