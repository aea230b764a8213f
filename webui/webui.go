// Package webui is what browsers are given: templates, scripts, styles and the
// words on them, compiled in. It knows nothing of Mitome but what a page must
// say: package server/pages fills the view structs that stand beside each page.
//
// # Why
//
// The pages are made on the server and moved by native modules, so there is no
// build step, and what runs on the page that approves is what stands in
// static/js, to the letter. Every static file lives under one hash of them all:
// a module imports its neighbours by relative paths and gets the versions it was
// written with, and browsers may keep them for ever.
//
// No sentence stands in a template or a script. They come from words/<language>,
// one folder a language, so that a page never speaks two of them; what a script
// may have to say stands in its page already, hidden.
package webui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"
)

//go:embed pages/*.html static words
var files embed.FS

// UI is every page, file and word. It is safe for concurrent use.
type UI struct {
	words  *words
	pages  map[string]*template.Template
	static map[string]File
	hash   string
}

// File is one static file.
type File struct {
	Body []byte
	Type string // of the content
}

// Page is what the layout needs to know of a page.
type Page struct {
	Title   string   // of the tab, in the page's language
	Kind    string   // of the request: sign_in, payment or action; it chooses the accent. Empty: none
	At      string   // home, devices: which link of the navigation is this page. Empty: no navigation
	Wide    bool     // for a page that is looked at on a desk, beside a phone
	Scripts []string // modules of the page: "request" is static/js/request.js
	View    any      // the page's own struct
}

// sheet is what a template sees: the page, its language, and where files are.
type sheet struct {
	Page
	*Speaker
	ui *UI
}

// Asset is the path of a static file.
func (s sheet) Asset(name string) (string, error) {
	if _, ok := s.ui.static[name]; !ok {
		return "", fmt.Errorf("webui: no static file %s", name)
	}
	return s.ui.Path(name), nil
}

// With is the sheet for a part of the page, which shows view.
func (s sheet) With(view any) sheet {
	s.View = view
	return s
}

// Load reads everything that is compiled in. Its error is a fault of the files.
func Load() (*UI, error) {
	u := &UI{pages: map[string]*template.Template{}, static: map[string]File{}}
	var err error
	if u.words, err = loadWords(); err != nil {
		return nil, err
	}
	if err := u.loadStatic(); err != nil {
		return nil, err
	}
	return u, u.loadPages()
}

// shared are the templates that every page may use.
var shared = []string{"pages/layout.html", "pages/parts.html"}

func (u *UI) loadPages() error {
	base, err := template.ParseFS(files, shared...)
	if err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	names, err := fs.Glob(files, "pages/*.html")
	if err != nil {
		return fmt.Errorf("list pages: %w", err)
	}
	for _, name := range names {
		if name == shared[0] || name == shared[1] {
			continue
		}
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(files, name)
		}
		if err != nil {
			return fmt.Errorf("page %s: %w", name, err)
		}
		u.pages[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return nil
}

// types are those of the static files, by extension.
var types = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
	".png": "image/png", ".webmanifest": "application/manifest+json",
}

func (u *UI) loadStatic() error {
	sum := sha256.New()
	err := fs.WalkDir(files, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		kind, ok := types[path.Ext(name)]
		if !ok {
			return fmt.Errorf("%s: of no known type", name)
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(body))
		sum.Write(body)
		u.static[strings.TrimPrefix(name, "static/")] = File{body, kind}
		return nil
	})
	if err != nil {
		return fmt.Errorf("static files: %w", err)
	}
	u.hash = hex.EncodeToString(sum.Sum(nil))[:16]
	return nil
}

// Path is where a static file is found, as in js/request.js.
func (u *UI) Path(name string) string { return "/static/" + u.hash + "/" + name }

// Static returns a static file, and whether hash is that of the files as they
// are: then the answer may be kept for ever. A page that another version of
// Mitome rendered gets the file as it is here, which must not be kept.
func (u *UI) Static(hash, name string) (f File, current, ok bool) {
	f, ok = u.static[name]
	return f, hash == u.hash, ok
}

// Render writes a page, in whole or not at all.
func (u *UI) Render(w io.Writer, in *Speaker, name string, p Page) error {
	t, ok := u.pages[name]
	if !ok {
		return fmt.Errorf("webui: no page %s", name)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", sheet{p, in, u}); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	_, err := w.Write(b.Bytes())
	return err
}
