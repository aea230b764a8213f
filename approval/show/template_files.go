package show

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// builtIn holds the templates that are compiled in, in the form of an operator's.
//
//go:embed templates/*.yaml
var builtIn embed.FS

const (
	maxFile  = 64 << 10 // bytes
	maxFiles = 100
)

// Fault is one thing wrong with a file of templates.
type Fault struct {
	File string
	Line int // 0: the file as a whole
	Text string
}

// Faults is everything wrong with files of templates.
type Faults []Fault

// Error lists every fault, one a line.
func (f Faults) Error() string {
	lines := make([]error, len(f))
	for i, x := range f {
		lines[i] = errors.New(x.String())
	}
	return errors.Join(lines...).Error()
}

// String is file, line and what is wrong.
func (f Fault) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text)
}

// BuiltIn reads the templates that are compiled in.
func BuiltIn() (*Templates, error) {
	names, err := fs.Glob(builtIn, "templates/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	t := &Templates{byType: map[string]*template{}, extras: map[string]*template{}, scopes: map[string]*template{}}
	r := reader{builtIn: true, seen: map[string]string{}}
	for _, name := range names {
		raw, err := builtIn.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		r.read(name, raw)
	}
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	t.take(r.templates)
	return t, nil
}

// With returns t with an operator's files, or all the files of folders, laid over
// it: what they have a template for is shown by that alone. Its error, if any, is
// Faults: everything that is wrong with any of them. One thing must not have two
// templates there, because then the order of files would say what is shown.
func (t *Templates) With(paths ...string) (*Templates, error) {
	r := reader{seen: map[string]string{}}
	var files []string
	for _, p := range paths {
		found, err := filesOf(p)
		if err != nil {
			r.faults = append(r.faults, Fault{p, 0, reasonOf(err)})
		}
		files = append(files, found...)
	}
	if len(files) > maxFiles {
		return nil, append(r.faults, Fault{files[maxFiles], 0, reasonOf(errTooManyFiles)})
	}
	for _, name := range files {
		raw, err := readBounded(name)
		if err != nil {
			r.faults = append(r.faults, Fault{name, 0, reasonOf(err)})
			continue
		}
		r.read(name, raw)
	}
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	over := &Templates{maps.Clone(t.byType), maps.Clone(t.extras), maps.Clone(t.scopes)}
	over.take(r.templates)
	return over, nil
}

var (
	errTooManyFiles = fmt.Errorf("is one file too many; %d are read", maxFiles)
	errTooLarge     = fmt.Errorf("is larger than %d bytes", maxFile)
	errNoFiles      = errors.New("holds no file that ends in .yaml, .yml or .json")
	errCannotRead   = errors.New("cannot be read")
	errNotThere     = errors.New("is not there")
)

// reasonOf is why a file cannot be read, as a sentence without its path, which
// stands before it.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = errNotThere
	case !errors.Is(err, errTooLarge) && !errors.Is(err, errNoFiles) && !errors.Is(err, errTooManyFiles):
		err = errCannotRead
	}
	return err.Error() + "."
}

// filesOf is path itself, or the files in the folder that it is.
func filesOf(path string) ([]string, error) {
	st, err := os.Stat(path)
	if err != nil || !st.IsDir() {
		return []string{path}, nil // whether it can be read, reading tells
	}
	var out []string
	for _, end := range []string{"*.yaml", "*.yml", "*.json"} {
		found, err := filepath.Glob(filepath.Join(quoted(path), end))
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	if len(out) == 0 {
		return nil, errNoFiles
	}
	slices.Sort(out)
	return out, nil
}

// quoted is path without meaning to Glob.
func quoted(path string) string {
	var out []byte
	for _, c := range []byte(path) {
		if slices.Contains([]byte(`*?[\`), c) {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return string(out)
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(raw) > maxFile {
		err = errTooLarge
	}
	return raw, err
}

// take puts templates in their places; what stood there before is gone.
func (t *Templates) take(list []*template) {
	for _, x := range list {
		switch x.target {
		case authorizationDetails:
			for _, name := range x.types {
				t.byType[name] = x
			}
		case forScope:
			t.scopes[x.prefix] = x
		default:
			t.extras[x.target] = x
		}
	}
}
