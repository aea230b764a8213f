package config

import (
	"fmt"
	"path/filepath"

	"github.com/mitome-ciba/mitome/approval/policy"
)

// Places is from what Mitome knows where an address is.
type Places struct {
	File string `koanf:"file" desc:"File in MaxMind's format (.mmdb) of cities, countries or networks, by which a user is shown where the consumption device is and whether that is where she is; docs/places.md. It is kept in memory, and read again within ten seconds of a change." derived:"nothing is said of places"`
}

// validatePlaces finds rules from which nothing would ever follow.
func (c Config) validatePlaces(f *Faults) {
	if c.Places.File != "" {
		if !filepath.IsAbs(c.Places.File) {
			f.add("places.file", "must be an absolute path.")
		}
		return
	}
	needed := func(path string, r policy.Rules) {
		if r.Far == "code" || r.Far == "refuse" {
			f.add(path+".rules.far", "needs places.file: without it nothing is far.")
		}
	}
	for i, o := range c.OPs {
		needed(fmt.Sprintf("ops[%d]", i), o.Rules)
		for k, cl := range o.Clients {
			if cl.Rules.Far != o.Rules.Far {
				needed(clientPath(i, k), cl.Rules)
			}
		}
	}
}
