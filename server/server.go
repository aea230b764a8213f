// Package server is the machine around the domain: it opens the listeners,
// starts the workers, and stops both in an order that loses nothing.
//
// # Why
//
// Devices, OPs, administrators and monitoring come in by listeners of their own.
// An offer to pair is an account in other hands, so what makes one must not hang
// on a path rule in somebody's proxy.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mitome-ciba/mitome/server/web"
)

// Worker is something that runs as long as the server does. Run returns nil when
// its context ends, after what it has in hand is finished.
type Worker struct {
	Name string
	Run  func(ctx context.Context) error
}

// Server is one node of Mitome. The database is its caller's, who opens it before
// Run and closes it after.
type Server struct {
	Listeners []Listener
	Workers   []Worker
	Health    *Health
	Log       *slog.Logger
	// Grace is how long calls in hand may take once the server is to stop.
	Grace time.Duration
}

// errEnded: a worker returned although nobody asked it to.
var errEnded = errors.New("server: worker ended by itself")

// Run serves until ctx ends, and returns nil then; or until a part fails, and
// returns why. It stops in this order: the listeners take nothing new, calls
// that only wait are told so (see [web.Stopping]) and those at work finish; then the workers finish the jobs in hand. A worker that fails
// takes the server down: a node that answers OPs and reports nothing is worse
// than none.
func (s *Server) Run(ctx context.Context) error {
	stopping := make(chan struct{})
	open, err := openAll(web.WithStop(context.WithoutCancel(ctx), stopping), s.Listeners, s.Log)
	if err != nil {
		return err
	}
	workCtx, stopWorkers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorkers()

	g, gctx := errgroup.WithContext(ctx)
	for _, w := range s.Workers {
		running := s.Health.worker(w.Name)
		g.Go(func() error { return runWorker(workCtx, w, running) })
	}
	for _, l := range open {
		g.Go(l.serve)
	}
	g.Go(func() error {
		<-gctx.Done()
		s.Health.stopping.Store(true)
		s.Log.Info("stopping")
		close(stopping)
		closeAll(open, s.Grace)
		stopWorkers()
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	s.Log.Info("stopped")
	return nil
}

// runWorker runs w and keeps running true for as long.
func runWorker(ctx context.Context, w Worker, running *atomic.Bool) error {
	running.Store(true)
	defer running.Store(false)
	err := w.Run(ctx)
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", w.Name, err)
	case ctx.Err() == nil:
		return fmt.Errorf("%s: %w", w.Name, errEnded)
	}
	return nil
}
