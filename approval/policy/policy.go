// Package policy is a connection's rules and its clients', as pure functions:
// which asks may be shown to a user, what she must type, with which passkey she may
// approve, and what her approval is worth to the OP.
//
// # Why
//
// A binding message is the only words of the client that the user reads before
// she says yes, so an attacker who can have a client send a request writes them.
// They must be able to state a fact and nothing else: no link to follow, no
// characters that show other text than they hold, none of the phrases by which
// people are talked into pressing the button.
//
// Merely vague messages are counted and not refused, because refusing them by
// default would break honest clients in a way that their users see first.
//
// An OP that is asked for an acr and not told which was reached may assert what
// was asked for. What cannot be reached is therefore refused at the door where
// it can be known, and denied after the ceremony where it cannot; and of an OP
// that is known to assert everything that was asked for, everything must be
// reached, not the first that can be.
//
// Rules may change between a request and its answer. What a request asks of its
// user was settled when it came: the message that she sees, and the code that she
// must type, stay, though the rules have none any more. Whether she may approve it
// is judged by the rules that are in force when she does, so that an operator who
// makes them stricter need not wait for what is under way. Of both the stricter
// one wins, and denying is no matter of rules.
package policy

import (
	"fmt"
	"slices"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
)

// Book holds the rules of every connection. It implements [approval.Policy].
type Book struct {
	// Observe, if not nil, is told each mark that an ask's words earn: a reason
	// to refuse it, or Vague.
	Observe func(op string, m Mark)

	byDefault judge
	of        map[string]judge
	clients   map[client]judge
	lists     phrases
}

// client is one client of one connection.
type client struct{ op, id string }

// judge is one connection's rules with their phrases made ready.
type judge struct {
	Rules
	refused, vague []words
}

// New returns a Book with rules for each connection, by its name, and for those
// that have none of their own. It returns an error if any of them is wrong.
func New(byDefault Rules, of map[string]Rules) (*Book, error) {
	lists, err := builtin()
	if err != nil {
		return nil, err
	}
	b := &Book{of: map[string]judge{}, clients: map[client]judge{}, lists: lists}
	if b.byDefault, err = newJudge(byDefault, lists); err != nil {
		return nil, err
	}
	for op, r := range of {
		if b.of[op], err = newJudge(r, lists); err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
	}
	return b, nil
}

func newJudge(r Rules, lists phrases) (judge, error) {
	var err error
	r.Check(func(key, text string) {
		if err == nil {
			err = fmt.Errorf("policy: %s %s", key, text)
		}
	})
	if r.BindingMessage == "" {
		r.BindingMessage = ModeShow
	}
	if r.MaxGraphemes == 0 {
		r.MaxGraphemes = defaultGraphemes
	}
	return judge{
		Rules:   r,
		refused: compactAll(slices.Concat(lists.Refused, r.RefusedPhrases)),
		vague:   compactAll(slices.Concat(lists.Vague, r.VaguePhrases)),
	}, err
}

// Client sets the rules of one client of a connection, all of them, in place of
// its connection's.
func (b *Book) Client(op, id string, r Rules) error {
	j, err := newJudge(r, b.lists)
	if err != nil {
		return fmt.Errorf("%s, client %s: %w", op, id, err)
	}
	b.clients[client{op, id}] = j
	return nil
}

// rules returns the rules for what a client asks over a connection. Ids are
// compared to the byte, as OPs do.
func (b *Book) rules(op, id string) judge {
	if j, ok := b.clients[client{op, id}]; ok {
		return j
	}
	if j, ok := b.of[op]; ok {
		return j
	}
	return b.byDefault
}

// Admit implements [approval.Policy]. The error says which rule was broken and
// repeats nothing of what was sent.
func (b *Book) Admit(a approval.Ask) (approval.Admission, error) {
	j := b.rules(a.OP, a.ClientID)
	if err := j.passes(a.Scope); err != nil {
		return approval.Admission{}, err
	}
	text, mark := j.message(a.BindingMessage)
	if mark != "" && b.Observe != nil {
		b.Observe(a.OP, mark)
	}
	if mark != "" && (mark != Vague || j.RefuseVague) {
		return approval.Admission{}, fmt.Errorf("%w: %s", approval.ErrBindingMessage, mark)
	}
	adm, err := j.code(a, text)
	if err != nil {
		return approval.Admission{}, err
	}
	if err := j.admitACR(a.ACRValues, adm); err != nil {
		return approval.Admission{}, err
	}
	return adm, nil
}

// admitACR returns ErrACR if no ceremony that this ask allows could reach what
// was asked for. Whether a code will be typed is known by now; the rest depends
// on the user's device, so the best one is assumed.
func (j judge) admitACR(values []string, adm approval.Admission) error {
	best := j.best(adm.CodeSource != approval.NoCode)
	if _, met := j.grade(values, best); !met {
		return approval.ErrACR
	}
	return nil
}

// keyWords are what RFC 8176 calls where a key is.
var keyWords = map[device.KeyProtection]string{device.KeyHardware: "hwk", device.KeySoftware: "swk"}

// Grade implements [approval.Policy]: the acr, and the amr of RFC 8176 and EAP
// ACR Values 1.0.
//
// Of the key it says pop, and hwk or swk only where an attestation proved it of a
// passkey that stays where it is; of user verification mfa, never pin, fpt or
// face, because no assertion tells by which of them. The typed code adds nothing:
// there is no amr for a code that only shows that two screens belong together, and
// no mca, because what a request says of a code of the user's own is the OP's word.
func (b *Book) Grade(r approval.Request, c approval.Ceremony) approval.Grade {
	g := approval.Grade{}
	if word := keyWords[c.Keys]; word != "" && !c.BackupEligible {
		g.AMR = append(g.AMR, word)
	}
	g.AMR = append(g.AMR, "pop", "user")
	if c.UserVerified {
		g.AMR = append(g.AMR, "mfa")
	}
	j := b.rules(r.OP, r.ClientID)
	g.ACR, g.Met = j.grade(r.ACRValues, c)
	g.Rules = j.strict()
	return g
}
