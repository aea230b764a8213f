package phone_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/approval/show"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/websocket"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
	"github.com/mitome-ciba/mitome/server/userapi"
	"github.com/mitome-ciba/mitome/server/web"
)

// mitome is the real device side of Mitome: the fake of the other tests and the
// phone could be wrong in the same way.
type mitome struct {
	t         *testing.T
	url       string
	devices   *device.Service
	approvals *approval.Service
	hub       *websocket.Hub
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newMitome(t *testing.T) *mitome {
	t.Helper()
	ring := seal.New()
	db := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "mitome.db"), ring)
	engine := must(web.NewEngine(slog.New(slog.DiscardHandler), nil))(t)
	srv := httptest.NewServer(engine)
	t.Cleanup(srv.Close)
	m := &mitome{t: t, url: strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)}
	m.devices = &device.Service{
		Users: db, Devices: db, Enrollments: db, Ceremonies: db, Lifecycle: db, Gestures: db, HintTokens: db, Now: time.Now,
		RP: device.RelyingParty{RPID: "localhost", RPName: "Mitome", Origins: []string{m.url}},
	}
	m.approvals = &approval.Service{
		Store: db, Challenges: db, Failures: db, People: m.devices, Hints: m.devices, Passkeys: m.devices,
		Codes: ring, Policy: must(policy.New(policy.Rules{}, nil))(t),
		Views: &show.Shower{Catalogue: must(show.Load())(t)}, Signer: must(sign.New(ring.SigningKey()))(t),
		Issuer: m.url, RPID: "localhost", Now: time.Now,
	}
	m.hub = &websocket.Hub{Bus: db, Origin: m.url, Alone: true, Log: slog.New(slog.DiscardHandler), Changes: changesOf(db), TicketKey: ring.TicketKey()}
	m.run(m.hub.Run)
	m.run(db.RunBus)
	h := &userapi.Handler{
		Sessions: &session.Keeper{Store: db, PublicURL: m.url, Now: time.Now},
		Pairings: m.devices, People: m.devices, Devices: m.devices, Approvals: m.approvals, Codes: m.devices, Sockets: m.hub, Version: "test",
	}
	h.Mount(engine, engine.Group(""))
	return m
}

func changesOf(db *store.DB) func(context.Context, time.Time) ([]websocket.Change, error) {
	return func(ctx context.Context, since time.Time) (out []websocket.Change, err error) {
		changes, err := db.ChangedSince(ctx, since)
		for _, c := range changes {
			out = append(out, websocket.Change{Session: string(c.Session), Device: string(c.Device)})
		}
		return out, err
	}
}

// run starts what runs until the test ends.
func (m *mitome) run(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	m.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			m.t.Error(err)
		}
	})
}

// pair makes a user of op and pairs p with her.
func (m *mitome) pair(p *phone.Phone, op string) device.User {
	m.t.Helper()
	by, ctx := device.Actor{Kind: device.ActorAdmin, ID: "root"}, m.t.Context()
	u := must(m.devices.AddUser(ctx, device.User{OP: op, Subject: "s-1", Name: "Aiko"}, by))(m.t)
	offer := must(m.devices.Offer(ctx, u.ID, by))(m.t)
	g := must(p.Claim(m.url+"/pair#"+string(offer.Secret), "my phone"))(m.t)
	if _, err := g.Finish(); phone.ProblemOf(err) == nil {
		m.t.Errorf("finished before it was confirmed: %v", err)
	}
	must(m.devices.Confirm(ctx, device.EnrollmentID(g.ID), g.MatchCode, by))(m.t)
	if err := g.Wait(); err != nil {
		m.t.Fatal(err)
	}
	must(g.Finish())(m.t)
	return u
}

func (m *mitome) ask(u device.User, code string) string {
	m.t.Helper()
	id := approval.NewRequestID()
	must(m.approvals.Accept(m.t.Context(), approval.Ask{
		ID: id, OP: u.OP, Ref: string(id), Body: []byte(id), Subject: device.Subject{OP: u.OP, Sub: u.Subject},
		ClientID: "shop", ClientName: "Shop", BindingMessage: "注文 4711", UserCode: code, ExpiresAt: time.Now().Add(time.Hour),
	}, device.Actor{Kind: device.ActorOP, ID: u.OP}))(m.t)
	return string(id)
}

func TestPhoneAndMitome(t *testing.T) {
	m := newMitome(t)
	keys := must(softkey.Open(filepath.Join(t.TempDir(), "keys")))(t)
	p := must(phone.Open(keys, m.url))(t)
	t.Cleanup(p.Close)
	p.Hurry()
	p.SetLocale("ja")
	corp, shop := m.pair(p, "corp"), m.pair(p, "shop")
	if l := must(p.Devices())(t); l.Len() != 2 {
		t.Errorf("one session stands for %d devices, want 2", l.Len())
	}
	first := m.ask(corp, "")
	l := (&fake{t: t}).listen(p)
	heard := must(p.Show(first))(t)
	l.expect("show "+first+" "+heard.View, "online")
	if state, err := p.Approve(first, ""); err != nil || state != "approved" {
		t.Errorf("approve: got %q, %v", state, err)
	}
	second := m.ask(shop, "472915")
	d := must(m.devices.DevicesOf(t.Context(), shop.ID))(t)[0]
	sender := websocket.Sender{Hub: m.hub}
	if err := sender.Send(t.Context(), d.Addresses[0], push.Message{Kind: push.Show, Key: second}); err != nil {
		t.Errorf("the phone did not acknowledge: %v", err)
	}
	l.expect("show " + second + " " + must(p.Show(second))(t).View)
	if _, err := p.Approve(second, "000000"); phone.ProblemOf(err) == nil || phone.ProblemOf(err).TriesLeft != 4 {
		t.Errorf("wrong code: got %v", err)
	}
	if state, err := p.Approve(second, "４７２９１５"); err != nil || state != "approved" {
		t.Errorf("right code: got %q, %v", state, err)
	}
	if state, err := p.Deny(m.ask(corp, ""), true); err != nil || state != "denied" {
		t.Errorf("deny: got %q, %v", state, err)
	}
	for _, u := range []device.User{corp, shop} {
		for _, d := range must(m.devices.DevicesOf(t.Context(), u.ID))(t) {
			if err := m.devices.Revoke(t.Context(), d.ID, device.Mitome); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.expect("offline")
	if err := l.end(); !errors.Is(err, phone.ErrRevoked) {
		t.Errorf("revoked: got %v, want %v", err, phone.ErrRevoked)
	}
}
