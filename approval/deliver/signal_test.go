package deliver_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/deliver"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/device"
)

// told is what an operator was sent.
type told struct {
	header http.Header
	body   []byte
}

// operator is where signals go. It answers with status.
type operator struct {
	*deliver.Signaller
	now    time.Time
	status int
	wait   string // Retry-After
	heard  []told
	keys   jose.JSONWebKeySet
	signs  *standardwebhooks.Webhook
}

// requestsOf has requests.
type requestsOf map[approval.RequestID]approval.Request

// Request implements deliver.Requests.
func (m requestsOf) Request(_ context.Context, id approval.RequestID) (approval.Request, error) {
	r, ok := m[id]
	if !ok {
		return r, approval.ErrNotFound
	}
	return r, nil
}

// usersOf has users.
type usersOf map[device.UserID]device.User

// User implements deliver.People.
func (m usersOf) User(_ context.Context, id device.UserID) (device.User, error) {
	u, ok := m[id]
	if !ok {
		return u, device.ErrUnknownUser
	}
	return u, nil
}

// lockOf is the lock of one who was locked by an actor.
type lockOf struct {
	at time.Time
	by device.Actor
}

// LockOf implements deliver.Locks.
func (l lockOf) LockOf(context.Context, device.UserID) (time.Time, device.Actor, error) {
	return l.at, l.by, nil
}

var reportedAt = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

func newOperator(t *testing.T) *operator {
	t.Helper()
	o := &operator{now: reportedAt.Add(time.Second), status: http.StatusAccepted}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		o.heard = append(o.heard, told{r.Header, body})
		if o.wait != "" {
			w.Header().Set("Retry-After", o.wait)
		}
		w.WriteHeader(o.status)
	}))
	t.Cleanup(srv.Close)
	key, err := sign.NewKey()
	check(t, err)
	signer, err := sign.New(key)
	check(t, err)
	o.keys = signer.Published()
	o.signs, err = standardwebhooks.NewWebhookRaw([]byte("0123456789abcdef0123456789abcdef"))
	check(t, err)
	post, err := op.NewPooledPoster(srv.Client())
	check(t, err)
	clock := func() time.Time { return o.now }
	o.Signaller = &deliver.Signaller{
		Requests: requestsOf{
			"R1": {ID: "R1", OP: "corp", UserID: "U1", ClientID: "shop", BindingMessage: "Pay 100 EUR", Decision: &approval.Decision{
				Verdict: approval.Deny, Reason: approval.ReasonNotMe, At: reportedAt, FrozenUntil: reportedAt.Add(15 * time.Minute),
			}},
			"R2": {ID: "R2", OP: "corp", UserID: "U1", Decision: &approval.Decision{Verdict: approval.Deny, Reason: approval.ReasonUser}},
		},
		People:  usersOf{"U1": {ID: "U1", OP: "corp", Subject: "s-1", Name: "Aiko"}, "U2": {ID: "U2", OP: "vault", Subject: "s-2"}},
		Locks:   lockOf{reportedAt, device.Actor{Kind: device.ActorDevice, ID: "D1"}},
		Backoff: func(n int) time.Duration { return time.Duration(n) * time.Second }, Now: clock,
		Receivers: map[string]map[approval.SignalTarget]deliver.Receiver{"corp": {
			approval.ToWebhook: &deliver.Webhook{URL: srv.URL, Post: post, Signs: []*standardwebhooks.Webhook{o.signs}, Now: clock},
			approval.ToSET: &deliver.SET{
				URL: srv.URL, Audience: "https://soc.example", Issuer: "https://mitome.example", OPIssuer: "https://op.example",
				Token: "bearer-token", Post: post, Sign: signer.SignSET, Now: clock,
			},
		}},
	}
	return o
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (o *operator) job(subject string, to approval.SignalTarget) deliver.SignalJob {
	return deliver.SignalJob{Subject: subject, To: to, Attempts: 1, Created: reportedAt}
}

// TestSignalWebhook: what is posted, to the letter: nothing of what was asked, and
// no name of hers. A repetition has the same id.
func TestSignalWebhook(t *testing.T) {
	for _, tt := range []struct{ name, want, id string }{
		{"not me", `{"type":"request.not_started_by_user","timestamp":"2026-05-06T07:08:09Z","data":{"op":"corp","sub":"s-1",` +
			`"user_id":"U1","request_id":"R1","client_id":"shop","frozen_until":"2026-05-06T07:23:09Z","by":"user"}}`, "msg_not_me_R1"},
		{"locked", `{"type":"user.locked","timestamp":"2026-05-06T07:08:09Z","data":{"op":"corp","sub":"s-1","user_id":"U1","by":"user"}}`,
			"msg_locked_U1_1778051289000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOperator(t)
			o.now = time.Now() // the library that checks the signature has no other clock
			for range 2 {
				do, subject := o.NotMe, "R1"
				if tt.name == "locked" {
					do, subject = o.Locked, "U1"
				}
				if res := do(t.Context(), o.job(subject, approval.ToWebhook)); res.Outcome != deliver.Done {
					t.Fatalf("got %+v", res)
				}
			}
			for _, h := range o.heard {
				if diff := cmp.Diff(tt.want, string(h.body)); diff != "" {
					t.Error(diff)
				}
				if err := o.signs.Verify(h.body, h.header); err != nil {
					t.Error(err)
				}
				if id := h.header.Get("webhook-id"); id != tt.id {
					t.Errorf("id %q, want %q", id, tt.id)
				}
			}
		})
	}
}

