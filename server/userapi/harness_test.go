package userapi_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/goleak"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/approval/show"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/webpush"
	"github.com/mitome-ciba/mitome/push/websocket"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
	"github.com/mitome-ciba/mitome/server/userapi"
	"github.com/mitome-ciba/mitome/server/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	rpID   = "mitome.test"
	origin = "https://mitome.test"
)

// world is Mitome's device side, whole, over a real store and a real listener.
type world struct {
	t         *testing.T
	url       string
	engine    *gin.Engine
	db        *store.DB
	devices   *device.Service
	approvals *approval.Service
	hub       *websocket.Hub
	keeper    *session.Keeper
	raw       *sql.DB // the same database, to see what really stands there
	log       *journal
	reads     atomic.Int64  // how often a session was looked up
	told      *told         // what the audit log is to say of what changed nothing
	ahead     atomic.Int64  // by how much its clock is ahead
	secrets   []string      // what no answer may hold
	stopping  chan struct{} // closed when its server is to stop
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *world) advance(d time.Duration) { w.ahead.Add(int64(d)) }

func newWorld(t *testing.T) *world {
	t.Helper()
	ring, file := seal.New(), filepath.Join(t.TempDir(), "mitome.db")
	w := &world{t: t, db: storetest.Open(t, "sqlite:"+file, ring), log: &journal{}, told: &told{}, stopping: make(chan struct{})}
	w.raw = must(sql.Open("sqlite", "file:"+file+"?_pragma=query_only(1)"))(t)
	t.Cleanup(func() { w.raw.Close() })
	signer := must(sign.New(ring.SigningKey()))(t)
	w.devices = &device.Service{
		Users: w.db, Devices: w.db, Enrollments: w.db, Ceremonies: w.db, Lifecycle: w.db, Gestures: w.db, Passkeys: w.db, Now: w.now,
		Addresses: w.db, HintTokens: w.db, UserCodes: w.db, CodeKeys: ring, CheckTarget: must(push.NewDispatcher(nil, &webpush.Sender{}))(t).Check,
		RP: device.RelyingParty{RPID: rpID, RPName: "Mitome", Origins: []string{origin}},
	}
	w.approvals = &approval.Service{
		Store: w.db, Challenges: w.db, Failures: w.db, Past: w.db, People: w.devices, Hints: w.devices, Passkeys: w.devices,
		Codes: ring, Policy: must(policy.New(policy.Rules{}, nil))(t),
		Views: &show.Shower{Catalogue: must(show.Load())(t)}, Signer: signer,
		Issuer: origin, RPID: rpID, Now: w.now, Prompts: w.db,
	}
	w.approvals.Witness = w.told
	w.approvals.Bars, w.approvals.Gestures, w.devices.Locks = w.db, w.db, w.db
	w.hub = &websocket.Hub{
		Bus: w.db, Origin: origin, Alone: true, Log: slog.New(slog.DiscardHandler),
		Changes: func(ctx context.Context, since time.Time) (out []websocket.Change, err error) {
			changes, err := w.db.ChangedSince(ctx, since)
			for _, c := range changes {
				out = append(out, websocket.Change{Session: string(c.Session), Device: string(c.Device)})
			}
			return out, err
		},
		TicketKey: ring.TicketKey(),
	}
	w.run(w.hub.Run)
	w.run(w.db.RunBus)
	w.keeper = &session.Keeper{Store: reading{w.db, &w.reads}, Now: w.now}
	w.serve(&userapi.Handler{
		Sessions: w.keeper, Pairings: w.devices, People: w.devices, Devices: w.devices, Approvals: w.approvals, Unlocks: w.devices, Sockets: w.hub,
		Keys: func() ([]byte, error) { return json.Marshal(signer.Published()) }, Version: "test",
		Addresses: w.devices, Codes: w.devices, UserCodes: w.devices, NotMe: w.approvals, Locks: w.devices, Quiet: w.approvals, Refusals: w.told, Channels: userapi.Channels{WebPushKey: "public", Names: []string{"apns", "webpush"}},
	})
	return w
}

