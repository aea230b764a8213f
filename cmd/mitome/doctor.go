package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
	"github.com/mitome-ciba/mitome/device/mds"
	"github.com/mitome-ciba/mitome/server/config"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/store"
)

type doctorCmd struct {
	BeforeStart bool `help:"Mitome is not to run yet: leave out what only a running server can answer, and see whether its addresses are free."`
}

// Run looks at everything and lists what it finds; it fails if there is a fault.
func (d doctorCmd) Run(a *app) error {
	r := &doctor.Report{}
	if !a.json {
		r.Saw = func(f doctor.Finding) { f.Write(a.out) }
	}
	x := &examination{app: a, report: r, started: !d.BeforeStart,
		call: doctor.Caller{Client: everywhere.Client(doctor.Timeout), Now: time.Now}}
	x.all()
	faults, warnings := r.Count(doctor.Fault), r.Count(doctor.Warning)
	out := map[string]any{"ok": faults == 0, "faults": faults, "warnings": warnings, "findings": r.Findings}
	if err := a.show(out, func() { fmt.Fprintf(a.out, "\n%d fault(s), %d warning(s).\n", faults, warnings) }); err != nil {
		return err
	}
	if faults > 0 {
		return errSaid
	}
	return nil
}

// examination is one run of the doctor.
type examination struct {
	app     *app
	report  *doctor.Report
	call    doctor.Caller
	started bool // the server ought to run

	config config.Config
	faults config.Faults // of the configuration; what hangs on those settings is left out
	ring   *seal.Ring    // nil if there is none to be had
	ids    []string      // of all its keys
	models *mds.File     // nil if there is no metadata to be had
}

// all goes on wherever something is wrong: an operator who mends one thing a run
// is up all night.
func (x *examination) all() {
	if !x.configuration() {
		return
	}
	c := x.config
	if !x.faulty("data_dir") {
		doctor.CheckFolder(x.report, c.DataDir, c.Database.Alone())
	}
	x.keys()
	x.secretFiles()
	if !x.faulty(attestationCheck) {
		x.attestation()
	}
	if !x.faulty("database") {
		x.database()
	}
	if !x.faulty("listen") && !x.faulty("tls") {
		x.listeners()
	}
	if !x.faulty("public_url") && !x.faulty("rp_id") {
		x.public()
	}
	x.pushApps()
	for i, o := range c.OPs {
		at := fmt.Sprintf("ops[%d]", i)
		if look := examiners[o.Kind]; look != nil && !x.faulty(at) {
			look(x, i)
		}
		if !x.faulty(at) {
			x.contract(o)
		}
		if o.SignIn.Set() && !x.faulty(at) {
			x.signIn(o)
		}
	}
}

// configuration reports whether there is one to go by.
func (x *examination) configuration() bool {
	const check = "configuration"
	c, err := x.app.load()
	x.config = c
	var faults configFaults
	switch {
	case err == nil:
		x.report.OK(check, "It can be read and names %d connection(s).", len(c.OPs))
	case errors.As(err, &faults):
		x.faults = faults.Faults
		for _, f := range faults.Faults {
			x.report.Fault(check, "%s: %s", f.Path, f.Text)
		}
	case errors.Is(err, fs.ErrPermission):
		x.report.Fault(check, "%s Run doctor as the user that runs mitome serve.", sentence(err))
		return false
	default:
		x.report.Fault(check, "%s See --config, MITOME_CONFIG and %s.", sentence(err), config.DefaultPath)
		return false
	}
	return true
}

