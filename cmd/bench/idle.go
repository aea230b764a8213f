package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// idleRate is how many flows a second begin among idle sockets: each of ten
	// thousand users logs in every hundred seconds. It leaves the processors room,
	// so that what is seen is what the sockets cost and not a queue.
	idleRate = 100
	// connecting is how many sockets are opened at once.
	connecting = 32
	// first is how many sockets are open when the others' memory begins to be
	// counted. With them the program's own pages and the database's caches have come
	// into memory, which happens once.
	first = 1000
	// settleTime is how long nothing happens before memory is looked at.
	settleTime = 20 * time.Second
)

// idle is what sockets cost that are open and say nothing.
type idle struct {
	RSS    float64 // bytes of Mitome's resident memory a socket
	Kernel float64 // bytes of the kernel's a socket; zero if it does not tell
	Frame  quantiles
}

// idle opens one socket for each phone that was paired, looks at what Mitome's
// memory has grown by when they have been quiet for a while, and then puts flows
// on their way to some of them.
func (t task) idle(ctx context.Context) (out idle, err error) {
	debug.SetGCPercent(400)
	op, err := newProvider(t)
	if err != nil {
		return out, err
	}
	var background sync.WaitGroup
	defer background.Wait()
	defer op.server.Close()
	background.Go(op.Run)
	phones, err := t.paired()
	if err != nil {
		return out, err
	}
	defer func() {
		for _, p := range phones {
			_ = p.close() // nothing hangs on how it ends
		}
	}()
	if out.RSS, out.Kernel, err = t.grow(ctx, phones, &background); err != nil {
		return out, err
	}
	if out.Frame, err = t.among(ctx, op, phones); err != nil {
		return out, err
	}
	return out, errors.Join(op.check(), t.allOpen(ctx, len(phones)))
}

// grow opens the phones' sockets and says what memory each takes that comes after
// the first thousand.
func (t task) grow(ctx context.Context, phones []*phone, background *sync.WaitGroup) (rss, kernel float64, err error) {
	say("opening %d sockets", len(phones))
	var seen [2]memory
	for i, part := range [][]*phone{phones[:first], phones[first:]} {
		if err := connectAll(ctx, part, background); err != nil {
			return 0, 0, err
		}
		if err := t.settle(ctx, i*first+len(part)); err != nil {
			return 0, 0, err
		}
		if seen[i], err = t.memory(ctx); err != nil {
			return 0, 0, err
		}
	}
	rss, kernel = seen[1].less(seen[0], len(phones)-first)
	return rss, kernel, nil
}

// connectAll opens the phones' sockets.
func connectAll(ctx context.Context, phones []*phone, background *sync.WaitGroup) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(connecting)
	for _, p := range phones {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := p.connect(); err != nil {
				return err
			}
			background.Go(p.Run)
			return nil
		})
	}
	return g.Wait()
}

// settle waits until what opening the sockets has taken may be gone, and makes
// sure that they are still there.
func (t task) settle(ctx context.Context, sockets int) error {
	select {
	case <-time.After(settleTime):
		return t.allOpen(ctx, sockets)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// allOpen says whether Mitome holds as many sockets as there are phones. On a
// machine so busy that a ping is not written in time a socket may be lost, which
// its phone would open again; more than one in a thousand is a fault.
func (t task) allOpen(ctx context.Context, sockets int) error {
	said, err := t.metrics(ctx)
	if err != nil {
		return err
	}
	open := int(said["mitome_open_sockets"])
	if open != sockets {
		say("%d of %d sockets are open", open, sockets)
	}
	if open > sockets || open < sockets-sockets/1000 {
		return fmt.Errorf("%d sockets are open, want %d", open, sockets)
	}
	return nil
}

// among has flows begin, each to another of the phones.
func (t task) among(ctx context.Context, op *provider, phones []*phone) (quantiles, error) {
	d := &drive{op: op, pid: t.PID, idle: make(chan *phone, len(phones))}
	for _, p := range phones {
		d.idle <- p
	}
	say("%d flows a second among %d sockets", idleRate, len(phones))
	theirs, ours := cpuTime(t.PID), cpuTime(os.Getpid())
	_, frames, err := d.open(ctx, idleRate, t.Length)
	if n := time.Duration(d.flows.Load()); n > 0 {
		say("frame %v; processor time a flow, pings among it: Mitome %v, load %v",
			frames, (cpuTime(t.PID)-theirs)/n, (cpuTime(os.Getpid())-ours)/n)
	}
	return frames, err
}
