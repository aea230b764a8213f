// Package policy is a connection's rules, as pure functions: which asks may be
// shown to a user, what she must type, and what her approval is worth to the OP.
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
package policy

import (
	"fmt"
	"slices"

	"github.com/mitome-ciba/mitome/approval"
)

// Book holds the rules of every connection. It implements [approval.Policy].
type Book struct {
	// Observe, if not nil, is told each mark that an ask's words earn: a reason
	// to refuse it, or Vague.
	Observe func(op string, m Mark)

	byDefault judge
	of        map[string]judge
}

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
	b := &Book{of: map[string]judge{}}
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

// rules returns the rules of a connection.
func (b *Book) rules(op string) judge {
	if j, ok := b.of[op]; ok {
		return j
	}
	return b.byDefault
}

// Admit implements [approval.Policy]. The error says which rule was broken and
// repeats nothing of what was sent.
func (b *Book) Admit(a approval.Ask) (approval.Admission, error) {
	j := b.rules(a.OP)
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
	best := approval.Ceremony{UserVerified: true, UserCode: adm.CodeSource != approval.NoCode}
	if _, met := j.grade(values, best); !met {
		return approval.ErrACR
	}
	return nil
}

// Grade implements [approval.Policy]: the acr, and the amr of RFC 8176 and EAP
// ACR Values 1.0.
//
// Of the key it says pop, not hwk or swk, because without a checked attestation
// nobody knows where the key is; and of user verification mfa, never pin, fpt or
// face, because no assertion tells by which of them. The typed code adds nothing:
// there is no amr for a code that only shows that two screens belong together.
func (b *Book) Grade(r approval.Request, c approval.Ceremony) approval.Grade {
	g := approval.Grade{AMR: []string{"pop", "user"}}
	if c.UserVerified {
		g.AMR = append(g.AMR, "mfa")
	}
	g.ACR, g.Met = b.rules(r.OP).grade(r.ACRValues, c)
	return g
}
