package config

import (
	"slices"
	"testing"

	"github.com/mitome-ciba/mitome/approval/policy"
)

// TestPlaces: a rule about what is far needs something by which it could be.
func TestPlaces(t *testing.T) {
	with := func(file string, rules policy.Rules, clients ...policy.Rules) (c Config) {
		c.Places.File = file
		o := OP{Rules: rules}
		for _, r := range clients {
			o.Clients = append(o.Clients, Client{Rules: r})
		}
		c.OPs = []OP{o}
		return c
	}
	for _, tt := range []struct {
		name   string
		config Config
		want   []string // the keys at fault
	}{
		{"nothing", with("", policy.Rules{}), nil},
		{"warn", with("", policy.Rules{Far: "warn"}), nil},
		{"code", with("", policy.Rules{Far: "code"}), []string{"ops[0].rules.far"}},
		{"refuse", with("", policy.Rules{Far: "refuse"}, policy.Rules{Far: "refuse"}), []string{"ops[0].rules.far"}},
		{"a client's own", with("", policy.Rules{}, policy.Rules{}, policy.Rules{Far: "code"}), []string{"ops[0].clients[1].rules.far"}},
		{"a file", with("/etc/places.mmdb", policy.Rules{Far: "refuse"}, policy.Rules{Far: "code"}), nil},
		{"a file in no folder", with("places.mmdb", policy.Rules{}), []string{"places.file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f Faults
			tt.config.validatePlaces(&f)
			var got []string
			for _, fault := range f {
				got = append(got, fault.Path)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want faults of %v", f, tt.want)
			}
		})
	}
}
