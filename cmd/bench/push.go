package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/ece"
)

const (
	// pushPart is measured by itself: no Mitome runs meanwhile.
	pushPart = "push"
	// pushWarmUp opens connections and has the tokens made.
	pushWarmUp = time.Second
	// frameRoom is how many frames a phone may be sent within the minute.
	frameRoom = 100
	// requestTime is how long a service may keep trying.
	requestTime = 2 * time.Minute
)

// notice is what is sealed: about as much as Mitome says of a request.
const notice = `{"v":1,"t":"show","k":"01JD8Q4M7ZCE5T3V0N6R2B9XKH","title":"Till","body":"Pay 42.00 EUR at Till 4, W4SCT","url":"/requests/01JD8Q4M7ZCE5T3V0N6R2B9XKH","at":1764000000,"until":1764000120}`

// pushTask is what the process that pushes is told.
type pushTask struct {
	Dir    string
	Length time.Duration // for each channel
}

// pushed is what pushing on one channel came to.
type pushed struct {
	Channel                              push.Channel
	PerSecond, Bytes, Allocs, AllocBytes float64
}

// senders measures each channel's sender at its fake service.
func (b *bench) senders(ctx context.Context, dir string) error {
	all, err := child[[]pushed](ctx, "push", pushTask{Dir: dir, Length: b.length / 4})
	if err != nil {
		return err
	}
	for _, p := range all {
		b.print("pushes_per_second_"+string(p.Channel), p.PerSecond, "1/s")
		b.print("push_bytes_"+string(p.Channel), p.Bytes, "B")
		b.print("push_allocs_"+string(p.Channel), p.Allocs, "allocs")
		b.print("push_alloc_bytes_"+string(p.Channel), p.AllocBytes, "B")
	}
	return nil
}

// run starts the services in a process of their own and pushes to each of them.
func (t pushTask) run(ctx context.Context) (all []pushed, err error) {
	w, stop, err := startServices(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	ways, err := w.vendors(ctx)
	if err != nil {
		return nil, err
	}
	s, err := openSockets(ctx, t.Dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := w.crowd(ctx, s.address); err != nil {
		return nil, err
	}
	for _, way := range append([]way{s.way()}, ways...) {
		p, err := t.through(ctx, w, way)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", way.sender.Channel(), err)
		}
		all = append(all, p)
	}
	return all, nil
}

// startServices runs this program again as the push services.
func startServices(ctx context.Context) (w world, stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return w, nil, fmt.Errorf("find own program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "services")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return w, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return w, nil, err
	}
	if err := cmd.Start(); err != nil {
		return w, nil, fmt.Errorf("start push services: %w", err)
	}
	stop = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	if err := json.NewDecoder(out).Decode(&w); err != nil {
		return w, nil, errors.Join(fmt.Errorf("read where the push services are: %w", err), stop())
	}
	return w, stop, nil
}

// through pushes to one service as fast as push.DefaultParallel callers can. A
// push is a message sealed anew, as each is, and its sending.
func (t pushTask) through(ctx context.Context, w world, by way) (p pushed, err error) {
	p.Channel = by.sender.Channel()
	d := &pushDrive{way: by, subscribers: w.Subscribers}
	if err := d.run(ctx, pushWarmUp); err != nil {
		return p, err
	}
	before, err := w.seen(ctx, p.Channel)
	if err != nil {
		return p, err
	}
	warm, spent := d.sent.Load(), cpuTime(os.Getpid())
	var from, to runtime.MemStats
	runtime.ReadMemStats(&from)
	began := time.Now()
	if err := d.run(ctx, t.Length); err != nil {
		return p, err
	}
	took := time.Since(began)
	runtime.ReadMemStats(&to)
	after, err := w.seen(ctx, p.Channel)
	if err != nil {
		return p, err
	}
	n := d.sent.Load() - warm
	if err := d.check(after); err != nil {
		return p, err
	}
	say("%s: %d pushes, %v of the sender's processor time each", p.Channel, n, (cpuTime(os.Getpid())-spent)/time.Duration(n))
	p.PerSecond, p.Bytes = float64(n)/took.Seconds(), float64(after.Bytes-before.Bytes)/float64(n)
	p.Allocs, p.AllocBytes = float64(to.Mallocs-from.Mallocs)/float64(n), float64(to.TotalAlloc-from.TotalAlloc)/float64(n)
	return p, nil
}

// pushDrive pushes to one device after the other.
type pushDrive struct {
	way
	subscribers []push.DeviceKey
	next, sent  atomic.Int64
}

// run pushes for a time.
func (d *pushDrive) run(ctx context.Context, length time.Duration) error {
	g, ctx := errgroup.WithContext(ctx)
	until := time.Now().Add(length)
	for range push.DefaultParallel {
		g.Go(func() error {
			for time.Now().Before(until) {
				n := d.next.Add(1) - 1
				if d.sender.Channel() == push.WebSocket && n >= frameRoom*int64(len(d.subscribers)) {
					return nil // they would be closed for talking too much
				}
				if err := d.push(ctx, int(n)%len(d.subscribers)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (d *pushDrive) push(ctx context.Context, device int) (err error) {
	m := push.Message{Kind: push.Show, Key: rand.Text(), TTL: requestTime, Generic: "push.request"}
	a := push.Address{Channel: d.sender.Channel(), Target: push.Target(d.target(device)), Key: d.subscribers[device]}
	if d.sealed {
		if m.Sealed, err = ece.Seal(a.Key, []byte(notice), 0); err != nil {
			return err
		}
	}
	if err := d.sender.Send(ctx, a, m); err != nil {
		return err
	}
	d.sent.Add(1)
	return nil
}

// check says whether the service saw what was sent, and could read it.
func (d *pushDrive) check(t tally) error {
	want := int64(0)
	if d.sealed {
		want = t.Pushes / opensEvery
	}
	if t.Refused != 0 || t.Pushes != d.sent.Load() || t.Opened != want {
		return fmt.Errorf("%d were sent; the service took %d, refused %d, and its devices read %d of %d",
			d.sent.Load(), t.Pushes, t.Refused, t.Opened, want)
	}
	return nil
}

// seen is what a service has seen so far.
func (w world) seen(ctx context.Context, channel push.Channel) (tally, error) {
	var all map[push.Channel]tally
	body, err := w.ask(ctx, http.MethodGet, "/", "")
	if err == nil {
		err = json.Unmarshal(body, &all)
	}
	return all[channel], err
}

// crowd has the phones connect to a hub.
func (w world) crowd(ctx context.Context, hub string) error {
	_, err := w.ask(ctx, http.MethodPost, "/crowd", hub)
	return err
}

func (w world) ask(ctx context.Context, method, path, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.Control+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the push services: %w", err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("ask the push services: %s: %s", resp.Status, out)
	}
	return out, err
}