// run starts what runs until the test ends.
func (w *world) run(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
}

func (w *world) serve(h *userapi.Handler) {
	w.t.Helper()
	w.engine = must(web.NewEngine(slog.New(slog.NewJSONHandler(w.log, nil)), nil))(w.t)
	h.Mount(w.engine, w.engine.Group(""))
	srv := httptest.NewUnstartedServer(w.engine)
	srv.Config.BaseContext = func(net.Listener) context.Context { return web.WithStop(context.Background(), w.stopping) }
	srv.Start()
	w.t.Cleanup(func() { srv.Close(); http.DefaultClient.CloseIdleConnections() })
	w.url, w.keeper.PublicURL = srv.URL, srv.URL
	w.eventually(w.hub.Running)
}

// eventually waits for what other goroutines are about to do.
func (w *world) eventually(ok func() bool) {
	w.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatal("it never came about")
		}
	}
}

// offer makes a user of op and offers her a pairing.
func (w *world) offer(op, sub string) (device.User, device.Offer) {
	w.t.Helper()
	by := device.Actor{Kind: device.ActorAdmin, ID: "root"}
	u, err := w.devices.AddUser(w.t.Context(), device.User{OP: op, Subject: sub, Name: strings.ToUpper(sub)}, by)
	if err != nil {
		w.t.Fatal(err)
	}
	offer := must(w.devices.Offer(w.t.Context(), u.ID, by))(w.t)
	w.secrets = append(w.secrets, string(offer.Secret))
	return u, offer
}

// ask has an OP ask u. Everything in it that must not come out is a secret.
func (w *world) ask(u device.User, code string) approval.Request {
	w.t.Helper()
	id := approval.NewRequestID()
	ref, handle := "REF-"+rand.Text(), "HANDLE-"+rand.Text()
	r, err := w.approvals.Accept(w.t.Context(), approval.Ask{
		ID: id, OP: u.OP, Ref: ref, Body: []byte(ref), Handle: approval.Secret(handle),
		Subject: device.Subject{OP: u.OP, Sub: u.Subject}, ClientID: "shop", ClientName: "Shop",
		Scope: []string{"openid"}, BindingMessage: "Order 4711", UserCode: code, ExpiresAt: w.now().Add(time.Hour),
	}, device.Actor{Kind: device.ActorOP, ID: u.OP})
	if err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(ref))
	w.secrets = append(w.secrets, ref, handle, base64.StdEncoding.EncodeToString(sum[:]),
		fmt.Sprintf("%x", sum))
	if code != "" {
		w.secrets = append(w.secrets, code, base64.StdEncoding.EncodeToString(r.Code.MAC), fmt.Sprintf("%x", r.Code.MAC))
	}
	return r
}

// wake sends the wake-up that the outbox would send.
func (w *world) wake(d device.Device, kind push.Kind, key approval.RequestID) error {
	return websocket.Sender{Hub: w.hub}.Send(w.t.Context(), d.Addresses[0], push.Message{Kind: kind, Key: string(key)})
}

// dump is everything that is stored, to see that nothing changed.
func (w *world) dump() string {
	w.t.Helper()
	var out strings.Builder
	for _, table := range w.rows(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`) {
		name := strings.Trim(table, "|")
		out.WriteString(name + "\n" + strings.Join(w.rows(`SELECT * FROM "`+name+`" ORDER BY 1, 2`), "\n") + "\n")
	}
	return out.String()
}

func (w *world) rows(query string) (lines []string) {
	w.t.Helper()
	rows, err := w.raw.QueryContext(w.t.Context(), query)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	columns := must(rows.Columns())(w.t)
	for rows.Next() {
		values := make([]any, len(columns))
		dest := make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			w.t.Fatal(err)
		}
		line := "|"
		for _, v := range values {
			line += fmt.Sprint(v) + "|"
		}
		lines = append(lines, line)
	}
	return lines
}
