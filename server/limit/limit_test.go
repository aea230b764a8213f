package limit_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/server/limit"
	"github.com/mitome-ciba/mitome/server/web"
)

func TestNetwork(t *testing.T) {
	var n limit.Network
	now := time.Now()
	spend := func(addr string) (taken int, err error) {
		for ; err == nil && taken < 100; taken++ {
			err = n.Take(netip.MustParseAddr(addr), now)
		}
		return taken - 1, err
	}
	for _, tt := range []struct {
		name, addr string
		want       int
	}{
		{"a burst", "192.0.2.1", 20},
		{"and no more", "192.0.2.1", 0},
		{"another address", "192.0.2.2", 20},
		{"one home", "2001:db8:0:1::1", 20},
		{"the same home", "2001:db8:0:1:ffff::2", 0},
		{"the next home", "2001:db8:0:2::1", 20},
	} {
		taken, err := spend(tt.addr)
		var rate *web.RateError
		if taken != tt.want || !errors.As(err, &rate) || rate.Wait <= 0 || rate.Wait > 3*time.Second {
			t.Errorf("%s: %d were taken, then %v", tt.name, taken, err)
		}
	}
	now = now.Add(3 * time.Second)
	if taken, _ := spend("192.0.2.1"); taken != 1 {
		t.Errorf("after a wait %d were taken", taken)
	}
}

// TestFlood: many strangers make strangers wait, and those who came before keep
// their own count.
func TestFlood(t *testing.T) {
	var n limit.Network
	now := time.Now()
	first := netip.MustParseAddr("192.0.2.1")
	if err := n.Take(first, now); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range 10_100 {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if n.Take(addr, now) != nil {
			refused++
		}
	}
	if refused != 81 { // 101 beyond the room, 20 of them within the common burst
		t.Errorf("%d were refused", refused)
	}
	if err := n.Take(first, now); err != nil {
		t.Errorf("who came first: %v", err)
	}
	// Those who have been quiet make room.
	if err := n.Take(netip.MustParseAddr("192.0.2.9"), now.Add(time.Minute)); err != nil {
		t.Error(err)
	}
}
