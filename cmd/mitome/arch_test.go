package main_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mitome-ciba/mitome/"

// mayImport is the architecture: each package, and which others of ours it may
// import. A package missing here fails the test, so that a new one cannot join
// without saying where it stands.
//
// The line is cmd → server → approval → device → push. TestArchitectureTable
// holds this table itself to it.
var mayImport = map[string][]string{
	"push":           {},
	"push/pushtest":  {"push"},
	"push/websocket": {"push"},

	"push/ece":                 {"push"},
	"push/ece/ecetest":         {"push"},
	"push/webpush":             {"push"},
	"push/fcm":                 {"push"},
	"push/fcm/fcmtest":         {},
	"push/apns":                {"push"},
	"push/apns/apnstest":       {},
	"push/webpush/webpushtest": {"push", "push/ece/ecetest"},

	"device":               {"push"},
	"device/devicetest":    {"device", "push"},
	"device/mds":           {"device"},
	"device/mds/mdstest":   {},
	"device/notice":        {"device", "push"},
	"device/phone":         {},
	"device/phone/softkey": {"device/phone"},

	"approval":              {"device", "push"},
	"approval/approvaltest": {"approval", "device", "device/devicetest", "push"},
	"approval/audit":        {"approval", "device"},
	"approval/deliver":      {"approval", "approval/op", "approval/show", "device", "push"},
	"approval/op":           {"approval", "device"},
	"approval/op/authlete":  {"approval", "approval/op"},
	"approval/op/gravitee":  {"approval", "approval/op", "device"},
	"approval/op/keycloak":  {"approval", "approval/op", "approval/op/keyset", "device"},
	"approval/op/keyset":    {},
	"approval/op/optest":    {"approval", "approval/op", "device"},
	"approval/op/webhook":   {"approval", "approval/op", "approval/op/keyset", "device", "push"}, // its own guarded dialer
	"approval/policy":       {"approval", "device"},
	"approval/rp":           {}, // a library of its own
	"approval/show":         {"approval", "device"},
	"approval/sign":         {"approval", "device"},

	"server": {
		"server/adminapi", "server/deskapi", "server/links", "server/opapi", "server/opapi/v1", "server/outbox", "server/pages", "server/session", "server/signin", "server/userapi", "server/web",
	},
	"server/adminapi":          {"approval", "device", "push", "server/session", "server/web"},
	"server/config":            {"approval/policy"},
	"server/deskapi":           {"device", "server/limit", "server/session", "server/web"},
	"server/limit":             {"approval", "server/web"},
	"server/links":             {"server/web"},
	"server/opapi":             {"approval", "approval/op", "device", "server/session", "server/web"},
	"server/opapi/v1":          {"approval", "approval/op", "approval/op/webhook", "device", "server/limit", "server/web"},
	"server/outbox":            {},
	"server/pages":             {"approval", "approval/show", "device", "server/session", "server/web", "webui"},
	"server/places":            {"approval"},
	"server/places/placestest": {},
	"server/seal":              {},
	"server/session":           {"device"},
	"server/signin":            {"device", "server/limit", "server/seal", "server/session", "server/web"},
	"server/store":             {"approval", "approval/audit", "device", "push", "server/limit", "server/outbox", "server/seal", "server/session", "server/witness"},
	"server/store/storetest":   {"server/seal", "server/store"},
	"server/userapi":           {"approval", "device", "push", "push/websocket", "server/limit", "server/session", "server/web"}, // it takes sockets in
	"server/web":               {"approval", "device", "server/session"},
	"server/witness":           {"approval", "approval/audit", "device"},

	"webui": {},

	"examples/go-oidc": {"approval/rp", "cmd/mitome/demo/op"},

	"cmd/bench": { // Mitome from outside, but for pairing; the senders by themselves
		"approval/audit", "approval/sign", "device", "device/phone", "device/phone/softkey", "push", "push/apns", "push/ece", "push/ece/ecetest",
		"push/fcm", "push/webpush", "push/websocket", "server/adminapi", "server/seal", "server/store", "server/witness",
	},
	"cmd/mitome":             {"*"},
	"cmd/mitome/browsertest": {"cmd/mitome/loopback"},
	"cmd/mitome/doctor":      {"approval/op/keycloak", "approval/op/keyset", "push", "server/userapi"},
	"cmd/mitome/demo": {
		"approval/rp", "cmd/mitome/demo/kiosk", "cmd/mitome/demo/op", "cmd/mitome/demo/shop", "cmd/mitome/demo/tape",
		"device/phone", "device/phone/softkey",
	},
	"cmd/mitome/demo/counter": {"approval/rp"},
	"cmd/mitome/demo/fapi":    {"cmd/mitome/demo", "cmd/mitome/demo/op", "device/phone", "device/phone/softkey"},
	"cmd/mitome/demo/kiosk":   {"approval/rp", "cmd/mitome/demo/counter"},
	"cmd/mitome/demo/op":      {"approval/rp"},
	"cmd/mitome/demo/shop":    {"approval/rp", "cmd/mitome/demo/counter", "cmd/mitome/demo/tape"},
	"cmd/mitome/demo/tape":    {},
	"cmd/mitome/firefoxtest":  {"cmd/mitome/browsertest", "device/phone/softkey", "push/webpush/webpushtest"},
	"cmd/mitome/keycloaktest": {"cmd/mitome/loopback"},
	"cmd/mitome/loopback":     {},
}

