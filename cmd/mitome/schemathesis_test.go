package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// apiRun is one run of schemathesis.
type apiRun struct {
	api, schema, base string
	headers           map[string]string
	args              []string
	// known are parameters, by operation, that are given instead of invented: an
	// id that is there leads further than one that is not.
	known map[string]map[string]string
}

// TestSchemathesis has every JSON API held against its own description, with its
// credentials, by calls that keep to the description and calls that do not: no
// answer may be a fault of ours or one that the description does not know, and
// nothing that breaks it may be taken.
func TestSchemathesis(t *testing.T) {
	program := os.Getenv("MITOME_TEST_SCHEMATHESIS")
	if program == "" {
		t.Fatal("MITOME_TEST_SCHEMATHESIS is not set; tools/schemathesis.sh prints what it must be")
	}
	t.Parallel() // it waits for another process's answers
	s := newAPIStage(t)
	for _, r := range s.runs() {
		t.Run(r.api, func(t *testing.T) { r.run(t, program) })
	}
}

// runs are in an order: what ends a session comes last.
func (s *apiStage) runs() []apiRun {
	desk := map[string]string{"Cookie": s.desk, "Origin": s.devices, "Sec-Fetch-Site": "same-origin"}
	phone := map[string]string{"Authorization": "DPoP " + s.token}
	known := map[string]map[string]string{
		"wait-for-requests": {"since": ""}, // else each call waits
		"get-request":       {"id": s.request}, "challenge": {"id": s.request}, "decide": {"id": s.request},
		"rename-device": {"id": s.device}, "add-address": {"id": s.device}, "test-device": {"id": s.device},
	}
	return []apiRun{
		{api: "ops", schema: s.ops + "/openapi.json", base: s.ops, headers: map[string]string{"Authorization": "Bearer " + s.key}, known: map[string]map[string]string{
			"": {"name": "corp"},
		}},
		{api: "admin", schema: s.admin + "/openapi.json", base: s.admin},
		{api: "devices", schema: s.phone + "/openapi.json", base: s.phone, headers: phone, known: known, args: []string{"--exclude-method", "DELETE"}},
		{api: "devices DELETE", schema: s.phone + "/openapi.json", base: s.phone, headers: phone, args: []string{"--include-method", "DELETE"}},
		{api: "desk", schema: s.devices + "/v1/desk/openapi.json", base: s.devices, headers: desk, args: []string{"--exclude-method", "DELETE"}},
		{api: "desk DELETE", schema: s.devices + "/v1/desk/openapi.json", base: s.devices, headers: desk, args: []string{"--include-method", "DELETE"}},
	}
}

// config is what the command line has no word for.
func (r apiRun) config() string {
	var b strings.Builder
	// What keeps to the schema may still be refused: for a user who is not there,
	// a code that is wrong, a request that has ended.
	fmt.Fprint(&b, "[checks.positive_data_acceptance]\nexpected-statuses = [\"2xx\", 400, 401, 403, 404, 409, 410, 415, 422, 429]\n")
	for op, parameters := range r.known {
		if op == "" {
			fmt.Fprintln(&b, "[parameters]")
		} else {
			fmt.Fprintf(&b, "[[operations]]\ninclude-operation-id = %q\n[operations.parameters]\n", op)
		}
		for name, value := range parameters {
			fmt.Fprintf(&b, "%q = %q\n", name, value)
		}
	}
	return b.String()
}

// apiReport is what schemathesis counts.
type apiReport struct {
	Complete   bool
	Operations struct{ Selected, Tested, Errored, Skipped int }
	TestCases  struct{ Generated, Errored int } `json:"test_cases"`
	Failures   []struct {
		Type  string
		Count int
	}
}

// line is what a person wants to know of a run.
func (r apiReport) line() string {
	failures, faults := 0, 0
	for _, f := range r.Failures {
		failures += f.Count
		if f.Type == "ServerError" {
			faults += f.Count
		}
	}
	return fmt.Sprintf("%d operations, %d calls, %d failures, %d answers of 5xx", r.Operations.Tested, r.TestCases.Generated, failures, faults)
}

func (r apiRun) run(t *testing.T, program string) {
	t.Helper()
	dir := t.TempDir()
	config, report := filepath.Join(dir, "schemathesis.toml"), filepath.Join(dir, "report.json")
	if err := os.WriteFile(config, []byte(r.config()), 0o600); err != nil {
		t.Fatal(err)
	}
	examples := os.Getenv("MITOME_TEST_EXAMPLES")
	if examples == "" {
		examples = "10"
	}
	args := append([]string{
		"--config-file", config, "run", r.schema, "--url", r.base, "--checks", "all", "--max-examples", examples, "--seed", "1",
		// Gin finds {id} in the place of "claim" too, and says so.
		"--exclude-checks", "allow_header_conformance",
		"--generation-database", "none", "--no-color", "--continue-on-failure", "--request-timeout", "60",
		"--report-json-path", report,
	}, r.args...)
	for name, value := range r.headers {
		args = append(args, "--header", name+": "+value)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir // where it would leave things
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("schemathesis on %s: %v\n%s", r.api, err, out)
	}
	raw, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var counted apiReport
	if err := json.Unmarshal(raw, &counted); err != nil {
		t.Fatal(err)
	}
	// What it could not call, it did not hold against anything.
	if o := counted.Operations; !counted.Complete || o.Selected == 0 || o.Tested != o.Selected || counted.TestCases.Errored > 0 {
		t.Errorf("schemathesis on %s left something out: %+v\n%s", r.api, counted, out)
	}
	t.Logf("schemathesis: %s: %s", r.api, counted.line())
}
