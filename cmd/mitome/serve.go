package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"

	"github.com/mitome-ciba/mitome/server/config"
	"github.com/mitome-ciba/mitome/server/store"
)

type serveCmd struct{}

// Run serves until it is told to stop.
func (serveCmd) Run(a *app) (err error) {
	c, err := a.load()
	if err != nil {
		return err
	}
	keys, err := ring(c)
	if err != nil {
		return err
	}
	log := newLog(a.err, c.Log)
	slog.SetDefault(log)
	db, err := openStore(a.ctx, c, keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }() // last, after all that runs on it
	if err := readySchema(a.ctx, c, db); err != nil {
		return err
	}
	n, err := newNode(c, log, db, keys)
	if err != nil {
		return err
	}
	s, err := n.server()
	if err != nil {
		return err
	}
	log.Info("starting", "version", version(), "public_url", c.PublicURL, "ops", len(c.OPs))
	defer runtime.KeepAlive(ballast())
	return s.Run(a.ctx)
}

// readySchema migrates, unless the operator wants to do that by hand.
func readySchema(ctx context.Context, c config.Config, db *store.DB) error {
	if !c.Database.ManualMigration {
		return db.Migrate(ctx)
	}
	pending, err := db.Pending(ctx)
	if err == nil && pending {
		err = errors.New("the database's schema is older than this program; run mitome migrate")
	}
	return err
}

// newLog is the log as configured, on w.
func newLog(w io.Writer, c config.LogConfig) *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(c.Level)) != nil {
		level = slog.LevelInfo // the configuration was checked
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
