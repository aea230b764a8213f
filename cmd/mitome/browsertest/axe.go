package browsertest

import (
	"encoding/json"
	"strings"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// Audit has axe-core look at the page as it stands, once for each stage of each
// page. It runs in a world of its own: it sees the page and not its scripts.
func (b *Browser) Audit(stage string) {
	b.t.Helper()
	where := Eval[string](b, "location.pathname + ' ' + document.documentElement.lang + ' ' + innerWidth") + " " + stage
	if b.audited[where] {
		return
	}
	b.audited[where] = true
	frame := Call(b, page.GetFrameTree, struct{}{}).FrameTree.Frame.ID
	world := Call(b, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: frame, WorldName: "axe"}).ExecutionContextID
	got := Call(b, runtime.Evaluate, runtime.EvaluateParams{
		Expression: b.axe + `;axe.run(document, {resultTypes: ['violations']}).then((r) =>
			JSON.stringify(r.violations.map((v) => ({id: v.id, help: v.help, nodes: v.nodes.map((n) => n.html + ' ' + n.failureSummary)}))))`,
		ContextID: world, AwaitPromise: yes(), ReturnByValue: yes(),
	})
	if got.ExceptionDetails != nil {
		b.fail("axe: %s %v", got.ExceptionDetails.Text, got.ExceptionDetails.Exception)
	}
	var text string
	var found []struct {
		ID, Help string
		Nodes    []string
	}
	if err := json.Unmarshal(got.Result.Value, &text); err != nil {
		b.fail("axe: %v", err)
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		b.fail("axe: %v", err)
	}
	for _, v := range found {
		b.t.Errorf("%s: axe on %s: %s: %s\n%s", b.name, where, v.ID, v.Help, strings.Join(v.Nodes, "\n"))
	}
}

func yes() *bool { v := true; return &v }
