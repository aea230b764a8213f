// Package fapi is the demo's OP as FAPI-CIBA wants it, with the real Mitome behind
// it, for runs of a conformance suite: TLS, mutual TLS, clients that register
// themselves, signed requests, and a URL that has a phone in software answer.
//
// # Why
//
// FAPI-CIBA is a profile of OPs, and says nothing of what stands behind one. A
// run shows that a gateway there does not break it. The answer goes the whole
// way: the phone in software is shown the request by the device API, its passkey
// signs, and Mitome tells the OP. Nothing answers but when that URL is called, and
// nothing of this is reachable from `mitome serve`: a link that approves must not
// exist where it counts. It listens on loopback alone, as the other demo does.
package fapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/op"
	"github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
)

// Demo is one run. All fields are needed.
type Demo struct {
	Mitome demo.Mitome
	Place  demo.Place   // where Mitome is served, in plain HTTP
	OP     net.Listener // where the OP is
	MTLS   net.Listener // where it is once more, asking for certificates
	Folder string       // for certificates and keys; the caller's to remove
	Out    io.Writer
	Log    *slog.Logger

	op    *op.OP
	certs certificates
	turn  sync.Mutex // one answer of the phone at a time: its passkey counts
	phone *phone.Phone
}

// ACRs are what clients may ask for.
var ACRs = []string{"phr", "urn:mace:incommon:iap:silver", "urn:mace:incommon:iap:bronze"}

// grace is for calls in hand at the end.
const grace = 2 * time.Second

// Run serves until ctx ends.
func (d *Demo) Run(ctx context.Context) error {
	if err := d.open(); err != nil {
		return err
	}
	defer d.phone.Close()
	defer context.AfterFunc(ctx, d.phone.Close)() // none of its calls takes a context
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.Mitome.Run(ctx) })
	d.serve(ctx, g, d.Place.Listener, http.HandlerFunc(d.plain))
	d.serve(ctx, g, tls.NewListener(d.OP, d.certs.server(tls.NoClientCert)), http.HandlerFunc(d.secure))
	d.serve(ctx, g, tls.NewListener(d.MTLS, d.certs.server(tls.RequestClientCert)), d.op)
	g.Go(func() error { return d.present(ctx) })
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil // interrupted while it was starting
}

// open makes what must stand before the first call comes in.
func (d *Demo) open() (err error) {
	if d.certs, err = newCertificates(d.Folder); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	keys, err := softkey.Open(filepath.Join(d.Folder, "phone.json"))
	if err != nil {
		return err
	}
	if d.phone, err = phone.Open(keys, d.Place.Mitome()); err != nil {
		return err
	}
	d.op, err = op.New(op.Config{
		Issuer: url(d.OP), FAPI: &op.FAPI{MTLS: url(d.MTLS), ClientCAs: d.certs.pool},
		Users:  map[string]string{demo.User: demo.Subject},
		Mitome: op.Mitome{URL: d.Place.Mitome() + "/op/" + demo.Connection, Key: d.Mitome.Key, Secrets: []string{d.Mitome.Secret}},
		HTTP:   thisMachine(), Log: d.Log, ACRs: ACRs, Scopes: []string{"accounts"},
	})
	return err
}

// url is where a listener is reached.
func url(l net.Listener) string {
	return fmt.Sprintf("https://localhost:%d", l.Addr().(*net.TCPAddr).Port)
}

// serve runs one listener until ctx ends.
func (d *Demo) serve(ctx context.Context, g *errgroup.Group, l net.Listener, h http.Handler) {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(d.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if server.Shutdown(late) != nil {
			return server.Close()
		}
		return nil
	})
}

// plain is what is served without TLS: Mitome, and the OP's ear for it. Another
// name that leads here is answered by nobody, as in the other demo.
func (d *Demo) plain(w http.ResponseWriter, r *http.Request) {
	base := "http://" + strings.ToLower(r.Host)
	switch {
	case base == d.Place.Mitome():
		d.Mitome.Handler.ServeHTTP(w, r)
	case base == d.Place.OP() && r.URL.Path == op.WebhookPath:
		d.op.ServeHTTP(w, r)
	default:
		http.Error(w, "Nothing is here.", http.StatusMisdirectedRequest)
	}
}

// secure is the OP and, beside it, what answers for the user.
func (d *Demo) secure(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == answerPath {
		d.answer(w, r)
		return
	}
	d.op.ServeHTTP(w, r)
}

// present pairs the phone and says where everything is.
func (d *Demo) present(ctx context.Context) error {
	paired, _, err := demo.Pair(ctx, d.Mitome.Desk, d.phone)
	if err != nil {
		return fmt.Errorf("pair: %w", err)
	}
	_, err = fmt.Fprintf(d.Out, `Discovery:       %s/.well-known/openid-configuration
CA:              %s
Certificates:    %s
User:            login_hint %s; acr_values %s
User's phone:    %s, at %s
Answers for her: POST %s%s?token={auth_req_id}&action={action}, which is allow or deny
Ctrl-C ends the demo, and nothing of it is kept.
`, url(d.OP), d.certs.caFile, strings.Join(d.certs.clientFiles, ", "), demo.User, strings.Join(ACRs, " "),
		paired.Name, d.Place.Mitome(), url(d.OP), answerPath)
	return err
}
