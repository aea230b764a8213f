// Package op is the seam to OpenID Providers: what a connector (an [Adapter])
// must do, the words for what came of a report, and the one HTTP attempt that
// all connectors share.
//
// # Why
//
// A report's failure is classified by what the OP may have seen, not by its
// status code alone, because some OPs punish a repeated report: Keycloak deletes
// a request that it had already approved.
package op

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/mitome-ciba/mitome/approval"
)

// Adapter speaks one OP's dialect, for one configured connection. Optest.Run
// says, as tests, what every adapter must do.
type Adapter interface {
	// Receive authenticates an OP's HTTP request and reads it. It writes no
	// response; Reply says what the OP expects to hear. It returns
	// ErrUnauthentic if the caller is not the OP, ErrMalformed if it is but
	// cannot be understood. The caller fills in Ask.ID and Ask.OP.
	Receive(*http.Request) (approval.Ask, error)
	// Reply answers in the OP's dialect: the request that came of the ask, or
	// the error of Receive or Accept.
	Reply(http.ResponseWriter, approval.Ask, approval.Request, error)
	// Report makes one attempt to tell the OP how a request ended. Its error, if
	// any, wraps one of the sentinels below. A state that the OP has no word for
	// is nil, with nothing sent.
	Report(context.Context, approval.Request) error
	// RepeatSafe says whether a report of this state that may have arrived may
	// be sent again.
	RepeatSafe(approval.State) bool
}

// Hurried is an Adapter whose OP does not wait for our answer for ever. An ask
// that was answered later than AckWithin is taken back, because the OP has
// given it up and told its client so.
type Hurried interface {
	AckWithin() time.Duration
}

// Waiter is an Adapter whose OP holds some of its calls open until the request is
// final. Such an ask is stored, and the user asked, before anything is answered;
// Reply is then given the request as it ended.
type Waiter interface {
	Waits(approval.Ask) bool
}

// Poller is an Adapter whose OP asks in its own dialect how a request stands.
type Poller interface {
	// Poll authenticates and reads the question, and returns the Ask.Ref of the
	// request that is meant. Its errors are those of Receive.
	Poll(*http.Request) (ref string, err error)
	// Result answers it: with the request as it stands, or the error of Poll, or
	// approval.ErrNotFound.
	Result(w http.ResponseWriter, r approval.Request, err error)
}

// Margin is the least time that every adapter leaves between Ask.ExpiresAt and
// the moment when the OP itself gives the request up. A report may still leave
// in it: somebody who answered in the last second has answered in time.
const Margin = 3 * time.Second

// Why an ask was not read.
var (
	ErrUnauthentic = errors.New("op: caller is not the OP")
	ErrMalformed   = errors.New("op: ask cannot be read")
)

// What an attempt to report came to, when it did not plainly succeed.
var (
	ErrNotSent    = errors.New("op: report never left")              // repeating is safe
	ErrUnsure     = errors.New("op: report may have arrived")        // repeating may do harm
	ErrRefused    = errors.New("op: report was refused")             // repeating is useless
	ErrNotRelayed = errors.New("op: taken, but the client not told") // taken by the OP, which could not ping its client
)

// Deps is what an adapter is given beside its own configuration.
type Deps struct {
	Name   string       // configured name of the connection
	Client *http.Client // for every outgoing call; does not follow redirects
	Log    *slog.Logger
	Now    func() time.Time
	// About reads what is known of a request beside it, for an OP that is told
	// more than yes or no. It is nil while a configuration is only checked.
	About func(context.Context, approval.Request) (About, error)
	// PublicURL is where Mitome's users reach it, and its name to others.
	PublicURL string
	// EndsTLS: the TLS of OPs' calls ends here, so that a certificate of theirs is
	// seen. ClientCAs are who must have issued it; nil: nobody in particular.
	EndsTLS   bool
	ClientCAs *x509.CertPool
}

// About is what is known of a request beside it.
type About struct {
	Subject  string // the OP's own name for the user
	Evidence string // JWS of the decision; empty where nobody decided
	// DeliveredTo is how many of the user's addresses took the request, by channel.
	DeliveredTo map[string]int
}

// Kind opens one kind of connection. Decode fills the kind's own Config from
// the connection's part of the configuration file and refuses unknown keys.
type Kind func(decode func(any) error, d Deps) (Adapter, error)
