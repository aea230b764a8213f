package keycloak_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/op"
)

// keysCase is an adapter, its realm and a clock.
type keysCase struct {
	*fakeKeycloak
	t       *testing.T
	clock   *clock
	adapter op.Adapter
}

func newKeysCase(t *testing.T, keys ...signer) *keysCase {
	c := &keysCase{fakeKeycloak: newFake(t, keys...), t: t, clock: &clock{now}}
	c.adapter = open(t, deps(c.clock), map[string]any{"issuer": c.issuer()})
	return c
}

// receive sends an ask that was signed by s just now.
func (c *keysCase) receive(s signer) error {
	c.t.Helper()
	_, err := c.adapter.Receive(ask(s.sign(c.t, tokenClaims(c.issuer(), c.clock.now)), genuineBody))
	return err
}

func (c *keysCase) wantFetches(n int) {
	c.t.Helper()
	c.set(func(f *fakeKeycloak) {
		if f.fetches != n {
			c.t.Errorf("keys were fetched %d times, want %d", f.fetches, n)
		}
	})
}

func TestKeysAreFetchedOnce(t *testing.T) {
	k := newSigner(t, "k1")
	c := newKeysCase(t, k)
	for range 5 {
		if err := c.receive(k); err != nil {
			t.Fatal(err)
		}
	}
	c.wantFetches(1)
}

func TestRotatedKeyIsFound(t *testing.T) {
	old, fresh := newSigner(t, "k1"), newSigner(t, "k2")
	c := newKeysCase(t, old)
	if err := c.receive(old); err != nil {
		t.Fatal(err)
	}
	c.set(func(f *fakeKeycloak) { f.keys = []signer{fresh, old} })
	c.clock.now = c.clock.now.Add(2 * time.Second)
	if err := c.receive(fresh); err != nil {
		t.Errorf("new key: got %v, want it to be found at once", err)
	}
	if err := c.receive(old); err != nil {
		t.Errorf("old key: got %v, want it still good", err)
	}
	c.wantFetches(2)
}

// Anybody can make a token that names a key nobody has. That must not have us
// hammer Keycloak.
func TestUnknownKeysAreRateLimited(t *testing.T) {
	k := newSigner(t, "k1")
	c := newKeysCase(t, k)
	if err := c.receive(k); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := c.receive(signer{fmt.Sprint("made-up-", i), k.key}); !errors.Is(err, op.ErrUnauthentic) {
			t.Fatalf("got %v, want %v", err, op.ErrUnauthentic)
		}
		c.clock.now = c.clock.now.Add(20 * time.Millisecond)
	}
	c.wantFetches(2) // the first, and one in the two seconds that passed
}

func TestKeysOutliveKeycloaksAbsence(t *testing.T) {
	k := newSigner(t, "k1")
	c := newKeysCase(t, k)
	if err := c.receive(k); err != nil {
		t.Fatal(err)
	}
	c.set(func(f *fakeKeycloak) { f.down = true })
	for range 10 { // ten hours, and a look five seconds after each
		c.clock.now = c.clock.now.Add(time.Hour)
		if err := c.receive(k); err != nil {
			t.Fatalf("got %v, want the key to be good while Keycloak cannot be asked", err)
		}
		c.clock.now = c.clock.now.Add(5 * time.Second)
		if err := c.receive(k); err != nil {
			t.Fatal(err)
		}
	}
	c.wantFetches(11) // one an hour: a realm that is down is not asked for each request
}

func TestWithdrawnKeyDies(t *testing.T) {
	old, fresh := newSigner(t, "k1"), newSigner(t, "k2")
	c := newKeysCase(t, old, fresh)
	if err := c.receive(old); err != nil {
		t.Fatal(err)
	}
	c.set(func(f *fakeKeycloak) { f.keys = []signer{fresh} })
	c.clock.now = c.clock.now.Add(10 * time.Minute)
	if err := c.receive(old); !errors.Is(err, op.ErrUnauthentic) {
		t.Errorf("got %v, want %v: the realm has no such key any more", err, op.ErrUnauthentic)
	}
}

func TestKeycloakThatIsNotUpYet(t *testing.T) {
	k := newSigner(t, "k1")
	c := newKeysCase(t, k)
	c.set(func(f *fakeKeycloak) { f.down = true })
	if err := c.receive(k); !errors.Is(err, op.ErrUnauthentic) {
		t.Errorf("got %v, want %v: nothing can be verified", err, op.ErrUnauthentic)
	}
	c.set(func(f *fakeKeycloak) { f.down = false })
	c.clock.now = c.clock.now.Add(time.Second)
	if err := c.receive(k); err != nil {
		t.Errorf("got %v, want it to recover within a second", err)
	}
}

// Many first requests at once share one fetch, and one that hangs up does not
// spoil it.
func TestFetchIsShared(t *testing.T) {
	k := newSigner(t, "k1")
	c := newKeysCase(t, k)
	held := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-held
		c.ServeHTTP(w, r)
	}))
	t.Cleanup(slow.Close)
	a := open(t, deps(c.clock), map[string]any{"issuer": c.issuer(), "internal_url": slow.URL})
	var wg sync.WaitGroup
	for range 8 {
		r := ask(k.sign(t, tokenClaims(c.issuer(), now)), genuineBody)
		wg.Go(func() {
			if _, err := a.Receive(r); err != nil {
				t.Errorf("got %v, want no error", err)
			}
		})
	}
	close(held)
	wg.Wait()
	c.wantFetches(1)
}
