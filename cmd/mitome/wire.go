package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/deliver"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/authlete"
	"github.com/mitome-ciba/mitome/approval/op/gravitee"
	"github.com/mitome-ciba/mitome/approval/op/keycloak"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/approval/show"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/mds"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/websocket"
	"github.com/mitome-ciba/mitome/server"
	"github.com/mitome-ciba/mitome/server/adminapi"
	"github.com/mitome-ciba/mitome/server/config"
	"github.com/mitome-ciba/mitome/server/deskapi"
	"github.com/mitome-ciba/mitome/server/limit"
	"github.com/mitome-ciba/mitome/server/places"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/userapi"
	"github.com/mitome-ciba/mitome/server/witness"
)

// kinds is every kind of connection. A new one is a folder in approval/op and a
// line here.
var kinds = []struct {
	name     string // as configured, and the folder's name
	open     op.Kind
	settings any // for the reference
}{
	{"authlete", authlete.Open, authlete.Config{}},
	{"gravitee", gravitee.Open, gravitee.Config{}},
	{"keycloak", keycloak.Open, keycloak.Config{}},
	{"webhook", webhook.Open, webhook.Config{}},
}

// channels is every push channel. A new one is a folder in push and a line here.
var channels = []struct {
	name push.Channel                     // the folder's name
	open func(*node) (push.Sender, error) // nil, nil: the channel is off
}{
	{push.WebSocket, func(n *node) (push.Sender, error) { return websocket.Sender{Hub: n.hub}, nil }},
	{push.WebPush, openWebPush},
	{push.FCM, openFCM},
	{push.APNs, openAPNs},
}

const (
	opTimeout = 20 * time.Second // of one attempt to tell an OP; less than the outbox's lease
	grace     = 10 * time.Second // for calls in hand when the server stops
	sweepTime = time.Second
)

// everywhere: which OP is called, and where it is, the operator alone says; most
// stand in private networks.
var everywhere = push.Guard{Allow: []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"),
}}

// aboutFunc is op.Deps.About.
type aboutFunc = func(context.Context, approval.Request) (op.About, error)

// openOPs opens every connection, or lists what is wrong with each. About is nil
// where none is to be used.
func openOPs(c config.Config, log *slog.Logger, about aboutFunc) (map[string]op.Adapter, config.Faults) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	adapters, faults := map[string]op.Adapter{}, config.Faults(nil)
	clientCAs, err := c.TLS.OPs.ClientCAs()
	if err != nil { // without them a certificate that must be of a CA could be anybody's
		faults = append(faults, config.Fault{Path: "tls.ops.client_ca_file", Text: "cannot be used: " + err.Error() + "."})
	}
	for i, o := range c.OPs {
		open := kindOf(o.Kind)
		if open == nil {
			if o.Kind != "" { // reported as missing otherwise
				faults = append(faults, config.Fault{
					Path: fmt.Sprintf("ops[%d].kind", i), Text: "must be one of " + kindNames() + ".",
				})
			}
			continue
		}
		a, err := open(func(v any) error { return c.Decode(i, v) }, op.Deps{
			Name: o.Name, Client: everywhere.Client(opTimeout), Log: log.With("op", o.Name), Now: time.Now, About: about,
			PublicURL: c.PublicURL, EndsTLS: c.TLS.OPs.Set(), ClientCAs: clientCAs,
		})
		faults = append(faults, config.AtOP(i, err)...)
		adapters[o.Name] = a
	}
	return adapters, faults
}

func kindOf(name string) op.Kind {
	for _, k := range kinds {
		if k.name == name {
			return k.open
		}
	}
	return nil
}

func kindNames() (names string) {
	for i, k := range kinds {
		if i > 0 {
			names += ", "
		}
		names += k.name
	}
	return names
}

// node is the parts of one running Mitome, as they are put together.
type node struct {
	config   config.Config
	log      *slog.Logger
	db       *store.DB
	metrics  *server.Metrics
	adapters map[string]op.Adapter
	acks     *op.Acks
	hub      *websocket.Hub
	push     *push.Dispatcher
	alarm    *push.Alarm
	views    *show.Shower
	people   *device.Service
	requests *approval.Service
	signer   *sign.Signer
	asks     *limit.Asks
	witness  *witness.Witness
	keys     *seal.Ring
	signal   *deliver.Signaller
	models   *mds.File            // of authenticators; nil if none is asked
	places   *places.File         // nil: nothing is said of places
	turned   chan approval.Turned // asks that were turned away, to be written down
}

