package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mitome-ciba/mitome/cmd/mitome/keycloaktest"
)

// stage is what the tests with a real Keycloak share.
type stage struct {
	kc     *keycloaktest.Server
	binary string // mitome, as it is released
}

// TestKeycloak runs everything that needs a real Keycloak on one of them,
// because it takes longer to start than any test runs.
func TestKeycloak(t *testing.T) {
	home := os.Getenv("MITOME_TEST_KEYCLOAK")
	if home == "" {
		t.Fatal("MITOME_TEST_KEYCLOAK is not set; tools/keycloak.sh prints what it must be")
	}
	s := &stage{binary: build(t)}
	var err error
	if s.kc, err = keycloaktest.Start(t.Context(), home, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kc.Stop)
	t.Parallel() // not before Keycloak runs, so that what waits longest comes first

	// Not in a group, which would wait for its turn twice: a kill test waits for the
	// lease of the worker it killed.
	testKills(t, s)
	for _, group := range []struct {
		name string
		run  func(*testing.T, *stage)
	}{
		{"page", testPage}, {"contract", testContract}, {"flow", testFlows}, {"outcomes", testOutcomes}, {"browser", testBrowser},
		{"self-service", testSelfService}, {"doctor", testDoctor},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			group.run(t, s)
		})
	}
}

// build makes the binary that is tested: a process of its own can be killed.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "mitome")
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "disable_grpc_modules,nomsgpack", "-o", binary, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build mitome: %v\n%s", err, out)
	}
	return binary
}
