package push_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/push"
)

func TestAlarm(t *testing.T) {
	var log bytes.Buffer
	now := time.Now()
	a := &push.Alarm{Log: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return now }}
	rejected := fmt.Errorf("%w: 403", push.ErrBroken)
	for i, step := range []struct {
		after   time.Duration
		channel push.Channel
		err     error
		broken  []push.Channel
		errors  int // lines of the log from the beginning on
		infos   int
	}{
		{0, push.FCM, nil, nil, 0, 0},
		{0, push.FCM, push.ErrGone, nil, 0, 0},
		{0, push.FCM, rejected, []push.Channel{push.FCM}, 1, 0},
		{time.Second, push.FCM, rejected, []push.Channel{push.FCM}, 1, 0}, // hundreds a second
		{0, push.WebPush, rejected, []push.Channel{push.FCM, push.WebPush}, 2, 0},
		{0, push.FCM, push.Later(0, nil), []push.Channel{push.FCM, push.WebPush}, 2, 0}, // tells nothing of the credentials
		{0, push.FCM, push.ErrGone, []push.Channel{push.FCM, push.WebPush}, 2, 0},
		{0, push.APNs, nil, []push.Channel{push.FCM, push.WebPush}, 2, 0}, // nor does another channel
		{time.Minute, push.FCM, rejected, []push.Channel{push.FCM, push.WebPush}, 3, 0},
		{0, push.WebPush, nil, []push.Channel{push.FCM}, 3, 1},
		{0, push.FCM, nil, nil, 3, 2},
		{0, push.FCM, nil, nil, 3, 2},
		// To and fro, as where one of many services rejects what the others take.
		{time.Second, push.FCM, rejected, []push.Channel{push.FCM}, 3, 2},
		{0, push.FCM, nil, nil, 3, 2},
		{time.Minute, push.FCM, rejected, []push.Channel{push.FCM}, 4, 2},
	} {
		now = now.Add(step.after)
		a.Heard(t.Context(), step.channel, step.err)
		if got := a.Broken(); !slices.Equal(got, step.broken) {
			t.Errorf("step %d: broken are %v, want %v", i, got, step.broken)
		}
		errs, infos := strings.Count(log.String(), "level=ERROR"), strings.Count(log.String(), "level=INFO")
		if errs != step.errors || infos != step.infos {
			t.Errorf("step %d: %d errors and %d infos, want %d and %d", i, errs, infos, step.errors, step.infos)
		}
	}
	if !strings.Contains(log.String(), "channel=webpush") || !strings.Contains(log.String(), "403") {
		t.Errorf("the log does not say what is rejected, and why: %s", log.String())
	}
}
