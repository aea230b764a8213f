package v1_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/deliver"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/server/outbox"
)

const (
	oldSecret = "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLSE="
	newSecret = "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LSE="
)

// receiver is the OP's end of the webhooks, which knows one secret.
type receiver struct {
	t      *testing.T
	secret *standardwebhooks.Webhook

	mu      sync.Mutex
	answers []int // what to say to the next ones; then 204
	got     []heard
}

type heard struct {
	id   string
	body []byte
	data request
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	var event struct {
		Type string
		Data request
	}
	if err := r.secret.Verify(body, req.Header); err != nil {
		r.t.Errorf("a webhook does not verify: %v", err)
	}
	if json.Unmarshal(body, &event) != nil || event.Type != "request.decided" {
		r.t.Errorf("got %s", body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, heard{req.Header.Get("Webhook-Id"), body, event.Data})
	status := http.StatusNoContent
	if len(r.answers) > 0 {
		status, r.answers = r.answers[0], r.answers[1:]
	}
	w.WriteHeader(status)
}

// all is what was heard so far.
func (r *receiver) all() []heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]heard(nil), r.got...)
}

// tells has the shop told of decisions by way of the outbox, each secret signing.
// The receiver knows one of them, and answers so first.
func (w *world) tells(known string, secrets []approval.Secret, answers ...int) *receiver {
	w.t.Helper()
	r := &receiver{t: w.t, secret: must(standardwebhooks.NewWebhook(known))(w.t), answers: answers}
	srv := httptest.NewServer(r)
	w.t.Cleanup(srv.Close)
	cfg := webhook.Config{LoginHint: "auto", Keys: keysOf(shopKey), Webhook: webhook.Section{
		URL: srv.URL, Secrets: secrets, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}}
	a, err := webhook.Open(func(v any) error { *v.(*webhook.Config) = cfg; return nil },
		op.Deps{Name: "shop", Client: &http.Client{Timeout: 5 * time.Second}, Now: time.Now, About: w.told})
	must(a, err)(w.t)
	soon := func(int) time.Duration { return 10 * time.Millisecond }
	reports := &deliver.Reporter{
		Requests: w.db, Adapters: map[string]op.Adapter{"shop": a}, Acks: w.acks, Backoff: soon, Now: w.now,
	}
	done := func(context.Context, outbox.Job, func(context.Context) error) outbox.Result {
		return outbox.Result{Outcome: outbox.Done}
	}
	worker := &outbox.Worker{
		Queue: w.db, Wake: w.db.Wake(), Log: slog.New(slog.DiscardHandler),
		Handlers: map[string]outbox.Handler{
			deliver.KindNotify: done, deliver.KindClear: done,
			deliver.KindReport: func(ctx context.Context, j outbox.Job, mark func(context.Context) error) outbox.Result {
				res := reports.Report(ctx, deliver.Job{
					Request: approval.RequestID(j.Subject), Attempts: j.Attempts, Sending: j.Sending, Created: j.Created,
				}, mark)
				return outbox.Result{Outcome: outbox.Outcome(res.Outcome), Again: res.Again, Cause: res.Cause}
			},
		},
	}
	w.run(worker.Run)
	return r
}

// report is what became of telling the OP of a request.
func (w *world) report(id string) approval.Listed {
	w.t.Helper()
	return must(w.db.ListRequests(w.t.Context(), approval.Query{Request: approval.RequestID(id)}))(w.t)[0]
}