// faulty reports whether the settings below a key have a fault.
func (x *examination) faulty(key string) bool {
	for _, f := range x.faults {
		rest, ok := strings.CutPrefix(f.Path, key)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// keys reads the key file.
func (x *examination) keys() {
	const check = "keys"
	path := x.config.KeysFile
	f, err := keyFile(path, x.config.KeysWrapFile)
	if err != nil {
		x.report.Fault(check, "The key under which %s is encrypted cannot be used: %s Mind keys_wrap_file, and who may read it.", path, sentence(err))
		return
	}
	r, err := f.Load()
	switch {
	case err == nil:
		x.ring = r
		for _, k := range r.Keys() {
			x.ids = append(x.ids, k.ID)
		}
		x.report.OK(check, "%s can be read, by its owner alone.", path)
		if _, ok := r.WebPushKey(); !ok && x.config.Push.WebPush.On() {
			x.report.Warn(check, "%s has no key of Web Push, so browsers hear of requests only while a page is open; run mitome keys init, which adds it, and give the file to every node.", path)
		}
	case errors.Is(err, fs.ErrNotExist):
		x.report.Fault(check, "There is no key file at %s; run mitome keys init, or, if there was one, restore its copy: the database cannot be read without it.", path)
	case errors.Is(err, fs.ErrPermission):
		x.report.Fault(check, "This user may not read %s; run doctor as the user that runs mitome serve, and give the file to that one (chown).", path)
	case errors.Is(err, seal.ErrKeyFileMode):
		x.report.Fault(check, "Others than its owner may read %s, and Mitome does not start with it; chmod 600 it.", path)
	case errors.Is(err, seal.ErrKeyWrap):
		x.report.Fault(check, "%s Mind keys_wrap_file, or run mitome keys wrap.", sentence(err))
	default:
		x.report.Fault(check, "%s Restore the copy of it.", sentence(err))
	}
}

// literal matches what a configuration file holds if a secret stands in it.
var literal = regexp.MustCompile(`(?m)^[^#\n]*((client_secret|request_secret)"?:\s*\S|whsec_|postgres(ql)?://[^@/\s]*:[^@/\s]+@)`)

// secretFiles looks who may read what holds secrets.
func (x *examination) secretFiles() {
	path := x.app.config
	if path == "" {
		path = config.DefaultPath
	}
	if b, err := os.ReadFile(path); err == nil && literal.Match(b) {
		doctor.CheckSecretFile(x.report, "configuration", path)
	}
	if path := os.Getenv("MITOME_DATABASE__URL_FILE"); path != "" && !x.faulty("MITOME_DATABASE__URL_FILE") {
		doctor.CheckSecretFile(x.report, "database", path)
	}
	for _, o := range x.config.OPs {
		if path := o.SignIn.ClientSecretFile; path != "" {
			doctor.CheckSecretFile(x.report, "sign-in "+o.Name, path)
		}
	}
}

func (x *examination) database() {
	ring := x.ring
	if ring == nil {
		ring = seal.New() // nothing is opened or sealed with it
	}
	doctor.Database{
		URL: string(x.config.Database.URL), Manual: x.config.Database.ManualMigration, KeyIDs: x.ids, Now: time.Now,
		Further: x.distrusted,
		Open: func(ctx context.Context) (doctor.DB, error) {
			db, err := store.Open(ctx, string(x.config.Database.URL), store.Options{Ring: ring, Now: time.Now})
			if err != nil {
				return nil, err
			}
			return examined{db}, nil
		},
	}.Check(x.app.ctx, x.report)
}

// examined is the store in the words of the doctor.
type examined struct{ *store.DB }

// Facts implements doctor.DB.
func (d examined) Facts(ctx context.Context) (doctor.Facts, error) {
	f, err := d.Examine(ctx)
	return doctor.Facts{
		Server: f.Server, Empty: f.Empty, Current: f.Current, Want: f.Want,
		ReadOnly: f.ReadOnly, MayMake: f.MayMake, Clock: f.Clock,
	}, err
}

func (x *examination) listeners() {
	var all []doctor.Listener
	for _, l := range x.config.Listeners() {
		all = append(all, doctor.Listener{Name: l.Name, Address: l.Address, CertFile: l.TLS.CertFile})
	}
	doctor.CheckServing(x.app.ctx, x.report, all, x.started)
	for _, l := range all {
		host := ""
		if u, err := url.Parse(x.config.PublicURL); err == nil && l.Name == "devices" {
			host = u.Hostname()
		}
		l.CheckCertificate(x.report, host, time.Now())
	}
}

func (x *examination) public() {
	c := x.config
	p := doctor.Public{
		URL: c.PublicURL, RPID: c.RPID, Listen: c.Listen.Devices, TLS: c.TLS.Devices.Set(), Proxies: len(c.TrustedProxies), KeyIDs: x.ids,
	}
	p.CheckNames(x.report)
	if x.started {
		p.Check(x.app.ctx, x.report, x.call)
		doctor.CheckLinks(x.app.ctx, x.report, x.call, linkURLs(c))
	}
}