// newNode puts the domain together on an open database.
func newNode(c config.Config, log *slog.Logger, db *store.DB, keys *seal.Ring) (*node, error) {
	n := &node{config: c, log: log, db: db, keys: keys, metrics: server.NewMetrics(version()), acks: &op.Acks{}}
	var faults config.Faults
	if n.adapters, faults = openOPs(c, log, n.told); len(faults) > 0 {
		return nil, configFaults{faults}
	}
	signing := keys.PublicKeys().Keys // the current one first
	signing[0] = keys.SigningKey()
	var err error
	if n.signer, err = sign.New(signing...); err != nil {
		return nil, err
	}
	n.people = &device.Service{
		Users: db, Devices: db, Enrollments: db, Ceremonies: db, Lifecycle: db, Now: time.Now,
		Gestures: db, Passkeys: db, Addresses: db, HintTokens: db, UserCodes: db, CodeKeys: keys, CoolingOff: c.Pairing.CoolingOff, MaxDevices: c.Pairing.MaxDevices,
		RP:          relyingParty(c),
		CheckTarget: func(a push.Address) error { return n.push.Check(a) },
	}
	if err := n.attest(); err != nil {
		return nil, err
	}
	book, views, err := n.rules()
	if err != nil {
		return nil, err
	}
	n.views = views
	n.requests = &approval.Service{
		Store: counted{db, n.metrics}, Challenges: db, Failures: db, Past: db, People: n.people, Hints: n.people, Passkeys: n.people,
		Codes: keys, Policy: book, Views: views, Signer: n.signer,
		Issuer: c.PublicURL, RPID: c.RPID, Now: time.Now, WaitForSocket: c.Push.SocketFirst(),
	}
	n.witness = &witness.Witness{Store: db, Log: n.log, Now: time.Now}
	n.requests.Witness = n.witness
	n.limit()
	if err := n.locate(); err != nil {
		return nil, err
	}
	if err := n.guard(); err != nil {
		return nil, err
	}
	n.hub = &websocket.Hub{
		Bus: db, Changes: n.changesSince, TicketKey: keys.TicketKey(), Origin: c.PublicURL, Alone: c.Database.Alone(),
		Log: log, Observe: func(e websocket.Event) { n.metrics.Socket(string(e)) },
	}
	n.alarm = &push.Alarm{Log: log, Now: time.Now}
	n.push, err = n.dispatcher()
	return n, err
}

// rules are what each connection's section says of its requests.
func (n *node) rules() (*policy.Book, *show.Shower, error) {
	shown := map[string]show.Connection{}
	templates, faults := templatesOf(n.config)
	if len(faults) > 0 {
		return nil, nil, configFaults{faults}
	}
	for _, o := range n.config.OPs {
		shown[o.Name] = show.Connection{
			Title: o.Title, Scopes: o.Scopes, Push: show.PushDetail(o.Push),
			Templates: templates[o.Name], Strict: o.Rules.UnknownDetails == policy.DetailsRefuse, StrictOf: strictOf(o),
		}
	}
	book, err := policyOf(n.config)
	if err != nil {
		return nil, nil, err
	}
	book.Observe = func(op string, m policy.Mark) { n.metrics.Message(op, string(m)) }
	words, err := show.Load()
	if err != nil {
		return nil, nil, err
	}
	return book, &show.Shower{Catalogue: words, Connections: shown}, nil
}

// changesSince is the store's answer in the words of the hub.
func (n *node) changesSince(ctx context.Context, t time.Time) ([]websocket.Change, error) {
	changes, err := n.db.ChangedSince(ctx, t)
	out := make([]websocket.Change, len(changes))
	for i, c := range changes {
		out[i] = websocket.Change{Session: string(c.Session), Device: string(c.Device)}
	}
	return out, err
}

