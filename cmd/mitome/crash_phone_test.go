package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	phonelib "github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
	"github.com/mitome-ciba/mitome/server/adminapi"
)

// phonesEach is how many users each OP has; each has one phone.
const phonesEach = 4

// crashPhone is the phone of one user. Whatever it was about to say, it says until
// it has been heard: so does a user whose screen still shows the question.
type crashPhone struct {
	*phonelib.Phone
	w           *crashWorld
	op, subject string

	mu   sync.Mutex
	asks map[string]*crashAsk // by name
	over map[string]bool      // names that need no answer any more
}

// newPhone makes a user and pairs a phone with her.
func (w *crashWorld) newPhone(op, subject string) *crashPhone {
	w.t.Helper()
	ctx := w.t.Context()
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatalf("pair %s: %v", subject, err)
		}
	}
	u, err := w.admin.AddUser(ctx, adminapi.NewUser{OP: op, Subject: subject})
	must(err)
	offer, err := w.admin.Offer(ctx, u.ID)
	must(err)
	keys, err := softkey.Open(filepath.Join(w.dir, subject))
	must(err)
	p := &crashPhone{w: w, op: op, subject: subject, asks: map[string]*crashAsk{}, over: map[string]bool{}}
	p.Phone, err = phonelib.Open(keys, w.public)
	must(err)
	w.t.Cleanup(p.Close)
	claim, err := p.Claim(offer.Link, "phone")
	must(err)
	_, err = w.admin.Confirm(ctx, claim.ID, claim.MatchCode)
	must(err)
	_, err = claim.Finish()
	must(err)
	return p
}

// load has OPs ask and phones answer. Stop has each bring what it has begun to its
// end, and waits for that.
func (w *crashWorld) load() (stop func()) {
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(w.t.Context())
	var working sync.WaitGroup
	for _, p := range w.phones {
		working.Go(func() { p.work(ctx, ended) })
	}
	w.t.Cleanup(func() { cancel(); working.Wait() }) // if the test ends before its time
	return func() { close(ended); working.Wait() }
}

func (p *crashPhone) work(ctx context.Context, ended <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			p.answerAll(ctx)
			return
		default:
		}
		a := p.add(fmt.Sprintf("%s-%d", p.subject, n))
		acked, err := p.w.op.ask(ctx, *a, p.subject)
		if err != nil {
			if ctx.Err() == nil {
				p.w.t.Errorf("%s: %v", a.name, err)
			}
			return
		}
		if !acked { // Mitome is down, or has just gone
			p.pause(ctx)
			continue
		}
		p.mu.Lock()
		a.acked = true
		p.mu.Unlock()
		p.answer(ctx, a.name)
	}
}

// add is one more thing to be asked; three of four are approved.
func (p *crashPhone) add(name string) *crashAsk {
	a := &crashAsk{name: name, op: p.op, verdict: "approved"}
	if rand.IntN(4) == 0 {
		a.verdict = "denied"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asks[name] = a
	return a
}

// answer answers what waits until the named one needs no answer any more.
func (p *crashPhone) answer(ctx context.Context, name string) {
	seen := map[string]string{} // ids by name
	for begun := time.Now(); !p.over[name] && ctx.Err() == nil; p.pause(ctx) {
		list, err := p.List()
		if err != nil {
			continue
		}
		here := false
		for i := range list.Len() {
			r := list.Get(i)
			shown := p.nameOf(r)
			seen[shown] = r.ID
			here = here || shown == name
			p.say(r.ID, shown)
		}
		// It was answered, and only the answer to that was lost.
		if id := seen[name]; !here && id != "" {
			if r, err := p.Show(id); err == nil && r.State != phonelib.Pending {
				p.over[name] = true
			}
		}
		if time.Since(begun) > 3*patience {
			p.w.t.Errorf("%s: its OP heard yes, and the phone cannot answer it", name)
			return
		}
	}
}

// say answers one request as its user wants it.
func (p *crashPhone) say(id, name string) {
	p.mu.Lock()
	a := p.asks[name]
	p.mu.Unlock()
	if a == nil {
		p.w.t.Errorf("the phone was shown %q, for which nobody asked", name)
		return
	}
	var state string
	var err error
	if a.verdict == "approved" {
		state, err = p.Approve(id, "")
	} else {
		state, err = p.Deny(id, false)
	}
	switch problem := phonelib.ProblemOf(err); {
	case err == nil:
		p.mu.Lock()
		a.heard = state
		p.mu.Unlock()
		p.over[name] = true
	case problem != nil && problem.Type == "urn:mitome:request_settled":
		p.over[name] = true // by what was not heard to have been taken
	}
}

// answerAll answers what waits still.
func (p *crashPhone) answerAll(ctx context.Context) {
	for ctx.Err() == nil {
		list, err := p.List()
		if err == nil && list.Len() == 0 {
			return
		}
		if err == nil {
			p.say(list.Get(0).ID, p.nameOf(list.Get(0)))
		}
		p.pause(ctx)
	}
}

// nameOf reads a request's name off the screen.
func (p *crashPhone) nameOf(r *phonelib.Request) string {
	var view struct {
		Message string `json:"binding_message"`
	}
	if err := json.Unmarshal([]byte(r.View), &view); err != nil {
		p.w.t.Errorf("the view of %s: %v", r.ID, err)
	}
	return view.Message
}

func (p *crashPhone) pause(ctx context.Context) {
	select {
	case <-time.After(20 * time.Millisecond):
	case <-ctx.Done():
	}
}
