package main

import (
	"log/slog"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/mds"
	"github.com/mitome-ciba/mitome/server/config"
)

// openMetadata reads the metadata of authenticators; nil if there is none.
func openMetadata(c config.Config, log *slog.Logger) (*mds.File, config.Faults) {
	if !c.Attestation.Set() {
		return nil, nil
	}
	f, err := mds.Open(mds.Options{Path: c.Attestation.Metadata, Root: c.Attestation.Root, Log: log, Now: time.Now})
	if err != nil {
		return nil, config.Faults{{Path: "attestation", Text: "cannot be used: " + err.Error() + "."}}
	}
	return f, nil
}

// attests reports whether some client of o requires attestation.
func attests(o config.OP) bool {
	_, some := o.Attests()
	return some
}

// attest has authenticators asked what they are, where a connection wants it.
//
// A pairing is refused only where no client could make use of the device. Where
// some clients could, it is asked and taken as it is: to be paired says nothing of
// what a device may approve (design decision 19 is about whose it is).
func (n *node) attest() error {
	f, faults := openMetadata(n.config, n.log)
	if len(faults) > 0 {
		return configFaults{faults}
	}
	if f == nil {
		return nil
	}
	proofs := map[string]device.Proof{}
	for _, o := range n.config.OPs {
		switch all, some := o.Attests(); {
		case all:
			proofs[o.Name] = device.ProofRequired
		case some:
			proofs[o.Name] = device.ProofWanted
		}
	}
	n.models = f
	n.people.Models, n.people.Proof = f, func(op string) device.Proof { return proofs[op] }
	n.metrics.Gauge("attestation_metadata_outdated", "1 while the metadata of authenticators is past its day of the next update.", func() float64 {
		if f.Outdated() {
			return 1
		}
		return 0
	})
	n.metrics.Gauge("attestation_metadata_next_update_seconds", "Until when the metadata of authenticators is good, in Unix seconds.",
		func() float64 { return float64(f.NextUpdate().Unix()) })
	return nil
}