// TestWebhookRetry: an OP that is away, too busy or at fault is told again, the
// same under the same id, until it hears; and what it hears is what it reads.
func TestWebhookRetry(t *testing.T) {
	each(t, func(w *world) {
		t := w.t
		hears := w.tells(newSecret, []approval.Secret{newSecret}, 503, 429, 500)
		p := w.pair(w.user("shop", "s-1"))
		r := w.ask("ref", with(of("s-1"), m{"user_code": "123456", "acr_values": "phr"})).want(t, 201)
		w.approve(p, r.ID, "123456")
		w.until(func() bool { return w.report(r.ID).Report == approval.Reported })
		got := hears.all()
		if l := w.report(r.ID); len(got) != 4 || l.Attempts != 4 {
			t.Fatalf("heard %d times in %d attempts, want 4", len(got), l.Attempts)
		}
		for _, h := range got {
			if h.id != "msg_"+r.ID+"_approved" || !bytes.Equal(uncounted(h.body), uncounted(got[0].body)) {
				t.Errorf("a repetition says something else: %s %s", h.id, h.body)
			}
		}
		read := w.get(r.ID)
		if !bytes.Contains(uncounted(got[0].body), uncounted(bytes.TrimSpace(read.body))) {
			t.Errorf("heard %s, read %s", got[0].body, read.body)
		}
	})
}

// counts is how many devices were reached, which may be known only after the OP
// was told for the first time.
var counts = regexp.MustCompile(`,"delivered_to":\{[^}]*\}`)

func uncounted(body []byte) []byte { return counts.ReplaceAll(body, nil) }

// TestWebhookRefused: an OP that will not have it is left alone.
func TestWebhookRefused(t *testing.T) {
	w := newSQLite(t)
	hears := w.tells(newSecret, []approval.Secret{newSecret}, http.StatusGone)
	p := w.pair(w.user("shop", "s-1"))
	r := w.ask("ref", of("s-1")).want(t, 201)
	w.deny(p, r.ID, false)
	w.until(func() bool { return w.report(r.ID).Report == approval.ReportRefused })
	if n := len(hears.all()); n != 1 {
		t.Errorf("told %d times, want once", n)
	}
	if got := w.get(r.ID).want(t, 200); got.State != "denied" {
		t.Errorf("got %s: it can be read all the same", got.State)
	}
}

// TestWebhookRotation: while two secrets sign, an OP that knows either can tell
// that it is us.
func TestWebhookRotation(t *testing.T) {
	for name, known := range map[string]string{"knows the new one": newSecret, "knows the old one": oldSecret} {
		t.Run(name, func(t *testing.T) {
			w := newSQLite(t)
			hears := w.tells(known, []approval.Secret{newSecret, oldSecret})
			p := w.pair(w.user("shop", "s-1"))
			r := w.ask("ref", of("s-1")).want(t, 201)
			w.deny(p, r.ID, true)
			w.until(func() bool { return len(hears.all()) == 1 })
			if got := hears.all()[0].data; got.Decision == nil || got.Decision.Reason != "not_started_by_user" {
				t.Errorf("heard %+v", got)
			}
		})
	}
}

// TestWebhookOfOtherEnds: what no user decided is told too, but not to the OP
// that did it.
func TestWebhookOfOtherEnds(t *testing.T) {
	w := newSQLite(t)
	hears := w.tells(newSecret, []approval.Secret{newSecret})
	w.pair(w.user("shop", "s-1"))
	own := w.ask("ref-1", of("s-1")).want(t, 201)
	w.cancel(own.ID).want(t, 200)
	taken := w.ask("ref-2", of("s-1")).want(t, 201)
	must(w.requests.Recall(t.Context(), approval.RequestID(taken.ID), admin))(t)
	lapsed := w.ask("ref-3", with(of("s-1"), m{"expires_in": 10})).want(t, 201)
	w.ahead.Add(int64(11 * time.Second))
	must(w.requests.Expire(t.Context(), 10))(t)
	w.until(func() bool { return len(hears.all()) >= 2 })
	states := map[string]string{}
	for _, h := range hears.all() {
		states[h.data.ID] = h.data.State
	}
	if len(states) != 2 || states[taken.ID] != "withdrawn" || states[lapsed.ID] != "expired" {
		t.Errorf("heard %v", states)
	}
	if l := w.report(own.ID); l.Report != approval.NoReport {
		t.Errorf("the OP's own withdrawal: report is %q", l.Report)
	}
}
