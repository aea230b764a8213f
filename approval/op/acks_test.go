package op_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mitome-ciba/mitome/approval/op"
)

func TestReportWaitsForTheAckAndTheGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var acks op.Acks
		release := acks.Hold("r1")
		start := time.Now()
		waited := make(chan time.Duration, 1)
		go func() {
			if err := acks.Wait(t.Context(), "r1"); err != nil {
				t.Error(err)
			}
			waited <- time.Since(start)
		}()
		if err := acks.Wait(t.Context(), "another"); err != nil {
			t.Errorf("another request: got %v, want no wait", err)
		}
		time.Sleep(2 * time.Second) // the ack is slow
		release(500 * time.Millisecond)
		release(time.Hour) // the second release counts for nothing
		if got, want := <-waited, 2500*time.Millisecond; got != want {
			t.Errorf("waited %v, want %v: the guard counts from the ack", got, want)
		}
		if err := acks.Wait(t.Context(), "r1"); err != nil {
			t.Errorf("after the guard: got %v, want no wait", err)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var acks op.Acks
		defer acks.Hold("r1")(0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := acks.Wait(ctx, "r1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
	})
}
