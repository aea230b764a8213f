package main

import (
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"

	"github.com/mitome-ciba/mitome/approval/op/keycloak"
	"github.com/mitome-ciba/mitome/server/config"
)

const top = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// instructions are the lines of the Dockerfile, as instruction and the rest.
func instructions(t *testing.T) (out [][2]string) {
	t.Helper()
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			name, rest, _ := strings.Cut(line, " ")
			out = append(out, [2]string{name, strings.TrimSpace(rest)})
		}
	}
	return out
}

// TestDockerfile holds the image to what docs/deploy.md promises of it. No engine
// runs here; what the lines do was seen by hand, each by itself.
func TestDockerfile(t *testing.T) {
	var final map[string]string // the last value of each instruction, of the last stage
	var copies []string
	for _, in := range instructions(t) {
		switch name, rest := in[0], in[1]; name {
		case "FROM":
			final, copies = map[string]string{"FROM": rest}, nil
			if from := strings.Fields(strings.TrimPrefix(rest, "--platform=$BUILDPLATFORM ")); from[0] != "scratch" {
				pinned(t, from[0])
			}
		case "COPY":
			copies = append(copies, rest)
		default:
			final[name] = rest
		}
	}
	for name, want := range map[string]string{
		"FROM": "scratch", "USER": "65532:65532", "ENTRYPOINT": `["/usr/local/bin/mitome"]`, "CMD": `["serve"]`,
		"VOLUME": "/var/lib/mitome", "WORKDIR": "/var/lib/mitome", "RUN": "", "ADD": "",
	} {
		if final[name] != want {
			t.Errorf("%s is %q, want %q", name, final[name], want)
		}
	}
	if !strings.HasSuffix(final["HEALTHCHECK"], `CMD ["/usr/local/bin/mitome", "health"]`) {
		t.Errorf("HEALTHCHECK is %q, want the binary itself: there is no shell", final["HEALTHCHECK"])
	}
	for _, c := range copies {
		if !strings.HasPrefix(c, "--from=build ") {
			t.Errorf("the image gets %s from elsewhere than the build", c)
		}
	}
}

// pinned finds an image that may be another one tomorrow.
func pinned(t *testing.T, image string) {
	t.Helper()
	if !regexp.MustCompile(`:\d+(\.\d+)+@sha256:[0-9a-f]{64}$`).MatchString(image) {
		t.Errorf("%s is not pinned to a version and its digest", image)
	}
}

// TestBuildSettings: the image and make build the same program.
func TestBuildSettings(t *testing.T) {
	docker, makefile := read(t, "Dockerfile"), read(t, "Makefile")
	for _, setting := range []string{"CGO_ENABLED=0", "-trimpath", "disable_grpc_modules,nomsgpack", "-X main.release="} {
		if !strings.Contains(docker, setting) || !strings.Contains(makefile, setting) {
			t.Errorf("%s is not in both the Dockerfile and the Makefile", setting)
		}
	}
	mod := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))[1]
	if !strings.Contains(docker, "golang:"+mod+".") {
		t.Errorf("go.mod says Go %s, the Dockerfile another", mod)
	}
}

