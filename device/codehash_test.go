package device_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

// gate holds every try inside until it is opened.
type gate struct {
	device.UserCodes
	inside atomic.Int32
	most   atomic.Int32
	open   chan struct{}
}

var errEnough = errors.New("enough")

func (g *gate) CodeTries(context.Context, device.Tried) (device.CodeTries, error) {
	n := g.inside.Add(1)
	defer g.inside.Add(-1)
	for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
	}
	<-g.open
	return device.CodeTries{}, errEnough
}

// TestHashesAreBounded: two at a time, and 64 that wait. Whoever comes besides is
// sent away before a try is charged, and whoever hangs up makes room.
func TestHashesAreBounded(t *testing.T) {
	const atOnce, waiting, more = 2, 64, 9
	w, _ := withCodes(t)
	g := &gate{open: make(chan struct{})}
	w.UserCodes = g
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	ended := make(chan error, atOnce+waiting+more)
	for range atOnce + waiting + more {
		go func() {
			ended <- w.VerifyUserCode(ctx, device.CodeTry{Subject: sub("s-1"), Client: theTill, Code: herCode}, theOP)
		}()
	}
	for range more {
		if err := next(t, ended); !errors.Is(err, device.ErrCodeBusy) {
			t.Errorf("got %v, want %v", err, device.ErrCodeBusy)
		}
	}
	hangUp()
	for range waiting {
		if err := next(t, ended); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	}
	close(g.open)
	for range atOnce {
		if err := next(t, ended); !errors.Is(err, errEnough) {
			t.Errorf("got %v, want %v", err, errEnough)
		}
	}
	if n := g.most.Load(); n != atOnce {
		t.Errorf("%d at once, want %d", n, atOnce)
	}
}

// next is how the next of them ended.
func next(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("fewer have ended than should")
		return nil
	}
}

// crowd is a store in which somebody else is always first.
type crowd struct{ device.UserCodes }

func (crowd) ChargeUserCode(context.Context, device.Tried, device.CodeTries) error {
	return device.ErrCodeConflict
}

// TestACrowdIsSentAway: what cannot be charged is not compared.
func TestACrowdIsSentAway(t *testing.T) {
	w, _ := withCodes(t)
	w.UserCodes = crowd{w.db}
	w.wantTry(t, "right", theTill, herCode, device.ErrCodeBusy)
}
