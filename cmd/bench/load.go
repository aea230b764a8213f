package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	warmUp = 4 * time.Second
	// flowTime is how long one flow may take before the run is given up.
	flowTime = 20 * time.Second
)

// task is what the load process is told to do.
type task struct {
	Public              string // Mitome's public URL
	Devices, OPs, Admin string // where it listens
	Metrics             string
	OP, APIKey          string // the connection, and its key
	Webhook, Secret     string // where it calls back, and signed with what
	Keys                string // folder of the phones' keys
	Phones, Busy, Rate  int
	Length              time.Duration
	PID                 int // Mitome's
}

// load is what came of it.
type load struct {
	PerSecond   float64 // whole flows, with Busy of them under way
	Post, Frame quantiles
}

// run pairs the phones and measures: first how much goes through, then how long
// it takes at a rate that leaves room.
func (t task) run(ctx context.Context) (out load, err error) {
	d, dismiss, err := t.crew(ctx)
	if err != nil {
		return out, err
	}
	defer dismiss()
	say("as many flows as possible, %d under way", t.Busy)
	if out.PerSecond, err = d.closed(ctx, t.Busy, warmUp, t.Length); err != nil {
		return out, err
	}
	say("%.0f flows/s; now %d a second", out.PerSecond, t.Rate)
	if out.Post, out.Frame, err = d.open(ctx, t.Rate, t.Length); err != nil {
		return out, err
	}
	say("OP's POST %v, frame %v; %d flows in all, each told to its OP once", out.Post, out.Frame, d.flows.Load())
	return out, d.op.check()
}

// crew is the OP, and phones that are paired and listen, until dismiss is called.
func (t task) crew(ctx context.Context) (d *drive, dismiss func(), err error) {
	debug.SetGCPercent(1000) // what the load takes of the machine is missing to what it is put on
	op, err := newProvider(t)
	if err != nil {
		return nil, nil, err
	}
	var background sync.WaitGroup
	var phones []*phone
	dismiss = func() {
		for _, p := range phones {
			_ = p.close() // nothing hangs on how it ends
		}
		op.server.Close()
		background.Wait()
	}
	background.Go(op.Run)
	say("pairing %d phones", t.Phones)
	if phones, err = t.pair(ctx); err != nil {
		op.server.Close()
		background.Wait()
		return nil, nil, err
	}
	d = &drive{op: op, pid: t.PID, idle: make(chan *phone, len(phones))}
	for _, p := range phones {
		if err := p.connect(); err != nil {
			dismiss()
			return nil, nil, err
		}
		background.Go(p.Run)
		d.idle <- p
	}
	return d, dismiss, nil
}

// drive puts flows on their way.
type drive struct {
	op    *provider
	idle  chan *phone // in turn: a phone that is asked twice a second is taken for a flood
	pid   int         // Mitome's
	flows atomic.Int64
}

// times is what one flow measured.
type times struct{ post, frame time.Duration }

// flow is one whole flow of p's user, counted from due: the OP asks, the phone
// hears of it, reads, signs and answers, and the OP is told.
func (d *drive) flow(ctx context.Context, p *phone, due time.Time) (times, error) {
	ctx, cancel := context.WithTimeout(ctx, flowTime)
	defer cancel()
	id, err := d.op.ask(&p.op, p.user, rand.Text())
	if err != nil {
		return times{}, err
	}
	took := times{post: time.Since(due)}
	told := d.op.expect(id)
	select {
	case s, open := <-p.shows:
		if !open {
			return took, fmt.Errorf("socket is closed: %w", p.lost)
		}
		if s.request != id {
			return took, fmt.Errorf("the phone was shown %s, and not %s", s.request, id)
		}
		took.frame = s.at.Sub(due)
	case <-ctx.Done():
		return took, errors.New("the phone was not told in time")
	}
	if err := p.approve(id); err != nil {
		return took, err
	}
	select {
	case state := <-told:
		if state != approved {
			return took, fmt.Errorf("the OP was told %s", state)
		}
	case <-ctx.Done():
		return took, errors.New("the OP was not told in time")
	}
	d.flows.Add(1)
	return took, nil
}

// closed keeps busy flows under way and returns how many came to their end each
// second, once those of the warm-up have passed.
func (d *drive) closed(ctx context.Context, busy int, warmUp, length time.Duration) (float64, error) {
	g, ctx := errgroup.WithContext(ctx)
	from := time.Now().Add(warmUp)
	until := from.Add(length)
	var counted atomic.Int64
	for range busy {
		g.Go(func() error {
			for time.Now().Before(until) {
				p := <-d.idle
				if _, err := d.flow(ctx, p, time.Now()); err != nil {
					return err
				}
				d.idle <- p
				if now := time.Now(); now.After(from) && now.Before(until) {
					counted.Add(1)
				}
			}
			return nil
		})
	}
	before, theirs, ours := d.flows.Load(), cpuTime(d.pid), cpuTime(os.Getpid())
	err := g.Wait()
	if n := time.Duration(d.flows.Load() - before); n > 0 {
		say("processor time a flow: Mitome %v, load %v", (cpuTime(d.pid)-theirs)/n, (cpuTime(os.Getpid())-ours)/n)
	}
	return float64(counted.Load()) / length.Seconds(), err
}

// open begins rate flows a second, whether those before have ended or not, and
// counts each from when it was due: a server that stalls must not have the
// clock stopped for it.
func (d *drive) open(ctx context.Context, rate int, length time.Duration) (post, frame quantiles, err error) {
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	var mu sync.Mutex
	var posts, frames []time.Duration
	for i := range int(float64(rate) * (warmUp + length).Seconds()) {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return post, frame, g.Wait()
		}
		g.Go(func() error {
			p := <-d.idle
			took, err := d.flow(ctx, p, due)
			d.idle <- p
			if err != nil || due.Sub(start) < warmUp {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			posts, frames = append(posts, took.post), append(frames, took.frame)
			return nil
		})
	}
	err = g.Wait()
	return quantilesOf(posts), quantilesOf(frames), err
}
