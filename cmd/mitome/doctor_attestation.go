package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
)

const attestationCheck = "attestation"

// attestation looks whether the metadata of authenticators can be used, and is of
// our days.
func (x *examination) attestation() {
	f, faults := openMetadata(x.config, slog.New(slog.DiscardHandler))
	for _, fault := range faults {
		x.report.Fault(attestationCheck, "The metadata of authenticators %s Mitome does not start with it; fetch it anew, see docs/attestation.md.", fault.Text)
	}
	if f == nil {
		return
	}
	x.models = f
	day := f.NextUpdate().Format(time.DateOnly)
	if f.Outdated() {
		x.report.Warn(attestationCheck, "The metadata of authenticators is out of date since %s: models that FIDO revoked since then are still trusted. Fetch it anew, see docs/attestation.md.", day)
		return
	}
	x.report.OK(attestationCheck, "The metadata of authenticators knows %d model(s), and is good until %s.", f.Models(), day)
}

// distrusted names the devices whose model the metadata has something against.
func (x *examination) distrusted(ctx context.Context, db doctor.DB) {
	if x.models == nil {
		return
	}
	devices, err := db.(examined).AttestedDevices(ctx)
	if err != nil {
		x.report.Fault(attestationCheck, "The devices cannot be read: %s", sentence(err))
		return
	}
	for _, d := range devices {
		if against := x.models.Against(d.AAGUID); against != "" {
			x.report.Warn(attestationCheck, "Device %s (%s) of user %s is a %s, of which the metadata says %s: it approves nothing that requires attestation. Have its user pair another one, and revoke it: mitome user device revoke %s.",
				d.ID, plain(d.Name), d.User, plain(d.Model), against, d.ID)
		}
	}
}
