package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNetworksOfAnOP: they are networks, and of a Unix socket nobody can tell.
func TestNetworksOfAnOP(t *testing.T) {
	with := func(networks, more string) string {
		return strings.Replace(minimal, "kind: keycloak", "kind: keycloak, networks: "+networks, 1) + more + "\n"
	}
	c, err := Load(write(t, with("[10.0.0.0/8, 'fd00::/8', 192.0.2.1/32]", "")), nil)
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("192.0.2.1/32")}
	if err != nil || !slices.Equal(c.OPs[0].Networks, want) {
		t.Errorf("got %v, %v, want %v", c.OPs, err, want)
	}
	for text, path := range map[string]string{
		with("[192.0.2.1]", ""):                                   "ops[0].networks[0]",
		with("[op.example]", ""):                                  "ops[0].networks[0]",
		with("[10.0.0.0/8]", "listen: {ops: 'unix:/run/x.sock'}"): "ops[0].networks",
	} {
		_, err := Load(write(t, text), nil)
		var faults Faults
		if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Path != path {
			t.Errorf("got %v, want one fault at %s", err, path)
		}
	}
}

// TestClientCAs: a file without a certificate is no CA, and none at all is no
// fault.
func TestClientCAs(t *testing.T) {
	if pool, err := (OPsTLS{}).ClientCAs(); pool != nil || err != nil {
		t.Errorf("none: got %v, %v", pool, err)
	}
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("no certificate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{empty, "/nonexistent"} {
		if pool, err := (OPsTLS{ClientCAFile: path}).ClientCAs(); pool != nil || err == nil {
			t.Errorf("%s: got %v, %v, want an error", path, pool, err)
		}
	}
}
