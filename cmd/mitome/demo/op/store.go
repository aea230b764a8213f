package op

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"
)

// keep is how long what is over is remembered, so that a client that asks late
// is told what happened.
const keep = 10 * time.Minute

// desk is all that the OP remembers, in memory: go-oidc's sessions and grants,
// and which of them belongs to which request of Mitome. It hands out copies, so
// that what a caller changes counts only once it is saved.
type desk struct {
	interval time.Duration

	turn     sync.Mutex // one call of the token endpoint at a time
	mu       sync.Mutex
	sessions map[string]goidc.AuthnSession // by id
	grants   map[string]goidc.Grant        // by id
	flows    map[string]*flow              // by auth_req_id
	jtis     map[string]time.Time
	asking   int           // requests that Mitome may know of and we do not yet
	changed  chan struct{} // closed and replaced when one of them is known
}

// flow is one CIBA request on its way through Mitome.
type flow struct {
	session  string // id
	mitome   string // id of the request there
	settled  bool
	polled   time.Time
	interval time.Duration
	expires  time.Time
}

func newDesk(interval time.Duration) *desk {
	return &desk{
		interval: interval,
		sessions: map[string]goidc.AuthnSession{}, grants: map[string]goidc.Grant{},
		flows: map[string]*flow{}, jtis: map[string]time.Time{},
		changed: make(chan struct{}),
	}
}

// SaveSession implements goidc.CIBAManager. With its first save a request
// becomes one that a decision can be found for.
func (d *desk) SaveSession(_ context.Context, s *goidc.AuthnSession) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := *s
	c.Store = maps.Clone(s.Store)
	d.sessions[s.ID] = c
	if id, ok := s.Store[storeMitome].(string); ok && d.flows[s.AuthReqID] == nil {
		d.flows[s.AuthReqID] = &flow{session: s.ID, mitome: id, interval: d.interval, expires: time.Unix(int64(s.ExpiresAt), 0)}
		d.heard()
	}
	return nil
}

// Session implements goidc.CIBAManager.
func (d *desk) Session(_ context.Context, id string) (*goidc.AuthnSession, error) {
	return d.session(func(s goidc.AuthnSession) bool { return s.ID == id })
}

// SessionByAuthReqID implements goidc.CIBAManager.
func (d *desk) SessionByAuthReqID(_ context.Context, id string) (*goidc.AuthnSession, error) {
	return d.session(func(s goidc.AuthnSession) bool { return s.AuthReqID == id })
}

func (d *desk) session(is func(goidc.AuthnSession) bool) (*goidc.AuthnSession, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sessions {
		if is(s) {
			s.Store = maps.Clone(s.Store)
			return &s, nil
		}
	}
	return nil, goidc.ErrNotFound
}

// SaveGrant implements goidc.GrantManager.
func (d *desk) SaveGrant(_ context.Context, g *goidc.Grant) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := *g
	c.Store = maps.Clone(g.Store)
	d.grants[g.ID] = c
	return nil
}

// Grant implements goidc.GrantManager.
func (d *desk) Grant(_ context.Context, id string) (*goidc.Grant, error) {
	return d.grant(func(g goidc.Grant) bool { return g.ID == id })
}

// GrantByAuthReqID implements goidc.CIBAManager.
func (d *desk) GrantByAuthReqID(_ context.Context, id string) (*goidc.Grant, error) {
	return d.grant(func(g goidc.Grant) bool { return g.AuthReqID == id })
}

// GrantByRefreshToken implements goidc.RefreshTokenManager.
func (d *desk) GrantByRefreshToken(_ context.Context, token string) (*goidc.Grant, error) {
	return d.grant(func(g goidc.Grant) bool { return g.RefreshToken == token })
}

func (d *desk) grant(is func(goidc.Grant) bool) (*goidc.Grant, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, g := range d.grants {
		if is(g) {
			g.Store = maps.Clone(g.Store)
			return &g, nil
		}
	}
	return nil, goidc.ErrNotFound
}

// consume takes the jti of a client's JWT once.
func (d *desk) consume(_ context.Context, jti string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, used := d.jtis[jti]; used {
		return errors.New("jti was used before")
	}
	d.jtis[jti] = time.Now()
	return nil
}

// begin notes that Mitome is about to be asked, and forgets what is long over.
func (d *desk) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asking++
	past := time.Now().Add(-keep)
	maps.DeleteFunc(d.flows, func(_ string, f *flow) bool {
		if f.expires.Before(past) {
			delete(d.sessions, f.session)
			return true
		}
		return false
	})
	maps.DeleteFunc(d.grants, func(_ string, g goidc.Grant) bool {
		return g.RefreshToken == "" && time.Unix(int64(g.CreatedAt), 0).Before(past)
	})
	maps.DeleteFunc(d.jtis, func(_ string, at time.Time) bool { return at.Before(time.Now().Add(-2 * time.Hour)) })
}

// end notes that Mitome did not take the request.
func (d *desk) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard()
}

// heard wakes those who look for a request that was on its way.
func (d *desk) heard() {
	d.asking--
	close(d.changed)
	d.changed = make(chan struct{})
}

// find returns the auth_req_id of Mitome's request. While others are on their
// way it may be one of them, and is waited for: Mitome's word can overtake the
// answer to the call that made the request, and go-oidc saves it later still.
func (d *desk) find(ctx context.Context, mitome string) (authReqID string, ok bool) {
	for {
		d.mu.Lock()
		for id, f := range d.flows {
			if f.mitome == mitome {
				d.mu.Unlock()
				return id, true
			}
		}
		asking, changed := d.asking, d.changed
		d.mu.Unlock()
		if asking == 0 {
			return "", false
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", false
		}
	}
}

// asked returns Mitome's id of the request that a client knows by its
// auth_req_id.
func (d *desk) asked(authReqID string) (mitome string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.flows[authReqID]
	if f == nil {
		return "", false
	}
	return f.mitome, true
}

// settle says whether this is the first decision on a request. go-oidc would
// let a later one change it.
func (d *desk) settle(authReqID string) (first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.flows[authReqID]
	if f == nil || f.settled {
		return false
	}
	f.settled = true
	return true
}

// tooFast says whether a client asks again before its interval is over, which
// from then on is five seconds longer (CIBA Core §11). Once there is a decision
// nobody is kept from it.
func (d *desk) tooFast(authReqID string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.flows[authReqID]
	if f == nil || f.settled {
		return false
	}
	early := !f.polled.IsZero() && now.Sub(f.polled) < f.interval-slack
	f.polled = now
	if early {
		f.interval += 5 * time.Second
	}
	return early
}

// slack forgives a client the network's own unsteadiness.
const slack = 500 * time.Millisecond
