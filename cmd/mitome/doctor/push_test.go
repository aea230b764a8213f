package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

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
