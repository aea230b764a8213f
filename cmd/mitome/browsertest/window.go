package browsertest

import (
	"context"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Window waits for a window that a page of b has opened by itself, on an address
// that begins with prefix, and attaches to it. It shares b's cookies, and has no
// authenticator until it is given one.
func (b *Browser) Window(name, prefix string) *Browser {
	b.t.Helper()
	var found target.ID
	b.Until("window "+name, func(ctx context.Context) bool {
		all, err := chromedp.Targets(ctx)
		for _, info := range all {
			if info.Type == "page" && !info.Attached && strings.HasPrefix(info.URL, prefix) {
				found = info.TargetID
			}
		}
		return err == nil && found != ""
	})
	w := &Browser{name: name, t: b.t, axe: b.axe, audited: map[string]bool{}}
	ctx, stop := chromedp.NewContext(b.ctx, chromedp.WithTargetID(found), chromedp.WithListener(w.hear))
	w.ctx = ctx
	b.t.Cleanup(stop)
	b.t.Cleanup(w.check)
	if err := chromedp.Do(ctx); err != nil { // not by a call with a deadline: the target would end with it
		b.t.Fatal(err)
	}
	Call(w, network.Enable, network.EnableParams{})
	Call(w, log.Enable, struct{}{})
	w.Size(360, 740)
	return w
}

// Authenticator gives a window an authenticator of its own.
func (b *Browser) Authenticator() {
	b.t.Helper()
	Call(b, webauthn.Enable, webauthn.EnableParams{})
	b.NewAuthenticator()
}

// Tap presses the element that css selects. Unlike [Browser.Press] it does not go
// by chromedp's own picture of the page, which it may never get of one that was
// loading when a [Browser.Window] attached to it.
func (b *Browser) Tap(css string) {
	b.t.Helper()
	find := `document.querySelector("` + css + `")`
	b.UntilTrue(css+" to press", `(() => { const e = `+find+`; e?.scrollIntoView({ block: 'nearest' }); return !!e?.checkVisibility(); })()`)
	at := Eval[[]float64](b, `(() => { const r = `+find+`.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`)
	b.Do(chromedp.MouseClickXY(at[0], at[1]))
}

// Scheme makes pages light or dark.
func (b *Browser) Scheme(name string) {
	b.t.Helper()
	Call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
}

// Fits sets the size of the window, and checks that the page need not be scrolled
// sideways in it.
func (b *Browser) Fits(width, height int64) {
	b.t.Helper()
	b.Size(width, height)
	if wide := Eval[int](b, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		b.t.Errorf("%s at %d scrolls sideways by %d", b.name, width, wide)
	}
}

// Picture is what the whole page looks like, in few colours.
func (b *Browser) Picture() []byte {
	b.t.Helper()
	Eval[bool](b, "(scrollTo(0, 0), true)") // what sticks to the top of the window is where it belongs
	b.settle()
	ctx, stop := context.WithTimeout(b.ctx, Patience)
	defer stop()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		png, err = shrink(png)
	}
	if err != nil {
		b.fail("picture: %v", err)
	}
	return png
}

// settle waits until nothing on the page moves but what turns for ever.
func (b *Browser) settle() {
	b.t.Helper()
	b.Until("the page to stand still", func(ctx context.Context) bool {
		v, err := chromedp.Run(ctx, chromedp.Evaluate[bool](
			`document.getAnimations().every((a) => a.playState !== 'running' || a.effect.getTiming().iterations === Infinity)`))
		return err == nil && v
	})
}
