package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server"
	"github.com/mitome-ciba/mitome/server/outbox"
)

// TestRefusedCredentialsAreAnAlarm: whoever scrapes sees what each attempt came
// to, and that a channel is broken until its next success; whoever asks how the
// node is hears of it in words.
func TestRefusedCredentialsAreAnAlarm(t *testing.T) {
	m, alarm := server.NewMetrics("test"), &push.Alarm{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	m.PushBroken("fcm", func() bool { return slices.Contains(alarm.Broken(), push.FCM) })
	scrape := func() string {
		rec := httptest.NewRecorder()
		promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}).ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
		return rec.Body.String()
	}
	var says error
	send := watchSends(func(context.Context, push.Address, push.Message) error { return says }, m, alarm)
	for _, step := range []struct {
		says    error
		outcome string
		broken  string
		alarms  int
	}{
		{nil, "done", "0", 0},
		{push.ErrBroken, "broken", "1", 1},
		{push.ErrGone, "gone", "1", 1},
		{push.ErrUnfit, "unfit", "1", 1},
		{push.Later(0, nil), "later", "1", 1},
		{push.ErrChannel, "off", "1", 1},
		{push.ErrAbsent, "absent", "1", 1},
		{nil, "done", "0", 0},
	} {
		says = step.says
		if err := send(t.Context(), push.Address{Channel: push.FCM}, push.Message{}); !errors.Is(err, step.says) {
			t.Errorf("got %v, want %v", err, step.says)
		}
		got := scrape()
		for _, want := range []string{
			`mitome_deliveries_total{channel="fcm",outcome="` + step.outcome + `"}`, `mitome_push_broken{channel="fcm"} ` + step.broken + "\n",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("after %v the metrics do not say %s", step.says, want)
			}
		}
		if got := alarms(alarm); len(got) != step.alarms || step.alarms > 0 && !strings.Contains(got[0], "fcm") {
			t.Errorf("after %v: alarms %q, want %d", step.says, got, step.alarms)
		}
	}
}

// TestHealthSaysTheAlarm: a node with an alarm is ready all the same, and says it.
func TestHealthSaysTheAlarm(t *testing.T) {
	for want, r := range map[string]doctor.Ready{
		"ready":                      {Status: "ok"},
		"ready\nalarm: fcm is away":  {Status: "ok", Alarms: []string{"fcm is away"}},
		"not ready: bus\nalarm: fcm": {Status: "failed", Parts: map[string]string{"bus": "failed"}, Alarms: []string{"fcm"}},
	} {
		if got := healthLine(r); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// pile is a queue of jobs that are due and are done when they were claimed.
type pile struct {
	outbox.Queue
	mu   sync.Mutex
	jobs []outbox.Job
}

func (p *pile) ClaimJobs(_ context.Context, limit int, _ time.Duration) ([]outbox.Job, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(limit, len(p.jobs))
	out := p.jobs[:n]
	p.jobs = p.jobs[n:]
	return out, nil
}

func (*pile) FinishJobs(_ context.Context, ends []outbox.End) []error {
	return make([]error, len(ends))
}
func (*pile) NextDue(context.Context) (time.Time, error) { return time.Time{}, nil }

// TestSparing: only what is asked of a socket leaves its place to others.
func TestSparing(t *testing.T) {
	for channel, want := range map[push.Channel]int64{push.WebSocket: 5, push.FCM: 1} {
		t.Run(string(channel), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var begun atomic.Int64
				send := sparing(func(context.Context, push.Address, push.Message) error {
					begun.Add(1)
					<-time.After(time.Second)
					return nil
				})
				w := &outbox.Worker{
					Queue: &pile{jobs: slices.Repeat([]outbox.Job{{Kind: "x"}}, 5)}, Log: slog.New(slog.DiscardHandler), Concurrency: 1,
					Handlers: map[string]outbox.Handler{"x": func(ctx context.Context, _ outbox.Job, _ func(context.Context) error) outbox.Result {
						_ = send(ctx, push.Address{Channel: channel}, push.Message{})
						return outbox.Result{Outcome: outbox.Done}
					}},
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- w.Run(ctx) }()
				<-time.After(time.Second / 2)
				synctest.Wait()
				if n := begun.Load(); n != want {
					t.Errorf("%d of 5 have begun while one waits, want %d", n, want)
				}
				cancel()
				<-ended
			})
		})
	}
}
