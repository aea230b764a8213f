package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
)

// shell is a block of commands in a page.
var shell = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// TestAnyOPPage runs docs/any-op.md, every command as it is written, but for the
// ports: whoever follows the page comes to a decision.
func TestAnyOPPage(t *testing.T) {
	t.Parallel()
	text := commands(t, "any-op.md", "8080", "8081", "9464", "9000")
	out := runPage(t, text)
	for _, want := range []string{
		"401\n", `"state":"pending"`, "The request is approved.", `"state":"withdrawn"`, `"reason":"not_started_by_user"`, "Both proofs are taken.\n401\n401\n401\n", "jti was used before",
		`{"sub":"s-1"}`, `{"reachable":true}`, `{"reachable":false}`, `{"verified":true}`, `"error":"invalid_user_code"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%s does not come in it", want)
		}
	}
	heard := lines(t, out, `{"type": "request.decided"`)
	if len(heard) != 1 || heard[0].Data.State != "approved" || heard[0].Data.Decision.ACR != "phr" || heard[0].Data.Decision.Evidence == "" {
		t.Errorf("the receiver heard %+v", heard)
	}
	if t.Failed() {
		t.Log(out)
	}
}

// commands are those of a page in docs, with ports of this test's own in the
// place of those that the page names.
func commands(t *testing.T, page string, ports ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, block := range shell.FindAllStringSubmatch(string(b), -1) {
		script.WriteString(block[1])
	}
	text := script.String()
	for _, port := range ports {
		free, err := loopback.Address()
		if err != nil {
			t.Fatal(err)
		}
		text = strings.ReplaceAll(text, ":"+port, free[strings.LastIndex(free, ":"):])
		text = strings.ReplaceAll(text, `"127.0.0.1", `+port, `"127.0.0.1", `+free[strings.LastIndex(free, ":")+1:])
		if port == "9464" { // the page leaves it at its default
			_, own, _ := net.SplitHostPort(free)
			text = strings.ReplaceAll(text, "listen:\n", "listen:\n  metrics: 127.0.0.1:"+own+"\n")
		}
	}
	return text
}

// event is a line of the receiver.
type event struct {
	Data struct {
		State    string
		Decision struct{ ACR, Evidence string }
	}
}

// lines reads the lines that begin so.
func lines(t *testing.T, out, prefix string) (found []event) {
	t.Helper()
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, prefix) {
			continue
		}
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		found = append(found, e)
	}
	return found
}

// runPage runs text in a folder of its own and returns what it prints. Whatever
// it leaves running is ended.
func runPage(t *testing.T, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	home := t.TempDir()
	script := filepath.Join(home, "page.sh")
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", script)
	cmd.Dir, cmd.Stdout, cmd.Stderr = home, &out, &out
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GORACE=" + os.Getenv("GORACE")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what is left of it, if anything
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}
