package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	phonelib "github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
	"github.com/mitome-ciba/mitome/server/adminapi"
)

// pairings is how many phones are paired at once.
const pairings = 16

// pair makes users, each with a phone whose keys are then in t.Keys, as an
// administrator and a user would.
func (t task) pair(ctx context.Context) ([]*phone, error) {
	stop, err := t.proxy()
	if err != nil {
		return nil, err
	}
	defer stop()
	admin := adminapi.NewClient(t.Admin, "")
	phones := make([]*phone, t.Phones)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(pairings)
	for i := range phones {
		g.Go(func() (err error) {
			subject := fmt.Sprintf("u-%d-%s", i, rand.Text()[:8])
			phones[i], err = t.pairOne(ctx, admin, filepath.Join(t.Keys, subject), subject)
			return err
		})
	}
	return phones, g.Wait()
}

// onlyPair leaves the phones to [task.paired].
func (t task) onlyPair(ctx context.Context) (int, error) {
	say("pairing %d phones", t.Phones)
	phones, err := t.pair(ctx)
	return len(phones), err
}

func (t task) pairOne(ctx context.Context, admin *adminapi.Client, path, subject string) (*phone, error) {
	u, err := admin.AddUser(ctx, adminapi.NewUser{OP: t.OP, Subject: subject})
	if err != nil {
		return nil, fmt.Errorf("add user: %w", err)
	}
	offer, err := admin.Offer(ctx, u.ID)
	if err != nil {
		return nil, fmt.Errorf("offer pairing: %w", err)
	}
	keys, err := softkey.Open(path)
	if err != nil {
		return nil, err
	}
	soft, err := phonelib.Open(keys, t.Public)
	if err != nil {
		return nil, err
	}
	defer soft.Close()
	claim, err := soft.Claim(offer.Link, "phone")
	if err != nil {
		return nil, err
	}
	if _, err := admin.Confirm(ctx, claim.ID, claim.MatchCode); err != nil {
		return nil, fmt.Errorf("confirm pairing: %w", err)
	}
	if _, err := claim.Finish(); err != nil {
		return nil, err
	}
	return t.phone(path)
}

// phone takes over the device whose keys are in a file, which is named after its
// user.
func (t task) phone(path string) (*phone, error) {
	p, err := newPhone(path, t.Public, filepath.Base(path))
	if err == nil {
		p.conn.address, p.op.address = t.Devices, t.OPs
	}
	return p, err
}

// paired are the phones that [task.pair] made in another process.
func (t task) paired() (phones []*phone, err error) {
	files, err := os.ReadDir(t.Keys)
	if err != nil {
		return nil, fmt.Errorf("find keys: %w", err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".lock") { // package softkey's
			continue
		}
		p, err := t.phone(filepath.Join(t.Keys, f.Name()))
		if err != nil {
			return nil, err
		}
		p.from = source(len(phones))
		phones = append(phones, p)
	}
	return phones, nil
}

// proxy stands at the public URL while phones are paired, and says of each call
// that it comes from another address: a limit on strangers holds for each, and
// the phones of a company do not pair from one desk. What is measured later goes
// past it.
func (t task) proxy() (stop func(), err error) {
	public, err := url.Parse(t.Public)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", public.Port()))
	if err != nil {
		return nil, fmt.Errorf("listen as the proxy: %w", err)
	}
	var calls atomic.Uint32
	s := &http.Server{ReadHeaderTimeout: flowTime, Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		n := calls.Add(1)
		r.SetURL(&url.URL{Scheme: "http", Host: t.Devices})
		r.Out.Header.Set("X-Forwarded-For", netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String())
	}}}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) })
	return func() { s.Close(); serving.Wait() }, nil
}
