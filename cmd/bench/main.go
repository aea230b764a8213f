// Command bench measures Mitome: whole flows a second, what the machine could do
// at best, and how long an OP and a phone wait. `make bench` runs it.
//
// It starts the binary that operators run, with the configuration that they
// have, and plays the world around it from a process of its own: the OP that
// asks by our own API and takes the decision by webhook, and the phones, each
// with its socket, its proof key and its passkey.
//
// # Why
//
// A figure that is not the product's would be of no use, so nothing is faked
// inside: HTTP over loopback, every proof and every assertion signed and
// verified, every commit on the disk. Each flow is checked to its end, and one
// that fails ends the run without figures.
//
// Senders are also measured by themselves, at push services that this program
// plays in another process: the real ones are on the other side of the internet,
// and a figure of theirs would say nothing of Mitome.
//
// The load and what it is put on share the machine's cores, as they share the
// disk. A figure here is therefore less than the same machine gives to callers
// that stand elsewhere, and never more.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is one of the processes: the one that was called, or one that it has made
// for a part of the work, which gets its task on standard input and answers with
// JSON.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 1 {
		switch args[0] {
		case "load":
			return answer(out, func(t task) (load, error) { return t.run(ctx) })
		case "compare":
			return answer(out, func(c contest) (compared, error) { return c.run(ctx) })
		case "bound":
			return answer(out, func(t boundTask) (float64, error) { return t.run(ctx) })
		case "pair":
			return answer(out, func(t task) (int, error) { return t.onlyPair(ctx) })
		case "idle":
			return answer(out, func(t task) (idle, error) { return t.idle(ctx) })
		case "push":
			return answer(out, func(t pushTask) ([]pushed, error) { return t.run(ctx) })
		case "services":
			return runServices(ctx, os.Stdin, out)
		}
	}
	var b bench
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&b.mitome, "mitome", "bin/mitome", "the program to measure")
	flags.StringVar(&b.postgres, "postgres", "", "URL of a PostgreSQL that syncs what it commits; its database must be empty")
	flags.StringVar(&b.without, "without", "", "another program, to be measured without limits in place of the same one")
	flags.StringVar(&b.only, "only", "", "sqlite, postgres, limits, sealing, sockets or push: measure that one alone")
	flags.DurationVar(&b.length, "length", defaultLength, "how long each measurement takes")
	flags.IntVar(&b.phones, "phones", defaultPhones, "how many phones there are")
	flags.IntVar(&b.busy, "busy", defaultBusy, "how many flows are under way at once when as many as possible are asked for")
	flags.IntVar(&b.sockets, "sockets", defaultSockets, "how many sockets are idle when their cost is measured")
	flags.IntVar(&b.rate, "rate", defaultRate, "flows a second when latencies are measured")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b.out = out
	return b.run(ctx)
}

// answer reads a task, carries it out and writes what came of it.
func answer[In, Out any](out io.Writer, do func(In) (Out, error)) error {
	var in In
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return fmt.Errorf("read task: %w", err)
	}
	result, err := do(in)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}
