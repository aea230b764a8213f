package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"
)

// What the flags stand for if they are not given.
const (
	defaultLength = 20 * time.Second
	defaultPhones = 1200
	defaultBusy   = 128
	defaultRate   = 500

	defaultSockets = 10_000
)

// socketsPart is measured after the engines.
const socketsPart = "sockets"

// starts is how often the program is started to see how long that takes.
const starts = 5

// bench is one run.
type bench struct {
	mitome   string // the program
	without  string // the program that limits are compared with; empty: the same
	postgres string // URL; empty: SQLite alone
	only     string
	length   time.Duration
	phones   int
	busy     int
	rate     int
	sockets  int
	out      io.Writer
}

// run measures each engine and prints one figure a line.
func (b *bench) run(ctx context.Context) error {
	if b.only == "" || b.only == socketsPart {
		if err := b.maySockets(); err != nil { // rather than minutes later
			return err
		}
	}
	dir, err := os.MkdirTemp("", "mitome-bench.") // a disk: in memory nothing would be synced
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	for _, e := range []struct {
		name    string
		measure func(context.Context, string) error
	}{
		{sqliteEngine, b.sqlite}, {postgresEngine, b.onPostgres}, {limitsPart, b.limitsOfAll}, {sealingPart, b.sealing}, {pushPart, b.senders}, {socketsPart, b.idleSockets},
	} {
		if b.only != "" && b.only != e.name {
			continue
		}
		if err := e.measure(ctx, dir); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return nil
}

// sqlite measures all there is: SQLite is what Mitome comes with.
func (b *bench) sqlite(ctx context.Context, dir string) error {
	n, err := newNode(b.mitome, dir, sqliteEngine, "")
	if err != nil {
		return err
	}
	start, rss, err := b.rest(ctx, n)
	if err != nil {
		return err
	}
	l, err := b.load(ctx, n)
	if err != nil {
		return err
	}
	bound, err := b.bound(ctx, boundTask{Engine: sqliteEngine, Dir: dir})
	if err != nil {
		return err
	}
	b.print("flows_per_second_sqlite", l.PerSecond, "1/s")
	b.print("bound_per_second_sqlite", bound, "1/s")
	b.print("op_post_p50_ms", millis(l.Post.P50), "ms")
	b.print("op_post_p99_ms", millis(l.Post.P99), "ms")
	b.print("frame_p50_ms", millis(l.Frame.P50), "ms")
	b.print("frame_p99_ms", millis(l.Frame.P99), "ms")
	b.print("rss_idle_mb", rss, "MiB")
	b.print("start_ms", millis(start), "ms")
	return nil
}

// onPostgres measures what the engine makes a difference to.
func (b *bench) onPostgres(ctx context.Context, dir string) error {
	if b.postgres == "" {
		return errors.New("no -postgres")
	}
	if err := durable(ctx, b.postgres); err != nil {
		return err
	}
	n, err := newNode(b.mitome, dir, postgresEngine, b.postgres)
	if err != nil {
		return err
	}
	if _, err := n.start(ctx); err != nil {
		return err
	}
	l, err := b.load(ctx, n)
	if err != nil {
		return err
	}
	bound, err := b.bound(ctx, boundTask{Engine: postgresEngine, URL: b.postgres})
	if err != nil {
		return err
	}
	b.print("flows_per_second_postgres", l.PerSecond, "1/s")
	b.print("bound_per_second_postgres", bound, "1/s")
	return nil
}

// rest starts the node a few times, for the median, and looks at its memory
// while it has nothing to do. It leaves it running.
func (b *bench) rest(ctx context.Context, n *node) (start time.Duration, rssMiB float64, err error) {
	if _, err := n.start(ctx); err != nil { // makes the database, which happens once
		return 0, 0, err
	}
	var took []time.Duration
	for range starts {
		if err := n.stop(); err != nil {
			return 0, 0, err
		}
		d, err := n.start(ctx)
		if err != nil {
			return 0, 0, err
		}
		took = append(took, d)
	}
	slices.Sort(took)
	select { // what starting has left behind is gone by then
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
		return 0, 0, errors.Join(ctx.Err(), n.stop())
	}
	rssMiB, err = rss(n.cmd.Process.Pid)
	return took[len(took)/2], rssMiB, err
}

// load has another process put load on n, and stops n after it.
func (b *bench) load(ctx context.Context, n *node) (load, error) {
	l, err := child[load](ctx, "load", b.task(n))
	if err != nil {
		return l, errors.Join(err, n.stop(), n.tail())
	}
	return l, n.stop()
}

// task is what a process is told to do with n, which runs.
func (b *bench) task(n *node) task {
	return task{
		Public: n.public, Devices: n.devices, OPs: n.ops, Metrics: n.metrics, Admin: n.admin, OP: opName, APIKey: n.apiKey,
		Webhook: n.webhook, Secret: n.secret, Keys: n.phones(), Phones: b.phones, Busy: b.busy, Rate: b.rate, Length: b.length,
		PID: n.cmd.Process.Pid,
	}
}

// bound measures, with Mitome gone, what is the most that the machine could do.
func (b *bench) bound(ctx context.Context, t boundTask) (float64, error) {
	say("measuring the bound")
	t.Length, t.Conns = b.length/4, together
	if t.Engine == postgresEngine { // SQLite has one writer however many wait
		many, err := child[float64](ctx, "bound", t)
		if err != nil {
			return 0, err
		}
		say("on %d connections, whose commits PostgreSQL groups: %.0f/s", together, many)
	}
	t.Conns = 1
	return child[float64](ctx, "bound", t)
}

// child runs this program again as the process that what names.
func child[Out, In any](ctx context.Context, what string, in In) (out Out, err error) {
	self, err := os.Executable()
	if err != nil {
		return out, fmt.Errorf("find own program: %w", err)
	}
	body, err := json.Marshal(in)
	if err != nil {
		return out, fmt.Errorf("encode task: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, what)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(body), os.Stderr
	said, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s: %w", what, err)
	}
	if err := json.Unmarshal(said, &out); err != nil {
		return out, fmt.Errorf("read what %s said: %w", what, err)
	}
	return out, nil
}

// print writes one figure, in the form that other programs read.
func (b *bench) print(name string, value float64, unit string) {
	fmt.Fprintf(b.out, "%s: %.2f %s\n", name, value, unit)
}

// say tells a person how far it is.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
