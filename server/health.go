package server

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

// Check is one thing that must be well for this node to be sent work.
type Check struct {
	Name string
	Do   func(ctx context.Context) error
}

// Health says whether this node is alive and whether it is ready.
type Health struct {
	Checks []Check
	Alarms func() []string // what is wrong though this node is to be sent work; may be nil
	Log    *slog.Logger

	mu       sync.Mutex
	workers  map[string]*atomic.Bool
	stopping atomic.Bool
}

// worker returns the flag that says whether the worker called name runs.
func (h *Health) worker(name string) *atomic.Bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.workers == nil {
		h.workers = map[string]*atomic.Bool{}
	}
	if h.workers[name] == nil {
		h.workers[name] = new(atomic.Bool)
	}
	return h.workers[name]
}

// checkTimeout bounds all checks of one call together.
const checkTimeout = 2 * time.Second

// status maps each part to "ok" or "failed". Why a check failed goes to the log
// and not to whoever can reach this listener.
func (h *Health) status(ctx context.Context) (parts map[string]string, ready bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	parts, ready = map[string]string{}, true
	note := func(name string, ok bool) {
		parts[name] = "ok"
		if !ok {
			parts[name], ready = "failed", false
		}
	}
	for _, c := range h.Checks {
		err := c.Do(ctx)
		if err != nil {
			h.Log.WarnContext(ctx, "not ready", "check", c.Name, "err", err)
		}
		note(c.Name, err == nil)
	}
	h.mu.Lock()
	workers := maps.Clone(h.workers)
	h.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(workers)) {
		note(name, workers[name].Load())
	}
	if h.stopping.Load() {
		note("server", false) // so that a balancer sends no more
	}
	return parts, ready
}

// live answers whether the process can answer at all. It asks nothing of the
// database: restarting Mitome mends no database.
func (h *Health) live(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) }

// ready answers whether this node should be sent work.
func (h *Health) ready(c *gin.Context) {
	parts, ok := h.status(c.Request.Context())
	code, out := http.StatusOK, gin.H{"status": "ok", "parts": parts}
	if !ok {
		code, out["status"] = http.StatusServiceUnavailable, "failed"
	}
	if h.Alarms != nil {
		if alarms := h.Alarms(); len(alarms) > 0 {
			out["alarms"] = alarms
		}
	}
	c.JSON(code, out)
}
