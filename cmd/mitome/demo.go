package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/fapi"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/shop"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/config"
	"github.com/mitome-ciba/mitome/server/seal"
)

type demoCmd struct {
	Listen string `help:"Address and port on this machine; ${demo} unless --auto is given, which takes any that is free." placeholder:"HOST:PORT"`
	Auto   bool   `help:"Play every mode with a phone in software, print what passes, and exit 0 if all went well." xor:"play"`

	FAPICIBA   bool   `name:"fapi-ciba" help:"Run the OP as FAPI-CIBA wants it, for a conformance suite, with a phone in software that answers by a URL." xor:"play"`
	FAPIListen string `name:"fapi-listen" help:"Where that OP listens, on this machine." placeholder:"HOST:PORT" default:"127.0.0.1:9443"`
	FAPIMTLS   string `name:"fapi-mtls" help:"Where it listens once more and asks for certificates." placeholder:"HOST:PORT" default:"127.0.0.1:9444"`
}

// Run shows CIBA from end to end: a shop, an OP and this program's own server,
// with keys and a database that are gone when it ends.
func (c demoCmd) Run(a *app) (err error) {
	address := c.Listen
	switch {
	case address == "" && c.Auto:
		address = "127.0.0.1:0"
	case address == "":
		address = demo.Address
	}
	place, err := demo.Listen(address)
	if err != nil {
		return err
	}
	defer place.Listener.Close()
	folder, err := os.MkdirTemp("", "mitome-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	log := newLog(a.err, config.LogConfig{Level: "warn", Format: "text"})
	mitome := demo.Mitome{Key: keyPrefix + rand.Text() + rand.Text(), Secret: newSecret()}
	conf, err := demoConfig(folder, place, mitome, c.rules())
	if err != nil {
		return err
	}
	n, err := demoNode(a.ctx, conf, log, &mitome)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.db.Close()) }() // before the folder goes
	if c.FAPICIBA {
		return c.fapi(a, &fapi.Demo{Place: place, Mitome: mitome, Folder: folder, Out: a.out, Log: log})
	}
	d := &demo.Demo{Place: place, Mitome: mitome, Folder: folder, Auto: c.Auto, Out: a.out, Log: log}
	return d.Run(a.ctx)
}

// demoNode is a node as serve has it, but for its listeners: what answers there is
// given to the demo, which has one for all.
func demoNode(ctx context.Context, c config.Config, log *slog.Logger, out *demo.Mitome) (n *node, err error) {
	keys := seal.New() // never written anywhere
	db, err := openStore(ctx, c, keys)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	if err = db.Migrate(ctx); err != nil {
		return nil, err
	}
	if n, err = newNode(c, log, db, keys); err != nil {
		return nil, err
	}
	user, err := n.people.AddUser(ctx, device.User{OP: demo.Connection, Subject: demo.Subject, Name: "Alice"}, demoDesk)
	if err != nil {
		return nil, err
	}
	s, err := n.server()
	if err != nil {
		return nil, err
	}
	routers := map[string]http.Handler{}
	for _, l := range s.Listeners {
		routers[l.Name] = l.Handler
	}
	s.Listeners = nil
	out.Handler, out.Run = devicesAndOPs(routers["devices"], routers["ops"]), s.Run
	out.Desk = desk{n.people, user.ID, c.PublicURL}
	return n, nil
}

// devicesAndOPs are two listeners' routers on one name. Only the demo does this.
func devicesAndOPs(devices, ops http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/op/") {
			ops.ServeHTTP(w, r)
			return
		}
		devices.ServeHTTP(w, r)
	})
}

// demoConfig is written as an operator would, so that it is read, completed and
// checked as an operator's is. The environment has no say in it. Whoever tries
// things out asks often, lets requests pass and says that she did not start them,
// and a passkey in software signs at once: none of that may keep the demo from
// going on.
func demoConfig(folder string, place demo.Place, m demo.Mitome, rules string) (config.Config, error) {
	sum := sha256.Sum256([]byte(m.Key))
	text := fmt.Sprintf(`public_url: %q
data_dir: %q
listen: {metrics: "off"}
ops:
  - name: %s
    kind: webhook
    title: Demo OP
    scopes:
      openid: { en: Know who you are, ja: あなたが誰であるかの確認 }
    limits: { off: true }
    signals: { freeze: 15s }
    keys: [{ name: demo, sha256: %q }]
    webhook: { url: %q, secrets: [%q], allow_private: ["127.0.0.0/8", "::1/128"] }
%s`, place.Mitome(), filepath.Join(folder, "data"), demo.Connection, hex.EncodeToString(sum[:]), place.OP()+"/webhook", m.Secret, rules)
	path := filepath.Join(folder, "mitome.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return config.Config{}, err
	}
	return config.Load(path, nil)
}

// demoDesk is who pairs phones in a demo.
var demoDesk = device.Actor{Kind: device.ActorAdmin, ID: "demo"}

// desk pairs phones with the demo's one user, as an administrator does.
type desk struct {
	people    *device.Service
	user      device.UserID
	publicURL string
}

// Offer implements shop.Desk.
func (d desk) Offer(ctx context.Context) (shop.Offer, error) {
	o, err := d.people.Offer(ctx, d.user, demoDesk)
	if err != nil {
		return shop.Offer{}, err
	}
	return shop.Offer{ID: string(o.Enrollment.ID), Link: d.publicURL + "/pair#" + string(o.Secret)}, nil
}

// Pairing implements shop.Desk.
func (d desk) Pairing(ctx context.Context, id string) (shop.Pairing, error) {
	e, err := d.people.Enrollment(ctx, device.EnrollmentID(id))
	return shop.Pairing{State: string(e.State), MatchCode: e.MatchCode, DeviceName: e.DeviceName}, err
}

// Confirm implements shop.Desk.
func (d desk) Confirm(ctx context.Context, id string) error {
	e, err := d.people.Enrollment(ctx, device.EnrollmentID(id))
	if err != nil {
		return err
	}
	_, err = d.people.Confirm(ctx, e.ID, e.MatchCode, demoDesk)
	return err
}

// Paired implements shop.Desk.
func (d desk) Paired(ctx context.Context) (bool, error) {
	devices, err := d.people.DevicesOf(ctx, d.user)
	for _, one := range devices {
		if one.State == device.Active {
			return true, err
		}
	}
	return false, err
}