// TestSignalSET: a token as RFC 8417 has it, pushed as RFC 8935 has it, that whoever
// has the published keys can check, and that passes for nothing else.
func TestSignalSET(t *testing.T) {
	o := newOperator(t)
	if res := o.NotMe(t.Context(), o.job("R1", approval.ToSET)); res.Outcome != deliver.Done {
		t.Fatalf("got %+v", res)
	}
	h := o.heard[0].header
	for name, want := range map[string]string{
		"Content-Type": "application/secevent+jwt", "Accept": "application/json", "Authorization": "Bearer bearer-token",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	token := string(o.heard[0].body)
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	check(t, err)
	if typ := jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]; typ != "secevent+jwt" {
		t.Errorf("typ %v", typ)
	}
	payload, err := jws.Verify(o.keys.Keys[0].Key)
	check(t, err)
	var got map[string]any
	check(t, json.Unmarshal(payload, &got))
	want := map[string]any{
		"iss": "https://mitome.example", "aud": "https://soc.example", "jti": "not_me_R1", "txn": "R1",
		"iat": float64(o.now.Unix()), "toe": float64(reportedAt.Unix()),
		"sub_id": map[string]any{"format": "iss_sub", "iss": "https://op.example", "sub": "s-1"},
		"events": map[string]any{"https://schemas.openid.net/secevent/caep/event-type/risk-level-change": map[string]any{
			"event_timestamp": float64(reportedAt.Unix()), "initiating_entity": "user", "principal": "USER", "current_level": "HIGH",
			"risk_reason":  "request.not_started_by_user",
			"reason_admin": map[string]any{"en": "The user said that she did not start request R1."},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := sign.Verify(token, o.keys); err == nil {
		t.Error("a SET passes for evidence")
	}
}

// TestSignalLockedBy: the operator is told whether it was the user who had everything
// stopped, and of a lock that is gone nothing is made up.
func TestSignalLockedBy(t *testing.T) {
	const risk = "https://schemas.openid.net/secevent/caep/event-type/risk-level-change"
	for _, tt := range []struct {
		name string
		lock lockOf
		want any
	}{
		{"the user", lockOf{reportedAt, device.Actor{Kind: device.ActorDevice, ID: "D1"}}, "user"},
		{"an administrator", lockOf{reportedAt, device.Actor{Kind: device.ActorAdmin, ID: "bob"}}, "admin"},
		{"a rule", lockOf{reportedAt, device.Mitome}, "policy"},
		{"unlocked since", lockOf{}, nil},
		{"locked again since", lockOf{reportedAt.Add(time.Hour), device.Actor{Kind: device.ActorAdmin}}, nil},
	} {
		o := newOperator(t)
		o.Locks = tt.lock
		for _, to := range []approval.SignalTarget{approval.ToWebhook, approval.ToSET} {
			if res := o.Locked(t.Context(), o.job("U1", to)); res.Outcome != deliver.Done {
				t.Fatalf("%s: got %+v", tt.name, res)
			}
		}
		var posted struct{ Data map[string]any }
		check(t, json.Unmarshal(o.heard[0].body, &posted))
		jws, err := jose.ParseSignedCompact(string(o.heard[1].body), []jose.SignatureAlgorithm{jose.ES256})
		check(t, err)
		var set struct {
			Events map[string]map[string]any `json:"events"`
		}
		check(t, json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &set))
		if by, initiator := posted.Data["by"], set.Events[risk]["initiating_entity"]; by != tt.want || initiator != tt.want {
			t.Errorf("%s: by %v, initiating_entity %v, want %v", tt.name, by, initiator, tt.want)
		}
	}
}

// TestSignalOutcomes: who cannot be reached is told again, for a day.
func TestSignalOutcomes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		job    deliver.SignalJob
		late   time.Duration
		want   deliver.Outcome
		again  time.Duration
	}{
		{"taken", 200, deliver.SignalJob{Subject: "R1", To: approval.ToWebhook}, 0, deliver.Done, 0},
		{"refused", 400, deliver.SignalJob{Subject: "R1", To: approval.ToSET}, 0, deliver.Refused, 0},
		{"down", 503, deliver.SignalJob{Subject: "R1", To: approval.ToSET}, 0, "", 7 * time.Second},
		{"down for a day", 503, deliver.SignalJob{Subject: "R1", To: approval.ToSET}, 24 * time.Hour, deliver.Unsure, 0},
		{"no such receiver", 200, deliver.SignalJob{Subject: "U2", To: approval.ToSET}, 0, deliver.Moot, 0},
		{"no such user", 200, deliver.SignalJob{Subject: "U9", To: approval.ToSET}, 0, deliver.Moot, 0},
		{"no such request", 200, deliver.SignalJob{Subject: "R9", To: approval.ToSET}, 0, deliver.Moot, 0},
		{"denied for another reason", 200, deliver.SignalJob{Subject: "R2", To: approval.ToSET}, 0, deliver.Moot, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOperator(t)
			o.status, o.wait = tt.status, "7"
			tt.job.Attempts, tt.job.Created = 1, reportedAt
			o.now = o.now.Add(tt.late)
			do := o.NotMe
			if tt.job.Subject[0] == 'U' {
				do = o.Locked
			}
			if res := do(t.Context(), tt.job); res.Outcome != tt.want || res.Again != tt.again {
				t.Errorf("got %+v, want %q, %v", res, tt.want, tt.again)
			}
		})
	}
}
