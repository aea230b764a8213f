package show_test

import (
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval/show"
)

func TestFits(t *testing.T) {
	tests := []struct {
		name, text string
		s          show.Surface
		want       bool
	}{
		{"nothing", "", show.WatchLine, true},
		{"watch, to the brim", "Pay 100 EUR!", show.WatchLine, true},
		{"watch, one too many", "Pay 1000 EUR!", show.WatchLine, false},
		{"watch, two lines", strings.Repeat("x", 30), show.WatchTwoLines, true},
		{"watch, two lines and one", strings.Repeat("x", 31), show.WatchTwoLines, false},
		{"one line", "Pay 100 EUR to Alice", show.OneLine, true},
		{"one line and one", "Pay 100 EUR to Alicia", show.OneLine, false},
		{"two lines", strings.Repeat("x", 50), show.TwoLines, true},
		{"two lines and one", strings.Repeat("x", 51), show.TwoLines, false},
		{"detail", strings.Repeat("x", 100), show.DetailPage, true},
		{"detail and one", strings.Repeat("x", 101), show.DetailPage, false},
		{"a kanji is two columns", "五万円送金", show.WatchLine, true},
		{"seven of them are fourteen", "五万円を送金す", show.WatchLine, false},
		{"ten on one line", strings.Repeat("金", 10), show.OneLine, true},
		{"ten and a letter", strings.Repeat("金", 10) + "x", show.OneLine, false},
		{"full-width letters", strings.Repeat("Ａ", 11), show.OneLine, false},
		{"half-width katakana", strings.Repeat("ｱ", 20), show.OneLine, true},
		{"a mark is no column", strings.Repeat("e\u0301", 20), show.OneLine, true},
		{"a flag is one emoji", strings.Repeat("🇯🇵", 6), show.WatchLine, true},
		{"seven flags", strings.Repeat("🇯🇵", 7), show.WatchLine, false},
		{"ambiguous among letters", strings.Repeat("×", 12), show.WatchLine, true},
		{"ambiguous among kanji", "金" + strings.Repeat("×", 6), show.WatchLine, false},
		{"a second line is not the first", "Pay\n100", show.OneLine, false},
		{"invisible characters never fit", "Pay\u202e 1", show.OneLine, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := show.Fits(tt.text, tt.s); got != tt.want {
				t.Errorf("Fits(%q, %d) = %v", tt.text, tt.s, got)
			}
		})
	}
}
