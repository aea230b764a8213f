package webui_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/webui"
)

// read returns the files that match, by name.
func read(t *testing.T, pattern string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v, %v", pattern, names, err)
	}
	out := map[string]string{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(b)
	}
	return out
}

// catalogue is every key of one language, with its text or its plural forms.
func catalogue(t *testing.T, lang string) map[string]any {
	t.Helper()
	all := map[string]any{}
	for name, text := range read(t, "words/"+lang+"/*.json") {
		var some map[string]any
		if err := json.Unmarshal([]byte(text), &some); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for k, v := range some {
			if all[k] != nil {
				t.Errorf("%s: %q is said twice", name, k)
			}
			all[k] = v
		}
	}
	return all
}

var (
	said    = regexp.MustCompile(`\.(?:Say|Count) "([^"]+)"`)
	literal = regexp.MustCompile(`"([a-z][a-z_]*(?:\.[a-z_]+)*\.?)"`)
	holds   = regexp.MustCompile(`\{\{\.\w+\}\}`)
)

// TestEveryKeyIsInEveryLanguage: a missing one would be English on a Japanese
// page, or no page at all.
func TestEveryKeyIsInEveryLanguage(t *testing.T) {
	langs, err := os.ReadDir("words")
	if err != nil || len(langs) < 2 {
		t.Fatalf("got %v, %v; want en and ja at least", langs, err)
	}
	english := catalogue(t, "en")
	for _, l := range langs {
		words := catalogue(t, l.Name())
		for name, text := range read(t, "pages/*.html") {
			for _, m := range said.FindAllStringSubmatch(text, -1) {
				if words[m[1]] == nil {
					t.Errorf("%s: %s says %q, which is missing", l.Name(), name, m[1])
				}
			}
		}
		for key := range english {
			if words[key] == nil {
				t.Errorf("%s: %q is missing", l.Name(), key)
			}
		}
		for key, v := range words {
			text, ok := v.(string)
			if !ok {
				continue
			}
			if strings.TrimSpace(text) == "" || text != strings.TrimSpace(text) {
				t.Errorf("%s: %q is blank or has a blank at its end", l.Name(), key)
			}
			want, _ := english[key].(string)
			if got, want := holds.FindAllString(text, -1), holds.FindAllString(want, -1); !slices.Equal(got, want) {
				t.Errorf("%s: %q holds %v, in English %v", l.Name(), key, got, want)
			}
		}
	}
}

// TestEveryKeyIsUsed, in a template or in the code that fills it, which may make
// a key of a beginning ("error.busy") and an end (".title").
func TestEveryKeyIsUsed(t *testing.T) {
	var used []string
	for _, text := range read(t, "pages/*.html") {
		for _, m := range said.FindAllStringSubmatch(text, -1) {
			used = append(used, m[1])
		}
	}
	for name, text := range read(t, "../server/pages/*.go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range literal.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], ".") {
				used = append(used, m[1])
			}
		}
	}
	for key := range catalogue(t, "en") {
		if !slices.ContainsFunc(used, func(u string) bool {
			return u == key || strings.HasPrefix(key, strings.TrimSuffix(u, ".")+".")
		}) {
			t.Errorf("%q is not used", key)
		}
	}
}

// TestNoSentenceStandsInTemplates: what a user reads comes from the words.
func TestNoSentenceStandsInTemplates(t *testing.T) {
	tag := regexp.MustCompile(`(?s)<!--.*?-->|<[^>]*>`)
	action := regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	spoken := regexp.MustCompile(`(?:aria-label|alt|title|placeholder|aria-description)="[^"]*"`)
	letters := regexp.MustCompile(`\pL`)
	for name, text := range read(t, "pages/*.html") {
		bare := action.ReplaceAllString(text, "")
		if left := strings.ReplaceAll(tag.ReplaceAllString(bare, ""), "認", ""); letters.MatchString(left) {
			t.Errorf("%s says %q by itself", name, strings.Join(strings.Fields(left), " "))
		}
		for _, attr := range spoken.FindAllString(bare, -1) {
			if _, value, _ := strings.Cut(attr, "="); letters.MatchString(value) {
				t.Errorf("%s: %s by itself", name, attr)
			}
		}
	}
}

