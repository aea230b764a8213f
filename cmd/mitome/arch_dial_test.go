package main_test

import (
	"go/ast"
	"path/filepath"
	"strings"
	"testing"
)

// callers are the files that may make a way out of the process by themselves,
// and why no name that a stranger chose can lead them anywhere. Everything else
// is given a client of push.Guard, which judges each address as it connects.
var callers = map[string]string{
	"push/dial.go":                 "is the guard",
	"push/apns/apns.go":            "wraps the transport of the guarded client that it is given",
	"push/fcm/fcm.go":              "wraps the transport of the guarded client that it is given",
	"push/fcm/token.go":            "wraps the transport of the guarded client that it is given",
	"approval/op/post.go":          "copies the guarded client of op.Deps; only a test gives none",
	"server/signin/provider.go":    "leads the guarded client to the OP's internal_url; only a test gives none",
	"server/adminapi/client.go":    "the command line calls the administrator's own server",
	"server/listen.go":             "asks a Unix socket whether somebody listens",
	"device/phone/call.go":         "is the phone's side: its user chose the server",
	"device/phone/listen.go":       "is the phone's side: its user chose the server",
	"approval/rp/http.go":          "is a library of clients: its caller chose the OP",
	"cmd/mitome/doctor/serving.go": "the doctor calls its own server, and the port of a listener",
}

// ways are the names by which one gets out.
var ways = []string{
	"http.DefaultClient", "http.DefaultTransport", "http.Get", "http.Head", "http.Post", "http.PostForm",
	"http.Client", "http.Transport", "net.Dial", "net.DialTimeout", "net.DialTCP", "net.DialUDP", "net.DialIP", "net.Dialer",
	"tls.Dial", "tls.DialWithDialer", "tls.Dialer", "websocket.Dial", "websocket.Dialer", "websocket.DefaultDialer",
}

// TestCallsAreGuarded walks the source for whoever opens a connection without
// the guarded dialer (push traps: endpoints that browsers name, OPs' callbacks).
func TestCallsAreGuarded(t *testing.T) {
	found := map[string]bool{}
	for _, s := range sources(t) {
		if !inProduct(s) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			name := made(n)
			if name == "" {
				return true
			}
			found[s.path] = true
			if callers[s.path] == "" {
				t.Errorf("%s: %s is not guarded; take a client of push.Guard", s.at(n), name)
			}
			return true
		})
	}
	for path := range callers {
		if !found[path] {
			t.Errorf("%s makes no connections; take it from the table", path)
		}
	}
}

// inProduct says that a file is part of mitome serve or of its command line, not
// of a test, a demonstration or a measurement.
func inProduct(s source) bool {
	dir := filepath.ToSlash(filepath.Dir(s.path))
	for _, outside := range []string{"cmd/bench", "cmd/mitome/demo", "examples"} {
		if dir == outside || strings.HasPrefix(dir, outside+"/") {
			return false
		}
	}
	return !s.isTest() && !strings.HasSuffix(dir, "test")
}

// made returns which way out n makes: a use of a client, a transport or a dialer
// other than by a pointer that was given.
func made(n ast.Node) string {
	var x ast.Expr
	switch n := n.(type) {
	case *ast.CompositeLit: // http.Client{…}
		x = n.Type
	case *ast.ValueSpec: // var c http.Client
		x = n.Type
	case *ast.CallExpr: // http.Get(…), new(net.Dialer)
		x = n.Fun
		if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "new" && len(n.Args) == 1 {
			x = n.Args[0]
		}
	case *ast.SelectorExpr: // http.DefaultClient
		if !strings.Contains(n.Sel.Name, "Default") {
			return ""
		}
		x = n
	}
	sel, ok := x.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	pkg, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	name := pkg.Name + "." + sel.Sel.Name
	for _, w := range ways {
		if name == w {
			return name
		}
	}
	return ""
}
