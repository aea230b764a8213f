package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/config"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
)

// noteKeys writes into the audit log what a command has just done to the key file,
// and who did. Where there is no database yet there is no log either.
func noteKeys(a *app, c config.Config, r *seal.Ring, detail map[string]string) (err error) {
	if path, ok := strings.CutPrefix(string(c.Database.URL), "sqlite:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("it is done, but the audit log does not know of it: %w", err)
		}
	}()
	db, err := openStore(a.ctx, c, r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return noteKeysIn(a, db, detail)
}

func noteKeysIn(a *app, db *store.DB, detail map[string]string) error {
	pending, err := db.Pending(a.ctx)
	if err != nil {
		return err
	}
	if pending {
		return errors.New("the database's schema is older than this program; run mitome migrate")
	}
	// As the admin API names who comes by its Unix socket.
	return db.NoteKeys(a.ctx, detail, device.Actor{Kind: device.ActorAdmin, ID: "uid:" + strconv.Itoa(os.Getuid())})
}