// line is the order of the top folders: each may import only those after it.
var line = []string{"examples", "cmd", "server", "approval", "device", "push", "webui"}

// family are the packages of one folder that may know of each other although
// siblings must not: server's own machinery, and a store that implements ports.
var family = map[string][]string{
	"server/adminapi":          {"server/session", "server/web"},
	"server/deskapi":           {"server/limit", "server/session", "server/web"},
	"server/limit":             {"server/web"},
	"server/links":             {"server/web"},
	"server/opapi":             {"server/session", "server/web"},
	"server/opapi/v1":          {"server/limit", "server/web"},
	"server/pages":             {"server/session", "server/web"},
	"server/store":             {"server/limit", "server/outbox", "server/seal", "server/session", "server/witness"},
	"server/store/storetest":   {"server/seal"},
	"server/signin":            {"server/limit", "server/seal", "server/session", "server/web"},
	"server/userapi":           {"server/limit", "server/session", "server/web"},
	"server/web":               {"server/session"},
	"approval/deliver":         {"approval/op", "approval/show"},
	"approval/op/keycloak":     {"approval/op/keyset"},
	"approval/op/webhook":      {"approval/op/keyset"},
	"device/phone/softkey":     {"device/phone"},
	"push/webpush/webpushtest": {"push/ece/ecetest"},
	"cmd/mitome/demo/kiosk":    {"cmd/mitome/demo/counter"},
	"cmd/mitome/demo/fapi":     {"cmd/mitome/demo/op"},
	"cmd/mitome/demo/shop":     {"cmd/mitome/demo/counter", "cmd/mitome/demo/tape"},
	"cmd/mitome/browsertest":   {"cmd/mitome/loopback"},
	"cmd/mitome/firefoxtest":   {"cmd/mitome/browsertest"},
	"cmd/mitome/keycloaktest":  {"cmd/mitome/loopback"},
}

// parents that may import their children: the machine, which holds its parts.
var holds = []string{"cmd/mitome/demo", "server"}

// pure packages know neither transport nor storage.
var pure = []string{"approval", "approval/audit", "approval/policy", "approval/show", "device/phone/softkey"}

// impure is what a pure package may not import.
var impure = []string{"net/http", "database/sql", "github.com/gin-gonic/gin"}

// alone are the files, and folders, that nobody but themselves may import something.
// What an attestation says is read where passkeys are; what FIDO knows of models
// comes in the library's own types.
var alone = map[string][]string{"github.com/go-webauthn/": {"device/passkey.go", "device/attest.go", "device/mds/"}}

type pkg struct {
	ImportPath, Dir, Doc string
	GoFiles, Imports     []string
}

// name is the package's path inside the module.
func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module) }

// packages lists what the module consists of.
func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,GoFiles,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if p.name() != "cmd/warm" {
			all = append(all, p)
		}
	}
}

func TestArchitecture(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		name := p.name()
		seen[name] = true
		if p.Doc == "" {
			t.Errorf("%s has no package comment", name)
		}
		allowed, ok := mayImport[name]
		if !ok {
			t.Errorf("%s is not in mayImport", name)
		}
		for _, imp := range p.Imports {
			ours, ok := strings.CutPrefix(imp, module)
			if ok && !slices.Contains(allowed, ours) && !slices.Contains(allowed, "*") {
				t.Errorf("%s may not import %s", name, ours)
			}
			if slices.Contains(pure, name) && slices.Contains(impure, imp) {
				t.Errorf("%s is pure and may not import %s", name, imp)
			}
		}
	}
	for name := range mayImport {
		if !seen[name] {
			t.Errorf("%s is in mayImport and does not exist", name)
		}
	}
}

// TestArchitectureTable holds mayImport to the line, so that an entry added in
// a hurry cannot bend it.
func TestArchitectureTable(t *testing.T) {
	for name, allowed := range mayImport {
		for _, imp := range allowed {
			if imp == "*" {
				if name != "cmd/mitome" {
					t.Errorf("%s may import everything; only cmd/mitome may", name)
				}
				continue
			}
			if why := bends(name, imp); why != "" {
				t.Errorf("%s → %s: %s", name, imp, why)
			}
		}
	}
}

// bends says how an import breaks the rules of the architecture, if it does.
func bends(name, imp string) string {
	from, to := slices.Index(line, top(name)), slices.Index(line, top(imp))
	switch {
	case from < 0 || to < 0:
		return "a folder that is not in the line"
	case to < from:
		return "against the line"
	case imp == "server/store" && !strings.HasPrefix(name, "server/store/") && top(name) != "cmd":
		return "only cmd knows the store"
	case to > from, strings.HasPrefix(name, imp+"/"): // a child knows its parent's words
		return ""
	case strings.HasPrefix(imp, name+"/") && !slices.Contains(holds, name):
		return "a parent imports its child"
	case strings.HasPrefix(imp, name+"/"), slices.Contains(family[name], imp):
		return ""
	case path.Dir(name) == imp:
		return ""
	}
	return "siblings never import one another"
}

func top(name string) string {
	first, _, _ := strings.Cut(name, "/")
	return first
}
