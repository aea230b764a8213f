package browsertest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Call sends one command of Chromium's protocol.
func Call[P, R any](b *Browser, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, Patience)
	defer stop()
	r, err := chromedp.Call(ctx, cmd, params)
	if err != nil {
		b.fail("%s: %v", cmd.Method, err)
	}
	return r
}

// Eval returns what an expression is on the page.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, Patience)
	defer stop()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.fail("%s: %v", expression, err)
	}
	return v
}

// Until waits until a condition holds.
func (b *Browser) Until(what string, ok func(context.Context) bool) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, Patience)
	defer stop()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !ok(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.fail("waited in vain for %s", what)
		}
	}
}

// UntilTrue waits until an expression is true on the page. A page that is being
// replaced by another has no truth, and is asked again.
func (b *Browser) UntilTrue(what, expression string) {
	b.t.Helper()
	b.Until(what, func(ctx context.Context) bool {
		v, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		return err == nil && v
	})
}

// Stage waits until the page shows a stage, and has axe look at it.
func (b *Browser) Stage(name string) {
	b.t.Helper()
	b.UntilTrue("stage "+name, `(() => { const s = document.querySelector('[data-stage="`+name+`"]'); return document.readyState === 'complete' && !!s && s.checkVisibility(); })()`)
	b.Audit(name)
}

// Said waits until the page says something that stands ready on it, by its key.
func (b *Browser) Said(key string) {
	b.t.Helper()
	b.UntilTrue("message "+key, `[...document.querySelectorAll('[data-when~="`+key+`"]')].some((e) => e.checkVisibility())`)
}

// Sees waits for an element that is there for everybody: by role and name, in
// the page as assistive technology has it.
func (b *Browser) Sees(role, name string) {
	b.t.Helper()
	b.find(role, name)
}

// SeesNot waits until there is no such element.
func (b *Browser) SeesNot(role, name string) {
	b.t.Helper()
	b.Until("no "+role+" "+name, func(ctx context.Context) bool {
		id, err := look(ctx, role, name)
		return err == nil && id == 0
	})
}

// Text waits until the page shows a text.
func (b *Browser) Text(text string) {
	b.t.Helper()
	b.Until("text "+text, func(ctx context.Context) bool {
		v, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
		return err == nil && strings.Contains(v, text)
	})
}

// Click presses what has this role and name.
func (b *Browser) Click(role, name string) {
	b.t.Helper()
	b.Until("a "+role+" to press: "+name, func(ctx context.Context) bool {
		x, y, ok := place(ctx, role, name)
		return ok && chromedp.Do(ctx, chromedp.MouseClickXY(x, y)) == nil
	})
}

// DoubleClick presses it twice, faster than any page can answer.
func (b *Browser) DoubleClick(role, name string) {
	b.t.Helper()
	b.Until("a "+role+" to press: "+name, func(ctx context.Context) bool {
		x, y, ok := place(ctx, role, name)
		return ok && chromedp.Do(ctx, chromedp.MouseClickXY(x, y), chromedp.MouseClickXY(x, y)) == nil
	})
}

// Type replaces what stands in the field with this name.
func (b *Browser) Type(label, text string) {
	b.t.Helper()
	b.find("textbox", label)
	b.Click("textbox", label)
	b.Do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("(document.activeElement.select(), true)"))
		return err
	}), chromedp.KeyEvent(text))
}

func (b *Browser) find(role, name string) {
	b.t.Helper()
	b.Until(role+" "+name, func(ctx context.Context) bool {
		id, err := look(ctx, role, name)
		return err == nil && id != 0
	})
}

// place is the middle of an element, brought into view.
func place(ctx context.Context, role, name string) (x, y float64, ok bool) {
	id, err := look(ctx, role, name)
	if err != nil || id == 0 {
		return 0, 0, false
	}
	if _, err := chromedp.Call(ctx, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: id}); err != nil {
		return 0, 0, false
	}
	box, err := chromedp.Call(ctx, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: id})
	if err != nil || len(box.Quads) == 0 || len(box.Quads[0]) != 8 {
		return 0, 0, false
	}
	q := box.Quads[0]
	return (q[0] + q[4]) / 2, (q[1] + q[5]) / 2, true
}

// errComing: the page is not there yet, so nobody can say what is on it.
var errComing = errors.New("browsertest: page is still coming")

// look returns the first element with this role and name that is not hidden, or 0.
// It asks nothing of a page that is still coming: Chromium answers neither that
// question nor any after it if the page is replaced meanwhile.
func look(ctx context.Context, role, name string) (cdp.BackendNodeID, error) {
	ready, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.readyState === 'complete'"))
	if err != nil {
		return 0, err
	}
	if !ready {
		return 0, errComing
	}
	doc, err := chromedp.Call(ctx, dom.GetDocument, dom.GetDocumentParams{})
	if err != nil {
		return 0, err
	}
	tree, err := chromedp.Call(ctx, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{
		BackendNodeID: doc.Root.BackendNodeID, Role: role, AccessibleName: name,
	})
	if err != nil {
		return 0, err
	}
	for _, n := range tree.Nodes {
		if !n.Ignored {
			return n.BackendDOMNodeID, nil
		}
	}
	return 0, nil
}

// Press presses the element that css selects, whatever it is called: for pages
// in a language that the test does not speak.
func (b *Browser) Press(css string) {
	b.t.Helper()
	b.Do(chromedp.Click(chromedp.CSS(css), chromedp.NodeVisible))
}

// Fill types into the field that css selects.
func (b *Browser) Fill(css, text string) {
	b.t.Helper()
	b.Do(chromedp.SendKeys(chromedp.CSS(css), text, chromedp.NodeVisible))
}

// Choose chooses a file for the input that css selects.
func (b *Browser) Choose(css, file string) {
	b.t.Helper()
	input := Call(b, runtime.Evaluate, runtime.EvaluateParams{Expression: `document.querySelector("` + css + `")`}).Result.ObjectID
	Call(b, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{file}, ObjectID: input})
}
