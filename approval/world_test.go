package approval_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/approval/show"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
	"github.com/mitome-ciba/mitome/server/outbox"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

const (
	rpID   = "mitome.example"
	origin = "https://mitome.example"
)

var (
	admin = device.Actor{Kind: device.ActorAdmin, ID: "root"}
	theOP = device.Actor{Kind: device.ActorOP, ID: "corp"}
)

// world is the service on everything real but the phones and the clock: the
// store is SQLite, the passkeys are checked by WebAuthn's rules.
type world struct {
	*approval.Service
	db     *store.DB
	people *device.Service
	keys   jose.JSONWebKeySet
	now    time.Time

	attest func(answer []byte) []byte // what authenticators make of a registration's answer; nil: nothing
}

// newWorld has one connection, "corp", with the given rules.
func newWorld(t *testing.T, rules policy.Rules) *world {
	t.Helper()
	return newWorldOn(t, storetest.SQLite(t), rules)
}

// newWorldOn is newWorld on a database that is there already.
func newWorldOn(t *testing.T, db *store.DB, rules policy.Rules) *world {
	t.Helper()
	w := &world{db: db, now: t0}
	clock := func() time.Time { return w.now }
	w.db.Now = clock
	w.people = &device.Service{
		Users: w.db, Devices: w.db, Enrollments: w.db, Ceremonies: w.db, Lifecycle: w.db, Gestures: w.db, HintTokens: w.db, Now: clock,
		RP: device.RelyingParty{RPID: rpID, RPName: "Mitome", Origins: []string{origin}},
	}
	book, err := policy.New(policy.Rules{}, map[string]policy.Rules{"corp": rules})
	fatal(t, err)
	catalogue, err := show.Load()
	fatal(t, err)
	ring := seal.New()
	signer, err := sign.New(ring.SigningKey())
	fatal(t, err)
	w.keys = signer.Published()
	w.Service = &approval.Service{
		Store: w.db, Challenges: w.db, Failures: w.db, People: w.people, Hints: w.people, Passkeys: w.people,
		Codes: ring, Policy: book, Views: &show.Shower{Catalogue: catalogue}, Signer: signer,
		Issuer: origin, RPID: rpID, Now: clock,
	}
	return w
}

func fatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) user(t *testing.T, subject string) device.User {
	t.Helper()
	u, err := w.people.AddUser(t.Context(), device.User{OP: "corp", Subject: subject, Name: "Aiko"}, admin)
	fatal(t, err)
	return u
}

// phone is one device of one user, with its passkey.
type phone struct {
	device.Device
	key *devicetest.Authenticator
}

// pair makes a phone by the whole of a pairing.
func (w *world) pair(t *testing.T, u device.User, lies ...devicetest.Lie) phone {
	t.Helper()
	return w.pairBy(t, u, admin, lies...)
}

func (w *world) pairBy(t *testing.T, u device.User, by device.Actor, lies ...devicetest.Lie) phone {
	t.Helper()
	id := rand.Text()
	fatal(t, w.db.CreateSession(t.Context(), session.Session{
		ID: session.ID(id), JKT: "jkt", CreatedAt: w.now, ExpiresAt: w.now.Add(24 * time.Hour),
	}))
	o, err := w.people.Offer(t.Context(), u.ID, by)
	fatal(t, err)
	e, err := w.people.Claim(t.Context(), device.Claim{Secret: o.Secret, Session: id, DeviceName: "Phone"})
	fatal(t, err)
	_, err = w.people.Confirm(t.Context(), e.ID, e.MatchCode, by)
	fatal(t, err)
	options, err := w.people.BeginPasskey(t.Context(), e.ID, id)
	fatal(t, err)
	key := devicetest.NewAuthenticator(t, rpID, origin, devicetest.ES256)
	answer := key.Create(t, options, lies...)
	if w.attest != nil {
		answer = w.attest(answer)
	}
	d, err := w.people.FinishPasskey(t.Context(), device.NewPasskey{Enrollment: e.ID, Session: id, Response: answer})
	fatal(t, err)
	return phone{d, key}
}

// who is the session of a phone, or of several.
func who(phones ...phone) approval.Who {
	w := approval.Who{}
	for _, p := range phones {
		w.Devices = append(w.Devices, p.Device)
	}
	return w
}

// asks is what the OP sends of a user; each call is another request.
func (w *world) asks(subject string) approval.Ask {
	return approval.Ask{
		ID: approval.NewRequestID(), OP: "corp", Ref: rand.Text(), Body: []byte("body"), Handle: "handle",
		Subject: device.Subject{OP: "corp", Sub: subject}, ClientID: "shop", ClientName: "Flower Shop",
		Scope: []string{"openid"}, BindingMessage: "Pay 100 EUR to Alice", ExpiresAt: w.now.Add(2 * time.Minute),
	}
}

func (w *world) accept(t *testing.T, a approval.Ask) approval.Request {
	t.Helper()
	r, err := w.Accept(t.Context(), a, theOP)
	fatal(t, err)
	return r
}

// signed is p's honest yes to r, with what was typed.
func (w *world) signed(t *testing.T, r approval.RequestID, p phone, typed string, lies ...devicetest.Lie) approval.Answer {
	t.Helper()
	c, err := w.Challenge(t.Context(), r, who(p), "en")
	fatal(t, err)
	return approval.Answer{
		Request: r, Who: who(p), Verdict: approval.Approve, UserCode: typed, Assertion: p.key.Get(t, c.Options, lies...),
	}
}

func no(r approval.RequestID, p phone) approval.Answer {
	return approval.Answer{Request: r, Who: who(p), Verdict: approval.Deny}
}

// state is what the store says of a request.
func (w *world) state(t *testing.T, id approval.RequestID) approval.State {
	t.Helper()
	r, err := w.db.Request(t.Context(), id)
	fatal(t, err)
	return r.State
}

// jobs returns what waits to be carried out of a request, by kind.
func (w *world) jobs(t *testing.T, id approval.RequestID) map[string]int {
	t.Helper()
	now := w.now
	w.now = now.Add(time.Hour) // past any guard
	defer func() { w.now = now }()
	jobs, err := w.db.ClaimJobs(t.Context(), 100, time.Second)
	fatal(t, err)
	out := map[string]int{}
	for _, j := range jobs {
		if j.Subject == string(id) {
			out[j.Kind]++
		}
		fatal(t, w.db.FinishJob(t.Context(), j, outbox.Done, ""))
	}
	return out
}

// statement is the evidence of a request, its signature checked.
func (w *world) statement(t *testing.T, id approval.RequestID) approval.Statement {
	t.Helper()
	e, err := w.db.Evidence(t.Context(), id)
	fatal(t, err)
	payload, err := sign.Verify(e.JWS, w.keys)
	fatal(t, err)
	var st approval.Statement
	fatal(t, json.Unmarshal(payload, &st))
	return st
}

// is fails the test unless err is want.
func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// eventTypes is the name of every type with a method event.
func eventTypes(t *testing.T) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "machine.go", nil, 0)
	fatal(t, err)
	var out []string
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if ok && fn.Name.Name == "event" && fn.Recv != nil {
			out = append(out, fn.Recv.List[0].Type.(*ast.Ident).Name)
		}
	}
	if len(out) == 0 {
		t.Fatal("found no event")
	}
	return out
}