// server puts the machine around the domain.
func (n *node) server() (*server.Server, error) {
	worker := n.worker()
	health := &server.Health{Log: n.log, Checks: []server.Check{
		{Name: "database", Do: n.db.Ping}, {Name: "schema", Do: n.schema},
	}, Alarms: func() []string { return alarms(n.alarm) }}
	for _, c := range n.push.Channels() {
		if c == push.WebSocket { // it has no credentials
			continue
		}
		n.metrics.PushBroken(string(c), func() bool { return slices.Contains(n.alarm.Broken(), c) })
	}
	listeners, err := n.listeners(health)
	if err != nil {
		return nil, err
	}
	n.metrics.Gauge("open_sockets", "WebSockets that are open on this node.", func() float64 { return float64(n.hub.Count()) })
	n.metrics.Gauge("present_devices", "Devices that have a WebSocket open on this node.", func() float64 { return float64(n.hub.Present()) })
	n.metrics.WatchBacklog(func(ctx context.Context) (server.Backlog, error) {
		jobs, oldest, err := n.db.Backlog(ctx)
		return server.Backlog{Jobs: jobs, Oldest: oldest}, err
	})
	sweeper := &server.Sweeper{Every: sweepTime, Log: n.log, Sweeps: []server.Sweep{
		{Name: "requests", Do: n.requests.Expire}, {Name: "pairings", Do: n.people.ExpireEnrollments},
		{Name: "cooling devices", Do: n.people.ActivateDue},
		{Name: "barred requests", Do: n.requests.SweepBarred},
		{Name: "sessions", Do: n.db.Forget},
	}}
	workers := []server.Worker{
		{Name: "outbox", Run: worker.Run}, {Name: "sockets", Run: n.hub.Run},
		{Name: "bus", Run: n.db.RunBus}, {Name: "sweeper", Run: sweeper.Run}, {Name: "memory", Run: giveBack},
		{Name: "limits", Run: n.asks.Run},
		{Name: "turned away", Run: n.writeTurned},
		{Name: "audit", Run: n.archivist().Run}, {Name: "retention", Run: n.forgetter().Run},
		{Name: "witness", Run: n.witness.Run},
	}
	if n.models != nil {
		workers = append(workers, server.Worker{Name: "authenticator metadata", Run: n.models.Run})
	}
	if n.places != nil {
		workers = append(workers, server.Worker{Name: "places", Run: n.places.Run})
	}
	return &server.Server{Listeners: listeners, Health: health, Log: n.log, Grace: grace, Workers: workers}, nil
}

// schema is the health check of the database's version.
func (n *node) schema(ctx context.Context) error {
	pending, err := n.db.Pending(ctx)
	if err == nil && pending {
		err = errors.New("the schema is older than this program")
	}
	return err
}

// listeners opens nothing yet; it says what answers where.
func (n *node) listeners(health *server.Health) ([]server.Listener, error) {
	guard := &adminapi.Guard{}
	for _, t := range n.config.Admin.Tokens {
		if err := guard.Add(t.Name, t.SHA256); err != nil {
			return nil, err
		}
	}
	sessions := &session.Keeper{Store: n.db, Desks: n.db, PublicURL: n.config.PublicURL, Now: time.Now, Life: n.config.Sessions.Life}
	signIn, err := n.signIn(sessions)
	if err != nil {
		return nil, err
	}
	browser, err := n.pages(sessions)
	if err != nil {
		return nil, err
	}
	signIn.Fail, signIn.Done = browser.SignInFailed, browser.SignedIn
	channels, err := n.offered()
	if err != nil {
		return nil, err
	}
	files, err := linkFiles(n.config.Apps)
	if err != nil {
		return nil, err
	}
	routers, err := server.Routers{
		Links: files,
		Pages: browser,
		User: &userapi.Handler{
			Sessions: sessions,
			Pairings: n.people, People: n.people, Devices: n.people, UserCodes: n.people, Quiet: n.requests, Approvals: n.requests, Unlocks: n.people, Sockets: n.hub, Version: version(),
			Keys:      func() ([]byte, error) { return json.Marshal(n.signer.Published()) },
			Addresses: n.people, Channels: channels, Codes: n.people,
			NotMe: n.requests, Locks: n.people, Refusals: n.witness,
		},
		Desk:   &deskapi.Handler{Sessions: sessions, Pairings: n.people, PublicURL: n.config.PublicURL, Version: version()},
		SignIn: signIn,
		OPAPI:  n.opAPI(),
		OPs:    n.dialects(),
		Admin: &adminapi.API{
			Users: n.people, UserCodes: n.people, Locks: n.people, Devices: n.people, Pairings: n.people, Approvals: n.requests, Listing: n.db, Evidence: n.db, Erasure: n.people,
			OPs: n.ops(), PublicURL: n.config.PublicURL, Guard: guard, Now: time.Now, Version: version(),
		},
		Health: health, Metrics: n.metrics, Log: n.log, Trusted: n.config.TrustedProxies, OnlyTLS: strings.HasPrefix(n.config.PublicURL, "https://"),
	}.Build()
	if err != nil {
		return nil, err
	}
	var out []server.Listener
	for _, l := range n.config.Listeners() {
		if l.Address == config.Off {
			continue
		}
		out = append(out, server.Listener{
			Name: l.Name, Address: l.Address, CertFile: l.TLS.CertFile, KeyFile: l.TLS.KeyFile, Handler: routers[l.Name],
			Clients: n.clients(l.Name),
		})
	}
	return out, nil
}

func (n *node) ops() (out []adminapi.OP) {
	for _, o := range n.config.OPs {
		out = append(out, adminapi.OP{Name: o.Name, Kind: o.Kind, Title: o.Title})
	}
	return out
}
