package config

import (
	"fmt"

	"github.com/mitome-ciba/mitome/approval/policy"
)

// Attestation is by what authenticators are known.
type Attestation struct {
	Metadata string `koanf:"metadata" desc:"File with FIDO's metadata of authenticators (the MDS3 BLOB), which Mitome never fetches itself; docs/attestation.md. It is read again when it changes. Needed where a rule has attestation: direct." derived:"no authenticator is asked what it is"`
	Root     string `koanf:"root" desc:"Root certificate (PEM) that the signer of that file must come from, if it is not FIDO's file." derived:"GlobalSign Root R46, with a signer named mds.fidoalliance.org"`
}

// Set reports whether there is metadata.
func (a Attestation) Set() bool { return a.Metadata != "" }

// validate does not read the files: see cmd/mitome.
func (c Config) validateAttestation(f *Faults) {
	if c.Attestation.Root != "" && !c.Attestation.Set() {
		f.add("attestation.root", "needs metadata beside it.")
	}
	if c.Attestation.Set() {
		return
	}
	for i, o := range c.OPs {
		if o.Rules.Attestation == policy.AttestationDirect {
			f.add(fmt.Sprintf("ops[%d].rules.attestation", i), "needs attestation.metadata: without it no authenticator is known.")
			continue
		}
		for k, cl := range o.Clients {
			if cl.Rules.Attestation == policy.AttestationDirect {
				f.add(fmt.Sprintf("ops[%d].clients[%d].rules.attestation", i, k), "needs attestation.metadata: without it no authenticator is known.")
			}
		}
	}
}

// Attests says whether approvals over o need a passkey that is attested: all of
// them, or those of some client.
func (o OP) Attests() (all, some bool) {
	all = o.Rules.Attestation == policy.AttestationDirect
	some = all
	for _, cl := range o.Clients {
		direct := cl.Rules.Attestation == policy.AttestationDirect
		all, some = all && direct, some || direct
	}
	return all, some
}
