package config

import (
	"reflect"
	"strings"
)

// field is one setting, as its struct tags describe it.
type field struct {
	key      string // koanf tag
	index    []int
	typ      reflect.Type
	desc     string
	def      string // default tag: the value itself
	derived  string // derived tag: the default in words
	required bool
	secret   bool // may come from a file named by …_FILE
	remain   bool // takes the keys that no other field takes
}

// fieldsOf lists the settings of a struct type, those of embedded structs too.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		key, opts, _ := strings.Cut(sf.Tag.Get("koanf"), ",")
		switch {
		case sf.Anonymous && key == "":
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{i}, f.index...)
				out = append(out, f)
			}
			continue
		case !sf.IsExported() || key == "-" || key == "" && opts == "":
			continue
		}
		out = append(out, field{
			key: key, index: []int{i}, typ: sf.Type, remain: opts == "remain",
			desc: sf.Tag.Get("desc"), def: sf.Tag.Get("default"), derived: sf.Tag.Get("derived"),
			required: sf.Tag.Get("required") != "", secret: sf.Type == reflect.TypeFor[Secret](),
		})
	}
	return out
}

// leaf reports whether f is a value, not a table of further settings.
func (f field) leaf() bool {
	t := f.typ
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() != reflect.Struct || len(fieldsOf(t)) == 0
}

// envName is the environment variable of a key: listen.devices is
// MITOME_LISTEN__DEVICES.
func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "__"))
}

// settable maps the name of each environment variable to its setting. What
// stands in lists of tables can be set in the file only.
func settable(t reflect.Type, path string, out map[string]setting) {
	for _, f := range fieldsOf(t) {
		p := join(path, f.key)
		switch {
		case f.remain:
		case !f.leaf() && f.typ.Kind() == reflect.Struct:
			settable(f.typ, p, out)
		case f.leaf() && f.typ.Kind() != reflect.Map:
			out[envName(p)] = setting{path: p}
			if f.secret {
				out[envName(p)+"_FILE"] = setting{path: p, file: true}
			}
		}
	}
}

// setting is what an environment variable sets.
type setting struct {
	path string
	file bool // the variable names a file that holds the value
}
