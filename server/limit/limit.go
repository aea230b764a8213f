// Package limit bounds what strangers may cost: how often one network may try
// what needs no session yet.
package limit

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/mitome-ciba/mitome/server/web"
)

// How often one network may try. What is tried cannot be guessed; this bounds
// what trying costs us.
const (
	tryEvery   = 3 * time.Second
	tryBurst   = 20
	maxCallers = 10_000
)

// Network counts tries by the network they come from. It is bounded: callers
// beyond its room share one count, so that a flood from many addresses makes
// strangers wait and neither memory grow nor the count be forgotten.
//
// The zero value is ready.
type Network struct {
	mu     sync.Mutex
	by     map[netip.Prefix]*rate.Limiter
	others *rate.Limiter
}

// Take charges one try to ip, or returns a *web.RateError.
func (l *Network) Take(ip netip.Addr, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.of(network(ip), now).ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	r.CancelAt(now)
	return &web.RateError{Wait: wait}
}

func (l *Network) of(n netip.Prefix, now time.Time) *rate.Limiter {
	if l.by == nil {
		l.by = map[netip.Prefix]*rate.Limiter{}
		l.others = rate.NewLimiter(rate.Every(tryEvery), tryBurst)
	}
	if one, ok := l.by[n]; ok {
		return one
	}
	if len(l.by) >= maxCallers {
		l.forget(now)
	}
	if len(l.by) >= maxCallers {
		return l.others
	}
	l.by[n] = rate.NewLimiter(rate.Every(tryEvery), tryBurst)
	return l.by[n]
}

// forget drops those who have waited long enough to be as good as new.
func (l *Network) forget(now time.Time) {
	for n, one := range l.by {
		if one.TokensAt(now) >= tryBurst {
			delete(l.by, n)
		}
	}
}

// network is what counts as one caller: an IPv4 address, or the 64 bits of an
// IPv6 network that anybody at home has to himself.
func network(ip netip.Addr) netip.Prefix {
	bits := ip.BitLen()
	if ip.Is6() && !ip.Is4In6() {
		bits = 64
	}
	n, _ := ip.Prefix(bits) // the zero prefix for the zero address
	return n
}
