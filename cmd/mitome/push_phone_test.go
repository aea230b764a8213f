package main_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	app "github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
	"github.com/mitome-ciba/mitome/push/ece/ecetest"
)

// appPhone is an app on a device, on the library that apps are built on.
type appPhone struct {
	w    *pushWorld
	name string
	*app.Phone
	id string // of the device

	channel, target string // where it is reached; without a target by its socket alone
	key             ecetest.Device

	mu    sync.Mutex
	shown map[string]int // how often each request was
	ended map[string]bool
}

// device pairs one more device with the user.
func (w *pushWorld) device(name string) *appPhone {
	w.t.Helper()
	return w.devices(name)[0]
}

// devices pairs several, all at once: a pairing is mostly waiting.
func (w *pushWorld) devices(names ...string) (all []*appPhone) {
	w.t.Helper()
	var finish []func()
	for _, name := range names {
		d := &appPhone{w: w, name: name, channel: "websocket", shown: map[string]int{}, ended: map[string]bool{}}
		keys, err := softkey.Open(filepath.Join(w.t.TempDir(), "keys"))
		if err != nil {
			w.t.Fatal(err)
		}
		if d.Phone, err = app.Open(keys, w.url); err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(d.Close)
		all, finish = append(all, d), append(finish, d.pair())
	}
	for _, f := range finish {
		f()
	}
	return all
}

// pair takes an administrator's offer, who confirms whatever code she sees. What
// it returns ends the pairing.
func (d *appPhone) pair() (finish func()) {
	d.w.t.Helper()
	cmd := exec.CommandContext(d.w.t.Context(), program(d.w.t), "--config", d.w.config(), "--json", "pair", "--yes", pushUser)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		d.w.t.Fatal(err)
	}
	var offer struct{ Link string }
	events := json.NewDecoder(out)
	if err := events.Decode(&offer); err != nil {
		cmd.Wait()
		d.w.t.Fatalf("mitome pair offered nothing: %v\n%s", err, said.String())
	}
	pairing, err := d.Claim(offer.Link, d.name)
	if err != nil {
		d.w.t.Fatal(err)
	}
	return func() {
		d.w.t.Helper()
		var made *app.Device
		err := pairing.Wait()
		if err == nil {
			made, err = pairing.Finish()
		}
		if err != nil {
			d.w.t.Fatalf("pairing %s: %v", d.name, err)
		}
		d.id = made.ID
		_, _ = io.Copy(io.Discard, io.MultiReader(events.Buffered(), out)) // to its end, else Wait would cut it off
		if err := cmd.Wait(); err != nil {
			d.w.t.Fatalf("mitome pair: %v\n%s", err, said.String())
		}
	}
}

// reachedBy registers an address for d on a channel, as its app does at each
// start. Without a key the device can be told nothing.
func (d *appPhone) reachedBy(channel, locale string, withKey bool) {
	d.w.t.Helper()
	token := make([]byte, 32)
	rand.Read(token)
	d.channel, d.key = channel, ecetest.New()
	switch channel {
	case "webpush":
		sub := d.w.services.web.Subscribe("")
		d.target, d.key = sub.Endpoint, sub.Device
	case "fcm":
		d.target = "app:" + hex.EncodeToString(token)
	case "apns":
		d.target = "production:" + hex.EncodeToString(token)
	}
	d.SetLocale(locale)
	var key *app.PushKey
	if withKey {
		var err error
		if key, err = app.LoadPushKey(append(d.key.Private.Bytes(), d.key.Auth...)); err != nil {
			d.w.t.Fatal(err)
		}
	}
	if err := d.Reach(channel, d.target, key); err != nil {
		d.w.t.Fatal(err)
	}
	if withKey { // a new address rings once, so that its owner knows that it can
		d.heard("test", "test")
	}
}

// opens has d's app come to the front: its socket is open from then on.
func (d *appPhone) opens() {
	d.w.t.Helper()
	online := make(chan struct{}, 64)
	ended := make(chan error, 1)
	go func() { ended <- d.Listen(screen{d, online}) }()
	d.w.t.Cleanup(func() {
		d.Close()
		if err := <-ended; err != nil {
			d.w.t.Errorf("%s: listen: %v", d.name, err)
		}
	})
	select {
	case <-online:
	case <-time.After(patience):
		d.w.t.Fatalf("%s does not come online", d.name)
	}
}

// screen is what an app that is open shows.
type screen struct {
	d      *appPhone
	online chan struct{}
}

// Show implements app.Handler.
func (s screen) Show(r *app.Request) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.shown[r.ID]++
}

// Clear implements app.Handler.
func (s screen) Clear(id string) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.ended[id] = true
}

// Test implements app.Handler.
func (screen) Test() {}

// Online implements app.Handler.
func (s screen) Online(online bool, _ string) {
	if online {
		s.online <- struct{}{}
	}
}

// sees waits until an open app shows a request.
func (d *appPhone) sees(id string, limit time.Duration) {
	d.w.t.Helper()
	await(d.w.t, d.name+" to show the request", limit, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.shown[id] > 0
	})
}

// seesNoMore waits until an open app has taken a request off its screen.
func (d *appPhone) seesNoMore(id string) {
	d.w.t.Helper()
	await(d.w.t, d.name+" to clear the request", patience, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.ended[id]
	})
}
