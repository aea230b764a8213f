package shop

import (
	"maps"
	"slices"
	"testing"
)

// TestWords has every word in every language.
func TestWords(t *testing.T) {
	p, err := load()
	if err != nil {
		t.Fatal(err)
	}
	english := slices.Sorted(maps.Keys(p.speakers[0].words))
	for _, s := range p.speakers {
		if keys := slices.Sorted(maps.Keys(s.words)); !slices.Equal(keys, english) {
			t.Errorf("the words of %s and English differ: %v, %v", s.Lang, keys, english)
		}
		for key, text := range s.words {
			if text == "" {
				t.Errorf("%s of %s is empty", key, s.Lang)
			}
		}
	}
	if _, err := p.speakers[0].Say("no such word"); err == nil {
		t.Error("a word that is missing goes unnoticed")
	}
}