// TestBuildContext: everything that is compiled gets into the build, and nothing
// that is secret does.
func TestBuildContext(t *testing.T) {
	ignore := strings.Split(read(t, ".dockerignore"), "\n")
	if !slices.Contains(ignore, "*") {
		t.Fatal(".dockerignore does not begin with everything")
	}
	out, err := exec.Command("go", "list", "-deps", "-f", `{{if .Module}}{{if .Module.Main}}{{.Dir}}{{end}}{{end}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	for dir := range strings.Lines(string(out)) {
		rel, err := filepath.Rel(root, strings.TrimSpace(dir))
		if err != nil {
			t.Fatal(err)
		}
		if folder, _, _ := strings.Cut(rel, string(filepath.Separator)); !slices.Contains(ignore, "!"+folder) {
			t.Errorf("%s is not in the build context", rel)
		}
	}
	for _, line := range ignore {
		if strings.HasPrefix(line, "!deploy") || strings.HasPrefix(line, "!.git") {
			t.Errorf("%s would put secrets or history into the image", line)
		}
	}
}

// compose is deploy/compose.yaml.
type compose struct{ m map[string]any }

func readCompose(t *testing.T) compose {
	t.Helper()
	m, err := yaml.Parser().Unmarshal([]byte(read(t, "deploy/compose.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	return compose{m}
}

func (c compose) service(name string) map[string]any {
	s, _ := c.m["services"].(map[string]any)[name].(map[string]any)
	return s
}

// texts are the strings of a list.
func texts(v any) (out []string) {
	list, _ := v.([]any)
	for _, x := range list {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// TestCompose: no password stands in the file, nothing is open to the network,
// and every file that it mounts is there.
func TestCompose(t *testing.T) {
	c := readCompose(t)
	declared, _ := c.m["secrets"].(map[string]any)
	for name := range c.m["services"].(map[string]any) {
		s := c.service(name)
		if image, _ := s["image"].(string); s["build"] == nil {
			pinned(t, image)
		}
		for _, p := range texts(s["ports"]) {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s to the network", name, p)
			}
		}
		for _, secret := range texts(s["secrets"]) {
			if declared[secret] == nil {
				t.Errorf("%s wants secret %s, which is not declared", name, secret)
			}
		}
		for _, v := range texts(s["volumes"]) {
			from, _, _ := strings.Cut(v, ":")
			if !strings.HasPrefix(from, ".") {
				if _, ok := c.m["volumes"].(map[string]any)[from]; !ok {
					t.Errorf("%s mounts volume %s, which is not declared", name, from)
				}
				continue
			}
			if _, err := os.Stat(filepath.Join(top, "deploy", from)); err != nil {
				t.Errorf("%s mounts %s: %v", name, from, err)
			}
		}
		env, _ := s["environment"].(map[string]any)
		for key, value := range env {
			if text, _ := value.(string); regexp.MustCompile(`(?i)PASSWORD|SECRET|TOKEN`).MatchString(key) && !strings.HasPrefix(text, "/run/secrets/") {
				t.Errorf("%s has %s in the open", name, key)
			}
		}
	}
	mitome := c.service("mitome")
	if mitome["read_only"] != true || !slices.Equal(texts(mitome["cap_drop"]), []string{"ALL"}) {
		t.Error("the container of Mitome may more than it needs")
	}
}

// TestComposeConfiguration has the configuration of the compose file checked as
// the container would, with the secrets that deploy/secrets.sh makes.
func TestComposeConfiguration(t *testing.T) {
	secrets := makeSecrets(t)
	c := readCompose(t)
	for name := range c.m["secrets"].(map[string]any) {
		if _, err := os.Stat(filepath.Join(secrets, name)); err != nil {
			t.Errorf("deploy/secrets.sh makes no %s", name)
		}
	}
	text := strings.ReplaceAll(read(t, "deploy/compose.mitome.yaml"), "/run/secrets", secrets)
	path := filepath.Join(t.TempDir(), "mitome.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var environ []string
	for key, value := range c.service("mitome")["environment"].(map[string]any) {
		environ = append(environ, key+"="+strings.ReplaceAll(value.(string), "/run/secrets", secrets))
	}
	cfg, err := config.Load(path, environ)
	if err != nil {
		t.Fatal(err)
	}
	if _, faults := openOPs(cfg, nil, nil); len(faults) > 0 {
		t.Fatal(faults)
	}
	var kc keycloak.Config
	if err := cfg.Decode(0, &kc); err != nil {
		t.Fatal(err)
	}
	env := c.service("keycloak")["environment"].(map[string]any)
	if host := env["KC_HOSTNAME"].(string); kc.Issuer != host+"/realms/demo" {
		t.Errorf("issuer is %s, but Keycloak calls itself %s", kc.Issuer, host)
	}
	uri, err := url.Parse(env["CIBA_URI"].(string))
	if err != nil || uri.Host != "mitome:8081" || uri.Path != "/op/"+cfg.OPs[0].Name || cfg.Listen.OPs != "0.0.0.0:8081" {
		t.Errorf("Keycloak calls %v (%v), which is not connection %s at %s", uri, err, cfg.OPs[0].Name, cfg.Listen.OPs)
	}
	if u, err := url.Parse(string(cfg.Database.URL)); err != nil || u.Hostname() != "postgres" || u.User == nil {
		t.Error("the database's URL does not lead to service postgres")
	}
}

// makeSecrets runs deploy/secrets.sh in a copy, twice: what is there must stay,
// or the database could not be opened any more.
func makeSecrets(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "secrets.sh")
	if err := os.WriteFile(script, []byte(read(t, "deploy/secrets.sh")), 0o700); err != nil {
		t.Fatal(err)
	}
	made := func() map[string]string {
		if out, err := exec.Command("bash", script).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		files, err := filepath.Glob(filepath.Join(dir, "secrets", "*"))
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.Base(f)] = string(b)
		}
		return all
	}
	first, second := made(), made()
	values := map[string]bool{}
	for name, secret := range first {
		if second[name] != secret {
			t.Errorf("%s was made anew", name)
		}
		if len(secret) < 48 || values[secret] {
			t.Errorf("%s is no secret of its own", name)
		}
		values[secret] = true
	}
	if info, err := os.Stat(filepath.Join(dir, "secrets")); err != nil || info.Mode().Perm() != fs.FileMode(0o700) {
		t.Errorf("the folder has mode %v (%v), want 0700", info.Mode(), err)
	}
	return filepath.Join(dir, "secrets")
}

// TestUnit: the unit runs what docs/deploy.md installs, as nobody in particular.
func TestUnit(t *testing.T) {
	unit := read(t, "deploy/mitome.service")
	for _, line := range []string{"User=mitome", "ExecStart=/usr/local/bin/mitome serve", "StateDirectory=mitome", "NoNewPrivileges=yes", "ProtectSystem=strict"} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("the unit does not say %s", line)
		}
	}
}

// TestDeployScripts finds a mistake that the shell itself can see.
func TestDeployScripts(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join(top, "deploy", "*.sh"))
	if err != nil || len(scripts) != 3 {
		t.Fatalf("got %v, %v", scripts, err)
	}
	for _, s := range scripts {
		if out, err := exec.Command("bash", "-n", s).CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", s, err, out)
		}
		if info, err := os.Stat(s); err != nil || info.Mode().Perm()&0o111 == 0 {
			t.Errorf("%s cannot be run: %v", s, err)
		}
	}
	if !strings.Contains(read(t, ".gitignore"), "\n/deploy/secrets/\n") {
		t.Error("git would take the secrets that deploy/secrets.sh makes")
	}
}

// TestDocumentedVariables: every variable that deploy and its page set is one
// that the program takes.
func TestDocumentedVariables(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(top, "deploy", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var environ []string
	for _, f := range append(files, filepath.Join(top, "docs", "deploy.md"), filepath.Join(top, "Dockerfile")) {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the folder of secrets
		}
		for _, name := range regexp.MustCompile(`MITOME_[A-Z0-9_]+`).FindAllString(string(b), -1) {
			environ = append(environ, name+"=/nonexistent")
		}
	}
	if len(environ) < 3 {
		t.Fatalf("got %v; the search is broken", environ)
	}
	_, err = config.Load(filepath.Join(top, "deploy", "mitome.example.yaml"), environ)
	if err != nil && strings.Contains(err.Error(), "no such setting") {
		t.Error(err)
	}
}
