package show_test

import (
	"slices"
	"testing"

	"github.com/mitome-ciba/mitome/approval/show"
)

// FuzzLocale: whatever a browser says that it speaks, it is shown one of the
// languages that there are, whole.
func FuzzLocale(f *testing.F) {
	for _, s := range []string{"", "ja", "ja-JP,ja;q=0.9,en;q=0.8", "*", "en;q=1.0001", "de-x-private;q=0", "\xff", "en-u-nu-thai-ca-japanese", "a,b,c,d,e,f,g,h", "ja;q=;q=;;,,"} {
		f.Add(s)
	}
	c, err := show.Load()
	if err != nil {
		f.Fatal(err)
	}
	s := &show.Shower{Catalogue: c}
	known := c.Locales()
	f.Fuzz(func(t *testing.T, accept string) {
		v, err := s.Render(request(), show.Viewer{Locale: accept})
		if err != nil || !slices.Contains(known, v.Locale) || v.Title == "" || v.Words.Approve == "" {
			t.Fatalf("%q: got %q, %v", accept, v.Locale, err)
		}
	})
}
