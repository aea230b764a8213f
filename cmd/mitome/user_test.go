package main

import (
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/server/adminapi"
)

// TestStateOfDevice: an operator sees when a device becomes active, and that
// notifications do not reach it.
func TestStateOfDevice(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.Local)
	for want, d := range map[string]adminapi.Device{
		"active":                            {State: "active"},
		"cooling until 2026-11-22 12:00:00": {State: "cooling", ActiveAt: &at},
		"active, model REVOKED":             {State: "active", Attestation: &adminapi.Attestation{Against: "REVOKED"}},
		"active, not notified since 2026-11-22 12:00:00": {State: "active", DoubtfulSince: &at},
	} {
		if got := stateOf(d); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
