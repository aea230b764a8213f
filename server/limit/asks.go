package limit

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mitome-ciba/mitome/approval"
)

// Rates is how much one connection may ask in a minute. Zero is no limit.
type Rates struct {
	Client int           // by one client
	OP     int           // by all of them
	Users  int           // different users, by one client
	Open   time.Duration // how long a client that asked for more of them asks for nobody
}

// The reasons why an ask is not taken.
const (
	OverClient  = "client_rate"
	OverOP      = "op_rate"
	OverBreaker = "breaker"
)

// AskCount is what one client asked in one minute.
type AskCount struct {
	OP, Client string
	Minute     int64 // since 1970
	Asks       int
	Users      int // different ones, as each node saw them
}

// Breaker is a client that asks for nobody for a while.
type Breaker struct {
	OP, Client string
	Until      time.Time
}

// Refused is how often a client was not taken since it was last written down.
type Refused struct {
	OP, Client, Reason string
	Times              int
}

// AskNews is what one node has to tell the others.
type AskNews struct {
	Counts   []AskCount
	Breakers []Breaker // that opened
	Refused  []Refused // for the audit log
	Since    int64     // the first minute that still counts
}

// AskStore is where nodes meet. Package server/store implements it.
type AskStore interface {
	// MergeAsks adds what this node counted and returns what all have counted since
	// news.Since, and the breakers that are open.
	MergeAsks(ctx context.Context, news AskNews) ([]AskCount, []Breaker, error)
}

// mergeEvery is how far behind the other nodes one may be.
const mergeEvery = time.Second

// maxClients bounds how many clients are counted apart; the others share a count.
const maxClients = 10_000

// Asks bounds how much the clients of each connection ask, and breaks with one that
// asks for many different users: that is what somebody does who has a list of
// them (bulk requests, attack B4.1 of the Internet-Draft on cross-device flows).
// It implements [approval.Gate].
//
// Each node counts by itself and they merge once a second, because a row that all
// asks write would put them in a queue. Together they may therefore take a
// second's worth of asks too many for each further node.
//
// The minute slides: of the one before as much counts as is not a minute ago.
type Asks struct {
	Rates   map[string]Rates // by connection; one that is not there has no limits
	Store   AskStore
	Observe func(op, reason string)
	Log     *slog.Logger
	Now     func() time.Time

	mu      sync.Mutex
	seed    maphash.Seed
	clients map[asker]*asked
	refused map[Refused]int
	opened  []Breaker
}

// asker is a client of a connection, or with all set every client of it.
type asker struct {
	op, client string
	all        bool
}

type asked struct {
	minutes map[int64]*minute
	until   time.Time // the breaker is open
}

// minute is what was asked in one: as all nodes knew at the last merge, and what
// this one has counted since.
type minute struct {
	asks, users       int
	newAsks, newUsers int
	seen              map[uint64]struct{}
}

// Take implements [approval.Gate].
func (l *Asks) Take(a approval.Ask, now time.Time) bool {
	rates, ok := l.Rates[a.OP]
	if !ok {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.make()
	client, op := l.of(clientOf(a)), l.of(asker{op: a.OP, all: true})
	reason := l.judge(rates, client, op, now)
	if reason == "" && rates.Users > 0 && !a.ByCode() { // who shows a code stands there
		reason = l.meet(rates, client, a, now)
	}
	if reason != "" {
		l.refused[Refused{OP: a.OP, Client: clientOf(a).client, Reason: reason}]++
		l.Observe(a.OP, reason)
		return false
	}
	client.at(now).newAsks++
	op.at(now).newAsks++
	return true
}

// judge says what is against another ask, whomever it means.
func (l *Asks) judge(rates Rates, client, op *asked, now time.Time) string {
	switch {
	case now.Before(client.until):
		return OverBreaker
	case rates.Client > 0 && client.asksAt(now) >= rates.Client:
		return OverClient
	case rates.OP > 0 && op.asksAt(now) >= rates.OP:
		return OverOP
	}
	return ""
}

// meet counts whom a means, and opens the breaker if there were many others.
// Whether there is such a user makes no difference: a list holds both.
func (l *Asks) meet(rates Rates, client *asked, a approval.Ask, now time.Time) string {
	who := maphash.Comparable(l.seed, a.Subject)
	m := client.at(now)
	if _, ok := m.seen[who]; ok {
		return ""
	}
	if client.usersAt(now) >= rates.Users {
		client.until = now.Add(rates.Open)
		l.opened = append(l.opened, Breaker{OP: a.OP, Client: clientOf(a).client, Until: client.until})
		return OverBreaker
	}
	m.seen[who] = struct{}{}
	m.newUsers++
	return ""
}

func (l *Asks) make() {
	if l.clients == nil {
		l.seed, l.clients, l.refused = maphash.MakeSeed(), map[asker]*asked{}, map[Refused]int{}
	}
}

// of returns who is counted as a.
func (l *Asks) of(a asker) *asked {
	if one, ok := l.clients[a]; ok {
		return one
	}
	if len(l.clients) >= maxClients && !a.all && a.client != "" {
		return l.of(asker{op: a.op})
	}
	one := &asked{minutes: map[int64]*minute{}}
	l.clients[a] = one
	return one
}

// clientOf is whom a is counted for, in text that can be stored.
func clientOf(a approval.Ask) asker {
	client := strings.ToValidUTF8(strings.ReplaceAll(a.ClientID, "\x00", ""), "")
	if len(client) > 255 {
		client = strings.ToValidUTF8(client[:255], "")
	}
	return asker{op: a.OP, client: client}
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// at returns the minute of now.
func (c *asked) at(now time.Time) *minute { return c.minute(minuteOf(now)) }

func (c *asked) minute(n int64) *minute {
	m, ok := c.minutes[n]
	if !ok {
		m = &minute{seen: map[uint64]struct{}{}}
		c.minutes[n] = m
	}
	return m
}

func (c *asked) asksAt(now time.Time) int {
	return c.sliding(now, func(m *minute) int { return m.asks + m.newAsks })
}

func (c *asked) usersAt(now time.Time) int {
	return c.sliding(now, func(m *minute) int { return m.users + m.newUsers })
}

func (c *asked) sliding(now time.Time, count func(*minute) int) int {
	n := minuteOf(now)
	sum := count(c.at(now))
	if before, ok := c.minutes[n-1]; ok {
		sum += count(before) * int(60-now.Unix()%60) / 60
	}
	return sum
}

// Run merges with the other nodes until ctx ends, and once more then: what was
// counted is to outlive a restart.
func (l *Asks) Run(ctx context.Context) error {
	tick := time.NewTicker(mergeEvery)
	defer tick.Stop()
	for {
		l.merge(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), mergeEvery)
			defer cancel()
			l.merge(last)
			return nil
		}
	}
}

