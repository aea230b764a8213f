package userapi

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/mitome-ciba/mitome/server/web"
)

// How often one network may try to claim a pairing. A secret cannot be guessed;
// this bounds what trying costs us.
const (
	claimEvery = 3 * time.Second
	claimBurst = 20
	maxCallers = 10_000
)

// limiter counts claims by the network they come from. It is bounded: callers
// beyond its room share one count, so that a flood from many addresses makes
// strangers wait and neither memory grow nor the count be forgotten.
//
// The zero value is ready.
type limiter struct {
	mu     sync.Mutex
	by     map[netip.Prefix]*rate.Limiter
	others *rate.Limiter
}

// take charges one claim to ip, or returns a *web.RateError.
func (l *limiter) take(ip netip.Addr, now time.Time) error {
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

func (l *limiter) of(n netip.Prefix, now time.Time) *rate.Limiter {
	if l.by == nil {
		l.by = map[netip.Prefix]*rate.Limiter{}
		l.others = rate.NewLimiter(rate.Every(claimEvery), claimBurst)
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
	l.by[n] = rate.NewLimiter(rate.Every(claimEvery), claimBurst)
	return l.by[n]
}

// forget drops those who have waited long enough to be as good as new.
func (l *limiter) forget(now time.Time) {
	for n, one := range l.by {
		if one.TokensAt(now) >= claimBurst {
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
