package audit_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mitome-ciba/mitome/approval/audit"
)

var row = audit.Row{
	ID: "1", At: time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC), Word: audit.RequestDenied, ActorKind: "device", ActorID: "d1",
	ActorIP: "192.0.2.1", Request: "r1", User: "u1", Device: "d1", Detail: `{"reason":"not_started_by_user"}`, Salt: []byte("salt"),
}

func export(t *testing.T, r audit.Row, f audit.Format) string {
	t.Helper()
	line, err := audit.Export(r, f)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(line, "\r\n") {
		t.Errorf("%s: it is more than a line: %q", f, line)
	}
	return line
}

func TestExportAsJSON(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal([]byte(export(t, row, audit.JSON)), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"id": "1", "at": "2026-01-31T09:00:00Z", "word": "request.denied", "actor_kind": "device", "actor_id": "d1", "actor_ip": "192.0.2.1",
		"request": "r1", "user": "u1", "device": "d1", "detail": map[string]any{"reason": "not_started_by_user"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExportAsCEF(t *testing.T) {
	want := `CEF:0|Mitome|mitome|1|request.denied|Request denied|6|rt=1769850000000 externalId=1 src=192.0.2.1 suser=d1 spriv=device ` +
		`duid=u1 deviceExternalId=d1 cs1=r1 cs1Label=request outcome=failure reason=not_started_by_user ` +
		`cs2={"reason":"not_started_by_user"} cs2Label=detail`
	if diff := cmp.Diff(want, export(t, row, audit.CEF)); diff != "" {
		t.Error(diff)
	}
}

// TestCEFCannotBeForged: what stands in a field cannot begin another, or another
// event.
func TestCEFCannotBeForged(t *testing.T) {
	r := row
	r.ActorID, r.Word = "a outcome=success\nCEF:0|x", "a|b\\c\nd"
	got := export(t, r, audit.CEF)
	if !strings.Contains(got, `suser=a outcome\=success\nCEF:0|x `) || !strings.HasPrefix(got, `CEF:0|Mitome|mitome|1|a\|b\\c d|A\|b\\c d|`) {
		t.Errorf("got %s", got)
	}
}

func TestExportAsOCSF(t *testing.T) {
	var got struct {
		Class    int   `json:"class_uid"`
		Category int   `json:"category_uid"`
		Type     int   `json:"type_uid"`
		Status   int   `json:"status_id"`
		Time     int64 `json:"time"`
		Metadata struct {
			Version, UID string
			Product      struct{ Name string }
		}
		User        struct{ UID string }
		SrcEndpoint struct{ IP string } `json:"src_endpoint"`
		Unmapped    struct{ Request string }
	}
	if err := json.Unmarshal([]byte(export(t, row, audit.OCSF)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Class != 3002 || got.Category != 3 || got.Type != 300201 || got.Status != 2 || got.Time != row.At.UnixMilli() ||
		got.Metadata.Version != "1.3.0" || got.Metadata.UID != "1" || got.User.UID != "u1" || got.SrcEndpoint.IP != "192.0.2.1" || got.Unmapped.Request != "r1" {
		t.Errorf("got %+v", got)
	}
}

// TestEachWordIsExported: every word of the log, in every format, erased or not.
func TestEachWordIsExported(t *testing.T) {
	all := words(t)
	if len(all) < 40 {
		t.Fatalf("only %d words were found: the search is broken", len(all))
	}
	for _, w := range all {
		r := row
		r.Word = audit.Word(w)
		for _, f := range []audit.Format{audit.JSON, audit.CEF, audit.OCSF} {
			if !strings.Contains(export(t, r, f), w) {
				t.Errorf("%s: %s does not say it", f, w)
			}
		}
	}
	erased := audit.Row{ID: "1", At: row.At, Word: row.Word, Detail: "{}"}
	if !strings.Contains(export(t, erased, audit.JSON), `"erased":true`) {
		t.Error("an erased row does not say that it is")
	}
}

// words are the constants of the package.
func words(t *testing.T) (out []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "audit.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "Word" {
			return true
		}
		if lit, ok := v.Values[0].(*ast.BasicLit); ok {
			w, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, w)
		}
		return true
	})
	return out
}
