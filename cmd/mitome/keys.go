package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/mitome-ciba/mitome/server/config"
	"github.com/mitome-ciba/mitome/server/seal"
)

type keysCmd struct {
	Init   keysInit   `cmd:"" help:"Make the key file, or add what one of an older version has not. Keep a copy apart from the database's: each is worthless without the other."`
	List   keysList   `cmd:"" help:"List the keys: what for, which is current, how much still needs an old one."`
	Rotate keysRotate `cmd:"" help:"Make new current keys; the old ones stay for what they made."`
	Reseal keysReseal `cmd:"" help:"Seal everything anew under the current key, so that old keys can be dropped."`
	Drop   keysDrop   `cmd:"" help:"Forget an old key for ever. Refused while something needs it."`
	Wrap   keysWrap   `cmd:"" help:"Write the key file anew as keys_wrap_file says: encrypted under the key there, or plain without one."`
	Public keysPublic `cmd:"" help:"Print the public keys of evidence (JWKS), as the server publishes them."`
	VAPID  keysVAPID  `cmd:"" name:"vapid" help:"The key of Web Push."`
}

type (
	keysInit   struct{}
	keysList   struct{}
	keysRotate struct{}
	keysReseal struct{}
	keysPublic struct{}
)

// keyFile is where the keys are. Another holder of wrapping keys, such as a key
// management service, is chosen here.
func keyFile(path, wrap string) (seal.KeyFile, error) {
	f := seal.KeyFile{Path: path}
	if wrap == "" {
		return f, nil
	}
	w, err := seal.OpenFileWrapper(wrap)
	if err != nil {
		return f, err
	}
	f.Wrapper = w
	return f, nil
}

// saveKeys writes the keys where they are.
func saveKeys(c config.Config, r *seal.Ring) error {
	f, err := keyFile(c.KeysFile, c.KeysWrapFile)
	if err != nil {
		return err
	}
	return f.Save(r)
}

// ring loads the keys, and says what to do if there are none yet.
func ring(c config.Config) (*seal.Ring, error) {
	f, err := keyFile(c.KeysFile, c.KeysWrapFile)
	if err != nil {
		return nil, err
	}
	r, err := f.Load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no key file at %s yet; run mitome keys init", c.KeysFile)
	}
	return r, err
}

// Run makes the key file. One that is there is never overwritten, but gets the
// keys that it lacks because an older version made it.
func (keysInit) Run(a *app) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(c.KeysFile); err == nil {
		return completeKeys(a, c)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.KeysFile), 0o700); err != nil {
		return err
	}
	if err := saveKeys(c, seal.New()); err != nil {
		return err
	}
	a.say("Wrote %s. Keep a copy in a safe place, apart from backups of the database.", c.KeysFile)
	return nil
}

// completeKeys adds to the key file what it lacks.
func completeKeys(a *app, c config.Config) error {
	r, err := ring(c)
	if err != nil {
		return err
	}
	if !r.Complete() {
		return fmt.Errorf("%s exists already; a new file would make the database unreadable", c.KeysFile)
	}
	if err := saveKeys(c, r); err != nil {
		return err
	}
	a.say("Added the key of Web Push to %s; the other keys are as they were. Give the file to every node and restart them, and keep a copy.", c.KeysFile)
	return noteKeys(a, c, r, map[string]string{"act": "completed"})
}

type keysWrap struct {
	From string `placeholder:"FILE" help:"The wrapping key that the file is encrypted under now; without it the file is plain."`
}

// Run reads the key file as it is and writes it as it is to be. The keys in it
// stay the same, so no node needs to restart for it.
func (k keysWrap) Run(a *app) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	now, err := keyFile(c.KeysFile, k.From)
	if err != nil {
		return err
	}
	r, err := now.Load()
	if err != nil {
		return err
	}
	if err := saveKeys(c, r); err != nil {
		return err
	}
	if c.KeysWrapFile == "" {
		a.say("%s is plain now.", c.KeysFile)
		return noteKeys(a, c, r, map[string]string{"act": "unwrapped"})
	}
	a.say("%s is encrypted under the key in %s. Keep copies of both, apart; plain copies of the first are as good as it was.", c.KeysFile, c.KeysWrapFile)
	return noteKeys(a, c, r, map[string]string{"act": "wrapped"})
}

