package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/server/config"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
)

type migrateCmd struct{}

// Run brings the schema up to date.
func (migrateCmd) Run(a *app) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	r, err := ring(c)
	if err != nil {
		return err
	}
	db, err := openStore(a.ctx, c, r)
	if err != nil {
		return err
	}
	defer db.Close()
	was, _, err := db.Version(a.ctx)
	if err != nil {
		return err
	}
	if err := db.Migrate(a.ctx); err != nil {
		return err
	}
	is, _, err := db.Version(a.ctx)
	if err != nil {
		return err
	}
	return a.show(map[string]int64{"from": was, "to": is}, func() {
		if was == is {
			fmt.Fprintf(a.out, "The schema is up to date, at version %d.\n", is)
			return
		}
		fmt.Fprintf(a.out, "The schema went from version %d to %d.\n", was, is)
	})
}

// openStore opens the database of c, and the folder for it if it is a file.
func openStore(ctx context.Context, c config.Config, r *seal.Ring) (*store.DB, error) {
	if path, ok := strings.CutPrefix(string(c.Database.URL), "sqlite:"); ok {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
	}
	return store.Open(ctx, string(c.Database.URL), store.Options{Ring: r, Now: time.Now})
}
