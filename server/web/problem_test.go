package web_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
)

// refusing are the packages whose exported Err… variables can reach a caller.
//
// Left out, because none of theirs can: approval/op, whose errors are answered
// by each adapter's Reply in its OP's own dialect or judged by approval/deliver;
// server/outbox and push, which run after the caller has gone (a socket's
// refusals are translated in server/userapi); approval/sign and server/seal,
// whose failures are faults.
var refusing = []string{"approval", "device", "server/session", "server/web"}

// TestEveryRefusalIsMapped fails when a package exports an Err variable that the
// table of problems does not name, and which would thus reach callers as a 500.
func TestEveryRefusalIsMapped(t *testing.T) {
	table, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range refusing {
		names := sentinels(t, "../../"+dir)
		if len(names) == 0 {
			t.Errorf("%s has no Err variables: is it still there?", dir)
		}
		for _, name := range names {
			qualified := filepath.Base(dir) + "." + name
			if dir == "server/web" {
				qualified = name
			}
			if !strings.Contains(string(table), "\t{"+qualified+",") {
				t.Errorf("%s is not in problems", qualified)
			}
		}
	}
}

// sentinels returns the exported Err variables of the package in dir.
func sentinels(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				for _, id := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(id.Name, "Err") {
						names = append(names, id.Name)
					}
				}
			}
		}
	}
	return names
}

func TestProblemFor(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name   string
		ctx    context.Context
		err    error
		status int
		typ    string
		wait   int
		header string // a part of WWW-Authenticate
	}{
		{"wrapped", t.Context(), fmt.Errorf("more: %w", approval.ErrSettled), 409, "urn:mitome:request_settled", 0, ""},
		{"what wraps another comes first", t.Context(), fmt.Errorf("%w: %w", approval.ErrAssertion, device.ErrPasskey), 403, "urn:mitome:passkey_failed", 0, ""},
		{"code", t.Context(), &approval.CodeError{Err: approval.ErrCodeWait, Wait: 29*time.Second + 1}, 429, "urn:mitome:user_code_wait", 30, ""},
		{"rate", t.Context(), &web.RateError{Wait: time.Millisecond}, 429, "urn:mitome:rate", 1, ""},
		{"busy", t.Context(), session.ErrBusy, 429, "urn:mitome:rate", 5, ""},
		{"unavailable", t.Context(), web.ErrUnavailable, 503, "urn:mitome:unavailable", 5, ""},
		{"no token", t.Context(), session.ErrUnauthorized, 401, "urn:mitome:unauthorized", 0, `DPoP error="invalid_token"`},
		{"no proof", t.Context(), session.ErrProof, 401, "urn:mitome:invalid_dpop_proof", 0, `DPoP error="invalid_dpop_proof"`},
		{"fault", t.Context(), errors.New("disk on fire"), 500, "about:blank", 0, ""},
		{"the caller hung up", gone, fmt.Errorf("read: %w", context.Canceled), 499, "about:blank", 0, ""},
		{"somebody else's cancellation", t.Context(), context.Canceled, 500, "about:blank", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := web.ProblemFor(tt.ctx, tt.err)
			if p.Status != tt.status || p.Type != tt.typ || p.RetryAfter != tt.wait {
				t.Errorf("got %d %s, wait %d", p.Status, p.Type, p.RetryAfter)
			}
			if strings.Contains(p.Title, "fire") || p.Title == "" {
				t.Errorf("title %q", p.Title)
			}
			if got := p.Header("WWW-Authenticate"); !strings.Contains(got, tt.header) || (tt.header == "") != (got == "") {
				t.Errorf("WWW-Authenticate %q, want %q", got, tt.header)
			}
			if got := p.Header("Retry-After"); (tt.wait == 0) != (got == "") {
				t.Errorf("Retry-After %q, want %d", got, tt.wait)
			}
		})
	}
}

func TestTriesLeft(t *testing.T) {
	p := web.ProblemFor(t.Context(), &approval.CodeError{Err: approval.ErrUserCode, TriesLeft: 0})
	if p.TriesLeft == nil || *p.TriesLeft != 0 {
		t.Error("no tries left is not said")
	}
}
