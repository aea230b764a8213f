package browsertest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// Widths are those that every page is looked at in: a watch, a phone, a desk.
var Widths = []int64{184, 360, 1280}

// heights are the screens' heights at these widths.
var heights = map[int64]int64{184: 224, 360: 740, 1280: 800}

// Album takes pictures of pages, and checks on the way that none of them has to
// be scrolled sideways.
type Album struct {
	dir string

	mu    sync.Mutex
	pages []string
	names map[string]string // what a page is, for people
}

// NewAlbum keeps pictures in dir/screens, and their list in dir/screens.md.
func NewAlbum(t *testing.T, dir string) *Album {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "screens"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Album{dir: dir, names: map[string]string{}}
}

// Picture takes a picture of the page as it stands in each width.
func (a *Album) Picture(b *Browser, language, page, what string) {
	b.t.Helper()
	a.mu.Lock()
	if _, ok := a.names[page]; !ok {
		a.pages = append(a.pages, page)
		a.names[page] = what
	}
	a.mu.Unlock()
	for _, w := range Widths {
		b.Size(w, heights[w])
		if wide := Eval[int](b, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
			b.t.Errorf("%s in %s at %d scrolls sideways by %d", page, language, w, wide)
		}
		// All of the page, as it is on a screen that is high enough; but a dialogue
		// as it stands on the real one.
		if !Eval[bool](b, "!!document.querySelector('dialog[open]')") {
			b.Size(w, max(heights[w], Eval[int64](b, "document.documentElement.scrollHeight")))
		}
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			b.fail("picture of %s: %v", page, err)
		}
		if png, err = shrink(png); err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(a.dir, file(page, language, w)), png, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	b.Size(360, 740)
}

func file(page, language string, width int64) string {
	return fmt.Sprintf("screens/%s-%s-%d.png", page, language, width)
}

// Write writes the list.
func (a *Album) Write(t *testing.T) {
	t.Helper()
	var s strings.Builder
	s.WriteString("# The pages\n\nMade by `make screens`. A watch (184 px), a phone (360 px), a desk (1280 px), in English and Japanese.\n")
	slices.Sort(a.pages)
	for _, page := range a.pages {
		fmt.Fprintf(&s, "\n## %s\n", a.names[page])
		for _, language := range []string{"en", "ja"} {
			s.WriteString("\n")
			for _, w := range Widths {
				fmt.Fprintf(&s, "<img src=%q alt=\"%s, %s, %d px\" width=\"%d\">\n", file(page, language, w), a.names[page], language, w, min(w, 520))
			}
		}
	}
	if err := os.WriteFile(filepath.Join(a.dir, "screens.md"), []byte(s.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
