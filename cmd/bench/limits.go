package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"time"
)

// The limits of a connection. All are kept in the one: a client that asks for
// more users a minute than the default lets it is told so by its configuration,
// and phones in software sign sooner than a person.
const (
	highLimits = "{client_per_minute: 10000000, op_per_minute: 10000000, breaker_users: 10000000, fastest_approval: 0s}"
	noLimits   = "{off: true}"
)

const (
	// rounds is how often each of the two is measured.
	rounds = 16
	// roundWarmUp is for what the round before has left behind.
	roundWarmUp = 500 * time.Millisecond
)

// contest is two nodes that are measured in turns: a machine that is slower for
// some seconds is then slower for both. Each has the same number of users, and
// differs in nothing but its limits.
type contest struct {
	Limited, Free task
	Rounds        int
	Length        time.Duration // of one round
}

// compared is what came of it: flows a second, and what part of them the limits
// cost. All are medians.
type compared struct{ Limited, Free, Cost float64 }

// limitsPart is measured after the engines, on each.
const limitsPart = "limits"

// limitsOfAll measures what limits cost on every engine that there is.
func (b *bench) limitsOfAll(ctx context.Context, dir string) error {
	if err := b.limitsCost(ctx, dir, sqliteEngine, ""); err != nil {
		return err
	}
	if b.postgres == "" {
		return nil
	}
	if err := durable(ctx, b.postgres); err != nil {
		return err
	}
	one, err := beside(ctx, b.postgres, "mitome_bench_limited")
	if err != nil {
		return err
	}
	return b.limitsCost(ctx, dir, postgresEngine, one)
}

// limitsCost measures on one engine what limits cost, and prints it.
func (b *bench) limitsCost(ctx context.Context, dir, engine, database string) error {
	say("with limits and without, in turns")
	program := b.without
	if program == "" {
		program = b.mitome
	}
	limited, err := b.startLimited(ctx, b.mitome, filepath.Join(dir, engine+"-limited"), database, highLimits)
	if err != nil {
		return err
	}
	defer limited.stop() //nolint:errcheck // it is done with
	other, err := beside(ctx, database, "mitome_bench_free")
	if err != nil {
		return err
	}
	free, err := b.startLimited(ctx, program, filepath.Join(dir, engine+"-free"), other, noLimits)
	if err != nil {
		return err
	}
	defer free.stop() //nolint:errcheck // it is done with
	c, err := child[compared](ctx, "compare", contest{b.task(limited), b.task(free), rounds, b.length / 10})
	if err != nil {
		return fmt.Errorf("%w\n%w\n%w", err, limited.tail(), free.tail())
	}
	b.print("flows_per_second_"+engine+"_limits", c.Limited, "1/s")
	b.print("flows_per_second_"+engine+"_no_limits", c.Free, "1/s")
	b.print("limits_cost_"+engine, 100*c.Cost, "%")
	return nil
}

// startLimited runs a program in a folder of its own, with these limits.
func (b *bench) startLimited(ctx context.Context, program, dir, database, limits string) (*node, error) {
	n, err := newLimited(program, dir, database, limits)
	if err != nil {
		return nil, err
	}
	_, err = n.start(ctx)
	return n, err
}

// beside makes another database on the same PostgreSQL. On SQLite each node has
// a file in its folder.
func beside(ctx context.Context, database, name string) (string, error) {
	if database == "" {
		return "", nil
	}
	u, err := url.Parse(database)
	if err != nil {
		return "", fmt.Errorf("read URL of database: %w", err)
	}
	db, err := sql.Open("pgx", database)
	if err != nil {
		return "", fmt.Errorf("open database: %w", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `CREATE DATABASE `+name); err != nil {
		return "", fmt.Errorf("create database: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

// run pairs the phones of both and then measures by turns: one, the other, the
// other, the one.
func (c contest) run(ctx context.Context) (out compared, err error) {
	limited, dismiss, err := c.Limited.crew(ctx)
	if err != nil {
		return out, err
	}
	defer dismiss()
	free, dismiss, err := c.Free.crew(ctx)
	if err != nil {
		return out, err
	}
	defer dismiss()
	var with, without, costs []float64
	for i := range c.Rounds {
		pair := [2]*drive{limited, free}
		if i%2 == 1 {
			pair[0], pair[1] = free, limited
		}
		var got [2]float64
		for j, d := range pair {
			if got[j], err = d.closed(ctx, c.Limited.Busy, roundWarmUp, c.Length); err != nil {
				return out, err
			}
		}
		if i%2 == 1 {
			got[0], got[1] = got[1], got[0]
		}
		say("round %d: %.0f flows/s with limits, %.0f without", i+1, got[0], got[1])
		with, without, costs = append(with, got[0]), append(without, got[1]), append(costs, 1-got[0]/got[1])
	}
	for _, d := range []*drive{limited, free} {
		if err := d.op.check(); err != nil {
			return out, err
		}
	}
	return compared{median(with), median(without), median(costs)}, nil
}

// median of an even number is the mean of the two in the middle.
func median(all []float64) float64 {
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}
