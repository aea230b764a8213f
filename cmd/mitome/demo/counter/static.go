package counter

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
)

//go:embed static
var shared embed.FS

// types are those of the static files, by extension.
var types = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
}

// Static sends a file of the folder static that is the same for everybody: of
// files, or of those that all pages share. Its name is the path's {file}.
func Static(files fs.FS) Do {
	return func(w http.ResponseWriter, r *http.Request) error {
		name := r.PathValue("file")
		body, err := fs.ReadFile(files, "static/"+name)
		if err != nil {
			body, err = shared.ReadFile("static/" + name)
		}
		kind := types[path.Ext(name)]
		if err != nil || kind == "" {
			return ErrNotFound
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(body) // who hung up needs no answer
		return nil
	}
}

// Page sends a page.
func Page(w http.ResponseWriter, page *template.Template, sheet any) error {
	var b bytes.Buffer
	if err := page.Execute(&b, sheet); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = b.WriteTo(w) // who hung up needs no answer
	return nil
}
