package firefoxtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// preferences of the profile, but for the push service. Without
// alerts.useSystemBackend showNotification is refused where no desktop runs; with
// requireinteraction a notification stays that is to stay, as on Windows.
// Nothing here may call the world.
const preferences = `
user_pref("dom.push.connection.enabled", true);
user_pref("dom.push.alwaysConnect", true);
user_pref("dom.push.testing.allowInsecureServerURL", true);
user_pref("dom.push.testing.ignorePermission", true);
user_pref("permissions.default.desktop-notification", 1);
user_pref("alerts.useSystemBackend", false);
user_pref("dom.webnotifications.requireinteraction.enabled", true);
user_pref("intl.accept_languages", "en");
user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.safebrowsing.update.enabled", false);
user_pref("browser.region.network.url", "");
user_pref("browser.search.update", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.update.enabled", false);
user_pref("extensions.systemAddon.update.enabled", false);
user_pref("media.gmp-manager.updateEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,#none");
user_pref("toolkit.telemetry.server", "data:,none");
`

// start is how long a Firefox may take to start: on a machine that has much else
// to do its first start takes long.
const start = 40 * time.Second

// farewell is how long it may take to end.
const farewell = 10 * time.Second

// Firefox is a running Firefox with one page.
type Firefox struct {
	t    *testing.T
	conn *websocket.Conn
	page string // its browsing context
	last int    // id of the last call
	said []string
}

// Start runs the Firefox that MITOME_TEST_FIREFOX names, with a profile without a
// history, for as long as the test. Its push service is s.
func Start(t *testing.T, s *Service) *Firefox {
	t.Helper()
	program := os.Getenv("MITOME_TEST_FIREFOX")
	if program == "" {
		t.Fatal("MITOME_TEST_FIREFOX is not set; it must name a Firefox")
	}
	dir, err := os.MkdirTemp("", "firefox") // not t.TempDir, which fails the test if something is written to it at the end
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	prefs := preferences + fmt.Sprintf("user_pref(\"dom.push.serverURL\", \"ws://%s/\");\n", s.host)
	if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(prefs), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(program, dir)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start Firefox: %v", err)
	}
	f := &Firefox{t: t}
	t.Cleanup(func() { f.end(cmd) })
	f.connect(listening(t, out))
	return f
}

// command runs program with the profile in dir. Root may not use another's home,
// so that is there, too; no desktop is to be found.
func command(program, dir string) *exec.Cmd {
	cmd := exec.Command(program, "--headless", "--no-remote", "--profile", dir,
		"--remote-debugging-port", "0", "--remote-allow-system-access", "about:blank") // its own windows are looked at, too
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CACHE_HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_RUNTIME_DIR="+dir,
		"DBUS_SESSION_BUS_ADDRESS=", "DISPLAY=", "MOZ_CRASHREPORTER_DISABLE=1")
	cmd.WaitDelay = farewell
	return cmd
}

// end closes Firefox in order, so that its own processes end with it.
func (f *Firefox) end(cmd *exec.Cmd) {
	wait := farewell
	if f.conn == nil || f.conn.WriteJSON(map[string]any{"id": f.last + 1, "method": "browser.close", "params": map[string]any{}}) != nil {
		wait = 0
	}
	kill := time.AfterFunc(wait, func() { cmd.Process.Kill() })
	defer kill.Stop()
	cmd.Wait() // how it ends is not what is tested
	if f.conn != nil {
		f.conn.Close()
	}
}

var listens = regexp.MustCompile(`WebDriver BiDi listening on (ws://\S+)`)

// listening returns where Firefox takes calls, as it says on its way up.
func listening(t *testing.T, out io.Reader) string {
	t.Helper()
	type line struct{ url, said string }
	found := make(chan line, 1) // the reader may outlive the test
	go func() {
		var said strings.Builder
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := listens.FindStringSubmatch(lines.Text()); m != nil {
				found <- line{url: m[1]}
				io.Copy(io.Discard, out)
				return
			}
			said.WriteString(lines.Text() + "\n")
		}
		found <- line{said: said.String()}
	}()
	select {
	case l := <-found:
		if l.url == "" {
			t.Fatalf("Firefox did not start:\n%s", l.said)
		}
		return l.url
	case <-time.After(start):
		t.Fatal("Firefox did not start in time")
	}
	return ""
}