// TestNoSentenceStandsInScripts, which show what stands in their page, hidden.
func TestNoSentenceStandsInScripts(t *testing.T) {
	comment := regexp.MustCompile(`(?ms)/\*.*?\*/|^\s*//.*?$|[ ;{,]// .*?$`)
	str := regexp.MustCompile("'[^'\n]*'|\"[^\"\n]*\"|`[^`]*`")
	hole := regexp.MustCompile(`\$\{[^}]*\}+`)
	sentence := regexp.MustCompile(`\pL{2,}[ ,.:;!?]+ \pL{2,}|\pL{2,} \pL{2,}`)
	wide := regexp.MustCompile(`[\p{Han}\p{Hiragana}\p{Katakana}]`)
	for name, text := range read(t, "static/js/*.js") {
		for _, s := range str.FindAllString(hole.ReplaceAllString(comment.ReplaceAllString(text, ""), ""), -1) {
			if sentence.MatchString(s) || wide.MatchString(s) {
				t.Errorf("%s: %s looks like words for people", name, s)
			}
		}
	}
}

// TestNothingInline: the policy of the pages forbids scripts and styles that
// stand in them, and texts that become markup.
func TestNothingInline(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<script(?:[^>]*)>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:|https?://`)
	for name, text := range read(t, "pages/*.html") {
		if m := inline.FindString(text); m != "" {
			t.Errorf("%s holds %q", name, m)
		}
	}
	sink := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|setAttribute\('(?:style|on)|import\(|https?://`)
	for name, text := range read(t, "static/js/*.js") {
		if m := sink.FindString(text); m != "" {
			t.Errorf("%s holds %q", name, m)
		}
	}
}

// TestImportsAreThere: modules name their neighbours by relative paths, so that
// all come under one hash.
func TestImportsAreThere(t *testing.T) {
	from := regexp.MustCompile(`(?m)^(?:import|export)[^;]*? from ['"]([^'"]+)['"]`)
	scripts := read(t, "static/js/*.js")
	for name, text := range scripts {
		for _, m := range from.FindAllStringSubmatch(text, -1) {
			file, ok := strings.CutPrefix(m[1], "./")
			if _, there := scripts["static/js/"+file]; !ok || !there {
				t.Errorf("%s imports %s", name, m[1])
			}
		}
	}
}

func TestSpeak(t *testing.T) {
	ui, err := webui.Load()
	if err != nil {
		t.Fatal(err)
	}
	for accept, want := range map[string]string{
		"": "en", "en-GB": "en", "ja": "ja", "ja-JP,en;q=0.5": "ja", "de,ja;q=0.8,en;q=0.5": "ja", "xx": "en", "*": "en", ";;;": "en",
	} {
		if got := ui.Speak(accept).Lang(); got != want {
			t.Errorf("%q: got %s, want %s", accept, got, want)
		}
	}
	if _, err := ui.Speak("en").Say("no.such.key"); err == nil {
		t.Error("a key that is not there was said")
	}
}

// TestStatic: a file may be kept for ever under the hash of all of them, and
// under no other.
func TestStatic(t *testing.T) {
	ui, err := webui.Load()
	if err != nil {
		t.Fatal(err)
	}
	hash := strings.Split(ui.Path("css/mitome.css"), "/")[2]
	for _, tt := range []struct {
		hash, name  string
		current, ok bool
	}{
		{hash, "css/mitome.css", true, true},
		{hash, "js/api.js", true, true},
		{"0123456789abcdef", "js/api.js", false, true},
		{hash, "js/none.js", true, false},
		{hash, "../webui.go", true, false},
		{hash, "", true, false},
	} {
		if _, current, ok := ui.Static(tt.hash, tt.name); current != tt.current || ok != tt.ok {
			t.Errorf("%s %s: got %v, %v, want %v, %v", tt.hash, tt.name, current, ok, tt.current, tt.ok)
		}
	}
}
