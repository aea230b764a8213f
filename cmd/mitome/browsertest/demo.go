package browsertest

import (
	"bufio"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// Demo is a running mitome demo.
type Demo struct {
	Shop, Kiosk, Phone string // URLs
}

var shopURL = regexp.MustCompile(`http://shop\.localhost:\d+`)

// RunDemo starts program, a mitome, as a demo of its own for as long as the test.
// It must end in order, and say nothing that would frighten whoever plays with it.
func RunDemo(t *testing.T, program string) *Demo {
	t.Helper()
	var said buffer
	cmd := exec.Command(program, "demo", "--listen", "127.0.0.1:0")
	cmd.Stderr = &said
	cmd.WaitDelay = Patience
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("mitome demo: %v", err)
		}
		if said.String() != "" {
			t.Errorf("mitome demo said:\n%s", said.String())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	url := shopURL.FindString(line)
	if url == "" {
		t.Fatalf("mitome demo prints no URL: %q, %v\n%s", line, err, said.String())
	}
	at := func(host string) string { return strings.Replace(url, "shop.", host+".", 1) }
	return &Demo{Shop: url, Kiosk: at("kiosk"), Phone: at("mitome")}
}
