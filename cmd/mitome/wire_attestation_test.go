package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/mds/mdstest"
	"github.com/mitome-ciba/mitome/server"
	"github.com/mitome-ciba/mitome/server/config"
)

// TestWhoIsAskedForAttestation: of a connection's users an authenticator's model is
// asked for as soon as one client wants it, and required once all do; and that the
// metadata is out of date can be seen from outside.
func TestWhoIsAskedForAttestation(t *testing.T) {
	dir := t.TempDir()
	fido := mdstest.NewFIDO(t, "metadata.test")
	c := config.Config{Attestation: config.Attestation{Metadata: filepath.Join(dir, "blob"), Root: filepath.Join(dir, "root")}}
	direct, none := policy.Rules{Attestation: policy.AttestationDirect}, policy.Rules{}
	c.OPs = []config.OP{
		{Name: "none", Rules: none, Clients: []config.Client{{ID: "a", Rules: none}}},
		{Name: "all", Rules: direct, Clients: []config.Client{{ID: "a", Rules: direct}}},
		{Name: "one", Rules: none, Clients: []config.Client{{ID: "a", Rules: none}, {ID: "b", Rules: direct}}},
		{Name: "but-one", Rules: direct, Clients: []config.Client{{ID: "a", Rules: none}}},
	}
	until := time.Now().AddDate(0, 0, -3).UTC()
	for path, b := range map[string][]byte{c.Attestation.Root: fido.Root.PEM(), c.Attestation.Metadata: fido.Blob(t, 1, until)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := &node{config: c, log: slog.New(slog.DiscardHandler), metrics: server.NewMetrics("test"), people: &device.Service{}}
	if err := n.attest(); err != nil {
		t.Fatal(err)
	}
	for op, want := range map[string]device.Proof{
		"none": device.NoProof, "all": device.ProofRequired, "one": device.ProofWanted, "but-one": device.ProofWanted, "unknown": device.NoProof,
	} {
		if got := n.people.Proof(op); got != want {
			t.Errorf("%s: got %q, want %q", op, got, want)
		}
	}
	values := map[string]float64{}
	families, err := n.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		values[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	if got := values["mitome_attestation_metadata_outdated"]; got != 1 {
		t.Errorf("outdated is %v, want 1", got)
	}
	if got := values["mitome_attestation_metadata_next_update_seconds"]; got != float64(until.Truncate(24*time.Hour).Unix()) {
		t.Errorf("good until %v, want %v", got, until)
	}
}
