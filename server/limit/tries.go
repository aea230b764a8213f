package limit

import (
	"sync"
	"time"

	"github.com/mitome-ciba/mitome/server/web"
)

// Tries counts by name who was wrong, and takes no try from one who was wrong too
// often of late. Who is right may come as often as he likes: a chain of shops is
// one client.
//
// The zero value is ready. It is bounded as [Network] is.
type Tries struct {
	mu sync.Mutex
	by map[string]*tries
}

// tries is how many may be wrong yet.
type tries struct {
	left float64
	at   time.Time
}

func (t *tries) refill(now time.Time) {
	if d := now.Sub(t.at); d > 0 {
		t.left, t.at = min(tryBurst, t.left+float64(d)/float64(tryEvery)), now
	}
}

// Begin takes one try of name, or returns a *web.RateError. It is charged before
// it is known whether it is wrong, so that many at once are not as good as one;
// end gives it back to one who was right.
func (l *Tries) Begin(name string, now time.Time) (end func(wrong bool), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.of(name, now)
	t.refill(now)
	if t.left < 1 {
		return nil, &web.RateError{Wait: time.Duration((1 - t.left) * float64(tryEvery))}
	}
	t.left--
	return func(wrong bool) {
		if wrong {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		t.left = min(tryBurst, t.left+1)
	}, nil
}

func (l *Tries) of(name string, now time.Time) *tries {
	if l.by == nil {
		l.by = map[string]*tries{}
	}
	if t, ok := l.by[name]; ok {
		return t
	}
	if len(l.by) >= maxCallers {
		for n, t := range l.by {
			if t.refill(now); t.left >= tryBurst {
				delete(l.by, n)
			}
		}
	}
	if len(l.by) >= maxCallers {
		name = "" // those without room share one count
		if t, ok := l.by[name]; ok {
			return t
		}
	}
	t := &tries{tryBurst, now}
	l.by[name] = t
	return t
}
