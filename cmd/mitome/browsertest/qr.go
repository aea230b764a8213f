package browsertest

import (
	"bytes"
	"fmt"
	"image/png"

	"github.com/chromedp/cdproto/page"
	"rsc.io/qr"
)

// margin is what a reader needs around a code (ISO/IEC 18004 §9.1), in modules.
const margin = 4

// HasQR checks that the element which css selects looks like the QR code of text:
// it takes a picture of the page, as a phone would, and compares each module.
func (b *Browser) HasQR(css, text string) {
	b.t.Helper()
	box := Eval[struct{ X, Y, Width, Height float64 }](b, `(() => {
		const e = document.querySelector('`+css+`');
		e.scrollIntoView({behavior: 'instant', block: 'center'});
		const {x, y} = e.getBoundingClientRect(), s = getComputedStyle(e), size = (name) => parseFloat(s[name]);
		const left = e.clientLeft + size('paddingLeft'), top = e.clientTop + size('paddingTop');
		return {
			X: x + scrollX + left, Y: y + scrollY + top,
			Width: e.clientWidth - 2 * size('paddingLeft'), Height: e.clientHeight - 2 * size('paddingTop'),
		};
	})()`)
	data := Call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Clip: &page.Viewport{X: box.X, Y: box.Y, Width: box.Width, Height: box.Height, Scale: 3},
	}).Data
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	size := picture.Bounds()
	dark := func(x, y, of int) bool {
		at := func(i, length int) int { return (2*i + 1) * length / (2 * of) }
		r, g, blue, _ := picture.At(size.Min.X+at(x, size.Dx()), size.Min.Y+at(y, size.Dy())).RGBA()
		return r+g+blue < 3*0x8000
	}
	why := ""
	for _, level := range []qr.Level{qr.L, qr.M, qr.Q, qr.H} {
		code, err := qr.Encode(text, level)
		if err != nil {
			b.t.Fatal(err)
		}
		if why = differs(code, dark); why == "" {
			return
		}
	}
	b.fail("%s in %v is not the code of what stands beside it: %s", css, size, why)
}

// differs says where a picture is not the code with its margin.
func differs(code *qr.Code, dark func(x, y, of int) bool) string {
	whole := code.Size + 2*margin
	for y := range whole {
		for x := range whole {
			if dark(x, y, whole) != code.Black(x-margin, y-margin) {
				return fmt.Sprintf("module %d, %d of %d", x, y, whole)
			}
		}
	}
	return ""
}
