package deliver_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/approvaltest"
	"github.com/mitome-ciba/mitome/approval/deliver"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

// world is a store, a clock and what stands outside: an OP and a push service.
type world struct {
	*store.DB
	t     *testing.T
	clock time.Time
	op    *fakeOP
	acks  *op.Acks

	phone error          // what the push service says
	sent  []push.Message // what it was given
}

func newWorld(t *testing.T) *world {
	w := &world{DB: storetest.SQLite(t), t: t, clock: approvaltest.Start, op: &fakeOP{}, acks: &op.Acks{}}
	w.DB.Now = w.now
	return w
}

func (w *world) now() time.Time { return w.clock }

func (w *world) pass(d time.Duration) { w.clock = w.clock.Add(d) }

// device stores a user with one device.
func (w *world) device() device.Device {
	w.t.Helper()
	people := devicetest.Stores{Users: w.DB, Devices: w.DB, Enrollments: w.DB, Ceremonies: w.DB}
	s := session.Session{ID: "s1", CreatedAt: w.clock, ExpiresAt: w.clock.Add(time.Hour)}
	if err := w.CreateSession(w.t.Context(), s); err != nil {
		w.t.Fatal(err)
	}
	return people.NewDevice(w.t, people.NewUser(w.t, "corp", "Aiko"), string(s.ID), w.clock)
}

// request stores a pending request of u that asks one address.
func (w *world) request(u device.UserID, a push.AddressID) approval.Request {
	w.t.Helper()
	r := approvaltest.Request(u)
	r.Code = approval.Code{}
	if _, err := w.CreateRequest(w.t.Context(), r, []approval.Effect{approval.Notify{Address: a}}, device.Mitome); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// settled stores a request that has come to state s, with its report due.
func (w *world) settled(s approval.State) approval.Request {
	w.t.Helper()
	r := approvaltest.Request("")
	r.Code = approval.Code{}
	if _, err := w.CreateRequest(w.t.Context(), r, nil, device.Mitome); err != nil {
		w.t.Fatal(err)
	}
	w.pass(r.ReportAfter.Sub(w.clock))
	r.State = s
	switch s {
	case approval.Approved:
		r.Decision = &approval.Decision{Verdict: approval.Approve, At: w.clock}
	case approval.Denied:
		r.Decision = &approval.Decision{Verdict: approval.Deny, Reason: approval.ReasonUser, At: w.clock}
	}
	err := w.UpdateRequest(w.t.Context(), approval.Change{Next: r, Effects: []approval.Effect{approval.Report{}}, By: device.Mitome})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// claim leases the one job that is due.
func (w *world) claim() outbox.Job {
	w.t.Helper()
	jobs, err := w.ClaimJobs(w.t.Context(), 10, outbox.DefaultLease)
	if err != nil || len(jobs) != 1 {
		w.t.Fatalf("claimed %d jobs, err %v; want one", len(jobs), err)
	}
	return jobs[0]
}

// job is j in this package's words, as cmd/mitome puts it.
func job(j outbox.Job) deliver.Job {
	return deliver.Job{
		Request: approval.RequestID(j.Subject), Address: push.AddressID(j.Target),
		Attempts: j.Attempts, Sending: j.Sending, Created: j.Created,
	}
}

// report carries out j with the real mark.
func (w *world) report(j outbox.Job) deliver.Result {
	p := &deliver.Reporter{
		Requests: w.DB, Adapters: map[string]op.Adapter{"corp": w.op}, Acks: w.acks,
		Backoff: outbox.Backoff, Now: w.now,
	}
	return p.Report(w.t.Context(), job(j), func(ctx context.Context) error {
		if w.op.markFails {
			return outbox.ErrLeaseLost
		}
		w.op.events = append(w.op.events, "mark")
		return w.MarkSending(ctx, j)
	})
}

// push returns what sends to the phone.
func (w *world) push() *deliver.Push {
	return &deliver.Push{
		Requests: w.DB, Addresses: w.DB, Backoff: outbox.Backoff, Now: w.now,
		Send: func(_ context.Context, _ push.Address, m push.Message) error {
			w.sent = append(w.sent, m)
			return w.phone
		},
	}
}

// end writes res down, as the outbox does.
func (w *world) end(j outbox.Job, res deliver.Result) {
	w.t.Helper()
	var err error
	if res.Outcome != "" {
		err = w.FinishJob(w.t.Context(), j, outbox.Outcome(res.Outcome), res.Cause)
	} else {
		err = w.RetryJob(w.t.Context(), j, w.clock.Add(res.Again), res.Cause)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// listed is the request as an operator sees it.
func (w *world) listed(q approval.Query) []approval.Listed {
	w.t.Helper()
	l, err := w.ListRequests(w.t.Context(), q)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// fakeOP is an OP like Keycloak: an approval must not be repeated, a denial may.
type fakeOP struct {
	err       error
	markFails bool
	events    []string // "mark", or the state that was sent
}

func (f *fakeOP) Receive(*http.Request) (approval.Ask, error) {
	return approval.Ask{}, errors.New("not used")
}
func (f *fakeOP) Reply(http.ResponseWriter, approval.Ask, approval.Request, error) {}

func (f *fakeOP) Report(_ context.Context, r approval.Request) error {
	if r.Handle == "" {
		return errors.New("no handle")
	}
	f.events = append(f.events, string(r.State))
	return f.err
}

func (f *fakeOP) RepeatSafe(s approval.State) bool { return s != approval.Approved }
