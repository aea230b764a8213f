package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/shop"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/tape"
	"github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
)

// act is one request of the play, from the order to the answer.
type act struct {
	use  string // name of the use case, as in the shop
	mode rp.Mode
	deny bool
}

// acts are what --auto plays: each mode once, and one no.
var acts = []act{
	{use: "till", mode: rp.Poll},
	{use: "call", mode: rp.Ping},
	{use: "pay", mode: rp.Push},
	{use: "lock", mode: rp.Poll, deny: true},
}

// actTime is how long one act may take. It needs a second or two.
const actTime = 30 * time.Second

// player plays both sides: the one who orders, and the one with the phone.
type player struct {
	*Demo
	clients map[rp.Mode]*rp.Client
	phone   *phone.Phone
	heard   chan *phone.Request
}

// play goes through every act, and says what was not as it should be.
func (d *Demo) play(ctx context.Context, clients map[rp.Mode]*rp.Client) error {
	keys, err := softkey.Open(filepath.Join(d.Folder, "phone.json"))
	if err != nil {
		return err
	}
	p := &player{Demo: d, clients: clients, heard: make(chan *phone.Request, len(acts))}
	if p.phone, err = phone.Open(keys, d.Place.Mitome()); err != nil {
		return err
	}
	defer p.phone.Close()
	defer context.AfterFunc(ctx, p.phone.Close)() // none of its calls takes a context
	if err := p.pair(ctx); err != nil {
		return fmt.Errorf("pair: %w", err)
	}
	var g errgroup.Group
	g.Go(func() error { return p.phone.Listen(&screen{heard: p.heard, seen: map[string]bool{}}) })
	for i, a := range acts {
		if err = p.act(ctx, i+1, a); err != nil {
			err = fmt.Errorf("%s by %s: %w", a.use, a.mode, err)
			break
		}
	}
	p.phone.Close()
	if err := errors.Join(err, g.Wait()); err != nil {
		return err
	}
	p.say("\nAll as it should be: poll, ping and push approved, one request denied.")
	return nil
}

func (p *player) say(format string, args ...any) {
	fmt.Fprintf(p.Out, format+"\n", args...)
}

// pair makes the phone alice's.
func (p *player) pair(ctx context.Context) error {
	d, code, err := Pair(ctx, p.Mitome.Desk, p.phone)
	if err != nil {
		return err
	}
	p.say("Paired: %s is the phone of %s. Both screens showed %s.", d.Name, d.UserName, code)
	return nil
}

// act plays one request, and writes down what passed.
func (p *player) act(ctx context.Context, n int, a act) error {
	ctx, cancel := context.WithTimeout(ctx, actTime)
	defer cancel()
	c, ok := shop.CaseOf(a.use)
	if !ok {
		return errors.New("there is no such use case")
	}
	code, err := c.NewCode()
	if err != nil {
		return err
	}
	first := p.tape.Last()
	p.say("\n%d. %s, %s\n", n, heading(c), a.mode)
	pending, err := p.clients[a.mode].Start(ctx, c.Request(User, "en", code))
	if err != nil {
		return err
	}
	var tokens *rp.Tokens
	var g errgroup.Group
	g.Go(func() (err error) {
		tokens, err = pending.Wait(ctx)
		return err
	})
	err = p.answer(ctx, first, c, a, code)
	if err != nil {
		cancel() // nobody will answer any more
	}
	waited := g.Wait()
	if err == nil && a.deny == (waited != nil) { // otherwise nobody knows what is still to come
		err = p.over(ctx, first, a)
	}
	p.print(first)
	if err != nil {
		return err
	}
	return p.check(c, a, tokens, waited)
}

// heading is the act in a line: the case and its message.
func heading(c shop.Case) string { return fmt.Sprintf("%s: %q", c.Name, c.Message["en"]) }