// keyLine is one key, for operators.
type keyLine struct {
	ID      string     `json:"id"`
	Purpose string     `json:"purpose"`
	Current bool       `json:"current"`
	Created *time.Time `json:"created,omitempty"`
	Public  string     `json:"public,omitempty"`
}

// Run lists the keys.
func (keysList) Run(a *app) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	r, err := ring(c)
	if err != nil {
		return err
	}
	var lines []keyLine
	var rows [][]string
	for _, k := range r.Keys() {
		line, state := keyLine{ID: k.ID, Purpose: k.Purpose, Current: k.Current, Public: k.Public}, "old"
		if !k.Created.IsZero() {
			line.Created = &k.Created
		}
		if k.Current {
			state = "current"
		}
		lines = append(lines, line)
		rows = append(rows, []string{k.ID, k.Purpose, state, when(k.Created), k.Public})
	}
	return a.show(lines, func() { a.table([]string{"ID", "PURPOSE", "STATE", "CREATED", "PUBLIC"}, rows) })
}

// Run makes new current keys in the file. Running nodes keep the old ones until
// they start again, and both can read what the other wrote only once all have.
func (keysRotate) Run(a *app) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	r, err := ring(c)
	if err != nil {
		return err
	}
	r.Rotate()
	if err := saveKeys(c, r); err != nil {
		return err
	}
	a.say("New keys are current in %s. Give the file to every node and restart them, then run mitome keys reseal.", c.KeysFile)
	return noteKeys(a, c, r, map[string]string{"act": "rotated"})
}

// Run seals what is sealed under older keys anew.
func (keysReseal) Run(a *app) error {
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
	n, err := db.Reseal(a.ctx)
	if err != nil {
		return err
	}
	if err := noteKeysIn(a, db, map[string]string{"act": "resealed", "values": strconv.Itoa(n)}); err != nil {
		return err
	}
	return a.show(map[string]int{"resealed": n}, func() { fmt.Fprintf(a.out, "Sealed %d value(s) under the current key.\n", n) })
}

type keysVAPID struct {
	Replace keysVAPIDReplace `cmd:"" help:"Make a new key of Web Push, because the old one is in other hands. Each browser is notified again once it has opened Mitome."`
}

type keysVAPIDReplace struct{}

// Run puts a new key of Web Push into the file. The old one is forgotten: whoever
// has it can make every browser that is bound to it show something.
func (keysVAPIDReplace) Run(a *app) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	r, err := ring(c)
	if err != nil {
		return err
	}
	r.ReplaceWebPush(time.Now())
	if err := saveKeys(c, r); err != nil {
		return err
	}
	a.say("Web Push has a new key in %s. Give the file to every node and restart them now. Each browser is notified again once it has opened Mitome.", c.KeysFile)
	return noteKeys(a, c, r, map[string]string{"act": "web_push_replaced"})
}

type keysDrop struct {
	Key   string `arg:"" help:"Id of the key, from mitome keys list."`
	Force bool   `help:"Drop a key that signed evidence: evidence that it signed can no longer be verified by the published keys."`
}

// Run forgets a key, unless something would be lost with it.
func (k keysDrop) Run(a *app) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	r, err := ring(c)
	if err != nil {
		return err
	}
	if err := k.unneeded(a, c, r); err != nil {
		return err
	}
	if err := r.Drop(k.Key); err != nil {
		return err
	}
	if err := saveKeys(c, r); err != nil {
		return err
	}
	a.say("Key %s is forgotten.", k.Key)
	return noteKeys(a, c, r, map[string]string{"act": "dropped", "key": k.Key})
}

// unneeded returns an error if the database or old evidence needs the key.
func (k keysDrop) unneeded(a *app, c config.Config, r *seal.Ring) error {
	for _, info := range r.Keys() {
		if info.ID == k.Key && info.Purpose == "sign" && !info.Current && !k.Force {
			return errors.New("evidence that this key signed could no longer be verified; add --force if that is meant")
		}
	}
	db, err := openStore(a.ctx, c, r)
	if err != nil {
		return err
	}
	defer db.Close()
	need, err := db.SealedWith(a.ctx)
	if err != nil {
		return err
	}
	if n := need[k.Key]; n > 0 {
		return fmt.Errorf("%d value(s) in the database need this key; run mitome keys reseal first", n)
	}
	return nil
}

// Run prints the published keys.
func (keysPublic) Run(a *app) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	r, err := ring(c)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	return enc.Encode(r.PublicKeys())
}