// merge logs what goes wrong: until the database is back each node bounds by what
// it knows itself.
func (l *Asks) merge(ctx context.Context) {
	if err := l.Merge(ctx); err != nil && ctx.Err() == nil {
		l.Log.Error("what clients ask cannot be merged with other nodes", "err", err)
	}
}

// Merge tells the other nodes what was counted here and learns what they have.
func (l *Asks) Merge(ctx context.Context) error {
	now := l.Now()
	news := l.news(now)
	counts, breakers, err := l.Store.MergeAsks(ctx, news)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil { // told again the next time
		for _, r := range news.Refused {
			times := r.Times
			r.Times = 0
			l.refused[r] += times
		}
		l.opened = append(l.opened, news.Breakers...)
		return fmt.Errorf("merge asks: %w", err)
	}
	for _, r := range news.Refused {
		l.Log.Warn("a client asks too much", "op", r.OP, "client_id", r.Client, "reason", r.Reason, "times", r.Times)
	}
	l.told(news.Counts)
	l.learn(counts, breakers)
	l.forget(now, news.Since)
	return nil
}

// news is what the others do not know yet.
func (l *Asks) news(now time.Time) AskNews {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.make()
	out := AskNews{Since: minuteOf(now) - 1, Breakers: l.opened}
	l.opened = nil
	for a, c := range l.clients {
		if a.all {
			continue
		}
		for n, m := range c.minutes {
			if m.newAsks > 0 || m.newUsers > 0 {
				out.Counts = append(out.Counts, AskCount{a.op, a.client, n, m.newAsks, m.newUsers})
			}
		}
	}
	for r, times := range l.refused {
		r.Times = times
		out.Refused = append(out.Refused, r)
	}
	clear(l.refused)
	// Nodes that wrote the same rows in another order would wait for each other.
	slices.SortFunc(out.Counts, func(a, b AskCount) int {
		return cmp.Or(cmp.Compare(a.Minute, b.Minute), strings.Compare(a.OP, b.OP), strings.Compare(a.Client, b.Client))
	})
	slices.SortFunc(out.Breakers, func(a, b Breaker) int {
		return cmp.Or(strings.Compare(a.OP, b.OP), strings.Compare(a.Client, b.Client))
	})
	return out
}

// told takes off what is now part of everybody's count.
func (l *Asks) told(counts []AskCount) {
	for _, c := range counts {
		m := l.of(asker{op: c.OP, client: c.Client}).minute(c.Minute)
		m.newAsks, m.newUsers = m.newAsks-c.Asks, m.newUsers-c.Users
		all := l.of(asker{op: c.OP, all: true}).minute(c.Minute)
		all.newAsks -= c.Asks
	}
}

// learn takes over what all nodes have counted.
func (l *Asks) learn(counts []AskCount, breakers []Breaker) {
	sums := map[*minute]int{}
	for _, c := range counts {
		m := l.of(asker{op: c.OP, client: c.Client}).minute(c.Minute)
		m.asks, m.users = c.Asks, c.Users
		sums[l.of(asker{op: c.OP, all: true}).minute(c.Minute)] += c.Asks
	}
	for m, asks := range sums {
		m.asks = asks
	}
	for _, b := range breakers {
		c := l.of(asker{op: b.OP, client: b.Client})
		if c.until.Before(b.Until) {
			c.until = b.Until
		}
	}
}

// forget drops what counts no more.
func (l *Asks) forget(now time.Time, since int64) {
	for a, c := range l.clients {
		for n := range c.minutes {
			if n < since {
				delete(c.minutes, n)
			}
		}
		if len(c.minutes) == 0 && !now.Before(c.until) {
			delete(l.clients, a)
		}
	}
}