// answer is what the user does once her phone lights up.
func (p *player) answer(ctx context.Context, first int, c shop.Case, a act, code string) error {
	var r *phone.Request
	select {
	case r = <-p.heard:
	case <-ctx.Done():
		return errors.New("the phone heard nothing")
	}
	var view struct {
		Message string `json:"binding_message"`
		Prompt  string `json:"prompt"`
		Client  struct {
			Label string `json:"label"`
		} `json:"client"`
	}
	if err := json.Unmarshal([]byte(r.View), &view); err != nil {
		return fmt.Errorf("read what the phone shows: %w", err)
	}
	if view.Message != c.Message["en"] || (view.Prompt != "") != c.Code {
		return fmt.Errorf("the phone shows %q and asks %q", view.Message, view.Prompt)
	}
	lines := []string{"client: " + view.Client.Label, "binding_message: " + view.Message}
	if view.Prompt != "" {
		lines = append(lines, "prompt: "+view.Prompt)
	}
	p.tape.Add(tape.Message{At: time.Now(), From: tape.Mitome, To: tape.Phone, Title: "WebSocket: show", Lines: lines})
	if a.mode == rp.Poll { // she takes her time, so that polling is seen
		if err := p.until(ctx, first, polledInVain); err != nil {
			return errors.New("the shop never polled")
		}
	}
	if a.deny {
		_, err := p.phone.Deny(r.ID, false)
		return err
	}
	_, err := p.phone.Approve(r.ID, code)
	return err
}

// until waits for the tape to hold, after message first, what done looks for.
func (p *player) until(ctx context.Context, first int, done func([]tape.Message) bool) error {
	for !done(p.tape.Since(first)) {
		if _, err := p.tape.Wait(ctx, p.tape.Last()); err != nil {
			return err
		}
	}
	return nil
}

func polledInVain(seen []tape.Message) bool {
	return count(seen, tape.OP, tape.Shop, "400 ") > 0
}

// over waits until each call of the act has been answered: the client has its
// tokens before Mitome and the phone have heard that all was taken.
func (p *player) over(ctx context.Context, first int, a act) error {
	calls := 2 // of the phone: challenge and decision
	if a.deny {
		calls = 1
	}
	err := p.until(ctx, first, func(seen []tape.Message) bool {
		return count(seen, tape.OP, tape.Mitome, "204 ") > 0 && count(seen, tape.Mitome, tape.Phone, "200 ") >= calls
	})
	if err != nil {
		return errors.New("a call was not answered in time")
	}
	return nil
}

// count is how many messages went so and began so.
func count(seen []tape.Message, from, to, title string) (n int) {
	for _, m := range seen {
		if m.From == from && m.To == to && strings.HasPrefix(m.Title, title) {
			n++
		}
	}
	return n
}

// print writes what passed after message first.
func (p *player) print(first int) {
	for i, m := range p.tape.Since(first) {
		p.say("%3d  %-6s → %-6s  %s", i+1, m.From, m.To, m.Title)
		for _, line := range m.Lines {
			p.say("                        %s", line)
		}
	}
}

// check compares how it ended with how it should have.
func (p *player) check(c shop.Case, a act, tokens *rp.Tokens, err error) error {
	switch {
	case a.deny && errors.Is(err, rp.ErrAccessDenied):
		p.say("     The shop was told: access_denied.")
		return nil
	case a.deny && err == nil:
		return errors.New("it was denied on the phone, and the shop got tokens")
	case err != nil:
		return err
	}
	t := tokens.Claims
	p.say("     The shop has an ID token: %s", idToken(t))
	switch {
	case t.Subject != Subject:
		return fmt.Errorf("the ID token is about %q", t.Subject)
	case c.ACR != "" && t.ACR != c.ACR:
		return fmt.Errorf("the ID token has acr %q instead of %q", t.ACR, c.ACR)
	case len(t.AMR) == 0 || t.AuthTime.IsZero():
		return errors.New("the ID token does not say how and when she authenticated")
	}
	return nil
}

// idToken is what an ID token says, in a line.
func idToken(t rp.Claims) string {
	out := "sub " + t.Subject
	if t.ACR != "" {
		out += ", acr " + t.ACR
	}
	return out + ", amr " + strings.Join(t.AMR, " ") + ", auth_time " + t.AuthTime.UTC().Format(time.RFC3339)
}

// screen is what the phone shows: each request once.
type screen struct {
	heard chan<- *phone.Request
	mu    sync.Mutex
	seen  map[string]bool
}

// Show implements phone.Handler.
func (s *screen) Show(r *phone.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.seen[r.ID] {
		s.seen[r.ID] = true
		s.heard <- r // it holds as many as are ever asked
	}
}

// Clear implements phone.Handler.
func (*screen) Clear(string) {}

// Test implements phone.Handler.
func (*screen) Test() {}

// Online implements phone.Handler.
func (*screen) Online(bool, string) {}
