package device_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// base64url is bytes as WebAuthn's JSON has them.
type base64url []byte

func (b *base64url) UnmarshalJSON(raw []byte) error {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	var err error
	*b, err = base64.RawURLEncoding.DecodeString(s)
	return err
}

var (
	enrollmentStates = []device.EnrollmentState{
		device.Offered, device.Claimed, device.Confirmed, device.Completed, device.Expired, device.Cancelled,
	}
	enrollmentEvents = map[string]device.EnrollmentEvent{
		"claimed":           device.ClaimedBy{Session: "mine", DeviceName: "phone", MatchCode: "123456"},
		"confirmed":         device.ConfirmedBy{MatchCode: "123456"},
		"confirmed wrongly": device.ConfirmedBy{MatchCode: "654321"},
		"completed":         device.CompletedWith{Session: "mine", Device: "d1"},
		"completed by else": device.CompletedWith{Session: "other", Device: "d1"},
		"cancelled":         device.CancelledBy{},
		"lapsed":            device.LapsedAt{},
	}
)

// errEarly stands for the one fault that has no sentinel: lapsing before time.
var errEarly = errors.New("any fault")

// TestEnrollmentStep enumerates state × event × on time or late. A pair that the
// table forgets fails.
func TestEnrollmentStep(t *testing.T) {
	over := outcome{err: device.ErrEnrollmentOver}
	step := outcome{err: device.ErrEnrollmentStep}
	early := outcome{err: errEarly}
	notFound := outcome{err: device.ErrEnrollmentNotFound}
	to := func(s device.EnrollmentState) outcome { return outcome{state: s} }
	final := map[string][2]outcome{
		"claimed": {over, over}, "confirmed": {over, over}, "confirmed wrongly": {over, over}, "completed": {over, over},
		"completed by else": {over, over}, "cancelled": {over, over}, "lapsed": {over, over},
	}
	table := map[device.EnrollmentState]map[string][2]outcome{ // [0] on time, [1] late
		device.Offered: {
			"claimed": {to(device.Claimed), over}, "confirmed": {step, over}, "confirmed wrongly": {step, over},
			"completed": {step, over}, "completed by else": {step, over},
			"cancelled": {to(device.Cancelled), to(device.Cancelled)}, "lapsed": {early, to(device.Expired)},
		},
		device.Claimed: {
			"claimed": {step, over}, "confirmed": {to(device.Confirmed), over}, "confirmed wrongly": {to(device.Cancelled), over},
			"completed": {step, over}, "completed by else": {step, over},
			"cancelled": {to(device.Cancelled), to(device.Cancelled)}, "lapsed": {early, to(device.Expired)},
		},
		device.Confirmed: {
			"claimed": {step, over}, "confirmed": {step, over}, "confirmed wrongly": {step, over},
			"completed": {to(device.Completed), over}, "completed by else": {notFound, over},
			"cancelled": {to(device.Cancelled), to(device.Cancelled)}, "lapsed": {early, to(device.Expired)},
		},
		device.Completed: final, device.Expired: final, device.Cancelled: final,
	}
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	for _, state := range enrollmentStates {
		for name, ev := range enrollmentEvents {
			for i, expires := range []time.Time{now.Add(time.Second), now} {
				t.Run(fmt.Sprintf("%s/%s/late=%d", state, name, i), func(t *testing.T) {
					want, ok := table[state][name]
					if !ok {
						t.Fatal("the table says nothing of this pair")
					}
					before := device.Enrollment{ID: "e1", State: state, ExpiresAt: expires, Version: 3}
					if state != device.Offered {
						before.Session, before.MatchCode = "mine", "123456"
					}
					want[i].check(t, before, ev, now)
				})
			}
		}
	}
}

// outcome is what a step should come to.
type outcome struct {
	state device.EnrollmentState // where it moves; empty if it does not
	err   error
}

func (want outcome) check(t *testing.T, before device.Enrollment, ev device.EnrollmentEvent, now time.Time) {
	t.Helper()
	got, err := before.Step(ev, now)
	if want.err == nil {
		if err != nil || got.State != want.state {
			t.Errorf("got %v, %v; want %v", got.State, err, want.state)
		}
		return
	}
	if err == nil || want.err != errEarly && !errors.Is(err, want.err) {
		t.Errorf("got %v, want %v", err, want.err)
	}
	if got.State != before.State || got.ExpiresAt != before.ExpiresAt {
		t.Errorf("it moved to %v with error %v", got.State, err)
	}
}

func TestEnrollmentStepRecords(t *testing.T) {
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	e := device.Enrollment{State: device.Offered, ExpiresAt: now.Add(device.OfferLife)}
	e, err := e.Step(enrollmentEvents["claimed"], now)
	if err != nil {
		t.Fatal(err)
	}
	if e.Session != "mine" || e.DeviceName != "phone" || e.MatchCode != "123456" || !e.ExpiresAt.Equal(now.Add(device.ClaimLife)) {
		t.Errorf("claimed: got %+v", e)
	}
	for _, ev := range []string{"confirmed", "completed"} {
		if e, err = e.Step(enrollmentEvents[ev], now); err != nil {
			t.Fatal(err)
		}
	}
	if e.Device != "d1" {
		t.Errorf("completed: got device %q", e.Device)
	}
}

func TestEnrollmentStateAt(t *testing.T) {
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	tests := []struct {
		state   device.EnrollmentState
		expires time.Time
		want    device.EnrollmentState
	}{
		{device.Offered, now.Add(time.Second), device.Offered},
		{device.Claimed, now, device.Expired},
		{device.Completed, now.Add(-time.Hour), device.Completed},
		{device.Cancelled, now.Add(-time.Hour), device.Cancelled},
	}
	for _, tt := range tests {
		if got := (device.Enrollment{State: tt.state, ExpiresAt: tt.expires}).StateAt(now); got != tt.want {
			t.Errorf("%s until %v: got %s, want %s", tt.state, tt.expires, got, tt.want)
		}
	}
}
