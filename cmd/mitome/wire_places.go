package main

import (
	"log/slog"

	"github.com/mitome-ciba/mitome/server/config"
	"github.com/mitome-ciba/mitome/server/places"
)

// openPlaces reads the file of places; nil if there is none.
func openPlaces(c config.Config, log *slog.Logger) (*places.File, config.Faults) {
	if c.Places.File == "" {
		return nil, nil
	}
	f, err := places.Open(c.Places.File, log)
	if err != nil {
		return nil, config.Faults{{Path: "places.file", Text: "cannot be used: " + err.Error() + "."}}
	}
	return f, nil
}

// locate has requests know where they are made.
func (n *node) locate() error {
	f, faults := openPlaces(n.config, n.log)
	if len(faults) > 0 {
		return configFaults{faults}
	}
	if f != nil { // a nil *File in the interface would not be nil
		n.places, n.requests.Places = f, f
	}
	return nil
}
