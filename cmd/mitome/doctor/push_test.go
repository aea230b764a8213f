package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
	"github.com/mitome-ciba/mitome/push"
)

// answering is a channel whose service gives one answer.
type answering struct{ err error }

// Probe implements doctor.Pusher.
func (a answering) Probe(context.Context) error { return a.err }

func TestPush(t *testing.T) {
	for _, tt := range []struct {
		err   error
		state doctor.State
		words string
	}{
		{nil, doctor.OK, "takes our credentials"},
		{fmt.Errorf("%w: answer 403 InvalidProviderToken", push.ErrBroken), doctor.Fault, "InvalidProviderToken"},
		{push.Later(0, errors.New("no route to host")), doctor.Fault, "no route to host"},
	} {
		r := &doctor.Report{}
		doctor.CheckPush(t.Context(), r, answering{tt.err}, "push apns", "push.apns")
		expect(t, r, want{"push apns", tt.state, tt.words})
	}
}

// TestCheckExpiry: a certificate that ends soon is said while there is time.
func TestCheckExpiry(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		end  time.Time
		want []want
	}{
		{time.Time{}, nil},
		{now.Add(-time.Hour), nil}, // the service refuses it
		{now.AddDate(0, 0, 29), []want{{"push apns", doctor.Warning, "expires on 2026-03-30"}}},
		{now.AddDate(0, 0, 31), []want{{"push apns", doctor.OK, "good until 2026-04-01"}}},
	} {
		r := &doctor.Report{}
		doctor.CheckExpiry(r, "push apns", tt.end, now)
		expect(t, r, tt.want...)
	}
}
