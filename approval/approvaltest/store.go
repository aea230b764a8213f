// Package approvaltest says, as tests, what every store of requests must do,
// and makes sample requests.
package approvaltest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// Stores is the ports of package approval, all on one database, and what the
// tests need beside them.
type Stores struct {
	Requests   approval.Store
	Challenges approval.Challenges
	Failures   approval.Failures
	Evidence   approval.EvidenceStore
	Listing    approval.Listing
	People     devicetest.Stores
	// Jobs returns how many jobs of a kind ("notify", "clear", "report") were
	// stored for a request.
	Jobs func(t testing.TB, id approval.RequestID, kind string) int
	// EndReport ends the job that reports a request, as the outbox would.
	EndReport func(t testing.TB, id approval.RequestID, state approval.ReportState, cause string)
}

// Start is when the sample requests are made.
var Start = devicetest.Start

// byOP is who asks, in the samples.
var byOP = device.Actor{Kind: device.ActorOP, ID: "corp"}

// RunStore checks what every implementation of the ports must do. Open returns
// stores on an empty database of its own each time.
func RunStore(t *testing.T, open func(t *testing.T) Stores) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Stores)
	}{
		{"a request is kept whole", requestKept},
		{"a request of nobody is kept", requestOfNobody},
		{"the same reference makes one request", oneRequestARef},
		{"the first decision wins", firstDecisionWins},
		{"a decision is a use of its device", decisionUsesDevice},
		{"a change that loses leaves nothing", loserLeavesNothing},
		{"requests wait for their users", pendingFor},
		{"requests fall due in order", dueRequests},
		{"the handle goes when nobody will report", handleBlanked},
		{"a device has one challenge a request", oneChallenge},
		{"a challenge is spent once", challengeSpentOnce},
		{"the end of a request ends its challenges", challengesEnd},
		{"a revoked device decides nothing", revokedDecidesNothing},
		{"a device is revoked while it decides", revokedMeanwhile},
		{"a sign counter moves once", signCountMovesOnce},
		{"tries are all counted", triesCounted},
		{"a settled request takes no try", settledTakesNoTry},
		{"evidence is kept to the byte", evidenceKept},
		{"requests are listed for operators", listed},
		{"a list says what became of the report", listedReports},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// Request returns a pending request of user u with every field set.
func Request(u device.UserID) approval.Request {
	id := approval.NewRequestID()
	ref, body := sha256.Sum256([]byte("ref "+id)), sha256.Sum256([]byte("body "+id))
	return approval.Request{
		ID: id, OP: "corp", RefHash: ref[:], Fingerprint: body[:], Handle: approval.Secret("handle-" + rand.Text()),
		UserID: u, ClientID: "shop", ClientName: "Shop <b>&", Scope: []string{"openid", "pay"},
		BindingMessage: "注文 W4SCT", ACRValues: []string{"phr"},
		Context: map[string]json.RawMessage{"amount": json.RawMessage(`{"value":1.10,"note":"a<b"}`)},
		Code:    approval.Code{Source: approval.CodeUserCode, KeyID: "k1", MAC: []byte{1, 2, 3}},
		State:   approval.Pending, CreatedAt: Start, ExpiresAt: Start.Add(5 * time.Minute), ReportAfter: Start.Add(time.Second),
	}
}

// create stores r.
func (s Stores) create(t testing.TB, r approval.Request, effects ...approval.Effect) approval.Request {
	t.Helper()
	got, err := s.Requests.CreateRequest(t.Context(), r, effects, byOP)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// fresh stores a sample request of a new user with one device.
func (s Stores) fresh(t testing.TB) (approval.Request, device.Device) {
	t.Helper()
	u := s.People.NewUser(t, "corp", "A")
	d := s.People.NewDevice(t, u, s.People.Session(t), Start)
	return s.create(t, Request(u.ID)), d
}

// challenge stores what d is to sign for r.
func (s Stores) challenge(t testing.TB, r approval.Request, d device.Device) approval.Challenge {
	t.Helper()
	c := approval.Challenge{
		Request: r.ID, Device: d.ID, Nonce: []byte(rand.Text()), View: []byte(`{"request":"x"}`), CreatedAt: Start,
	}
	if err := s.Challenges.SaveChallenge(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c
}

// decide returns the change that d's answer makes.
func decide(r approval.Request, d device.Device, v approval.Verdict) approval.Change {
	next, effects, err := approval.Step(r, approval.Answered{Decision: approval.Decision{
		Verdict: v, Reason: approval.ReasonUser, At: Start, AuthTime: Start, Device: d.ID, ACR: "phr", AMR: []string{"hwk", "pop"},
		UserVerified: true,
	}}, Start)
	if err != nil {
		panic(err) // the sample is pending and Start is before its end
	}
	return approval.Change{
		Next: next, Effects: reports(effects), By: device.Actor{Kind: device.ActorDevice, ID: string(d.ID)},
	}
}

// reports drops what has no address: the service makes those one an address.
func reports(effects []approval.Effect) []approval.Effect {
	var out []approval.Effect
	for _, e := range effects {
		if _, ok := e.(approval.Report); ok {
			out = append(out, e)
		}
	}
	return out
}

// get returns what is stored.
func (s Stores) get(t testing.TB, id approval.RequestID) approval.Request {
	t.Helper()
	r, err := s.Requests.Request(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ids names requests, for comparing.
func ids(requests []approval.Request) []approval.RequestID {
	var out []approval.RequestID
	for _, r := range requests {
		out = append(out, r.ID)
	}
	return out
}
