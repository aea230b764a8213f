package main

import (
	"net/netip"
	"testing"

	"github.com/mitome-ciba/mitome/server/config"
)

// TestNetworksInOtherClothes: an IPv4 network that is written as IPv6 admits whom
// it names, because callers are known by their IPv4 address.
func TestNetworksInOtherClothes(t *testing.T) {
	n := &node{config: config.Config{OPs: []config.OP{
		{Name: "mapped", Networks: []netip.Prefix{netip.MustParsePrefix("::ffff:10.1.0.0/112")}},
		{Name: "plain", Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}},
		{Name: "free"},
	}}}
	networks := n.networks()
	for ip, want := range map[string]bool{"10.1.2.3": true, "10.2.0.1": false, "192.0.2.1": false} {
		for _, name := range []string{"mapped", "plain"} {
			if got := networks.Admit(name, netip.MustParseAddr(ip)); got != want {
				t.Errorf("%s from %s: got %v, want %v", name, ip, got, want)
			}
		}
	}
	if !networks.Admit("plain", netip.MustParseAddr("fd00::1")) || networks.Admit("mapped", netip.MustParseAddr("fd00::1")) {
		t.Error("IPv6 networks are not told apart")
	}
	if !networks.Admit("free", netip.Addr{}) || networks.Admit("plain", netip.Addr{}) {
		t.Error("who has no address comes from nowhere, and that is enough where anywhere is")
	}
}
