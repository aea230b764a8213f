package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server"
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
