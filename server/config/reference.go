package config

import (
	_ "embed"
	"fmt"
	"reflect"
	"strings"
)

// Example is a configuration to begin with. A copy stands in
// deploy/mitome.example.yaml, kept in step by a test.
//
//go:embed mitome.example.yaml
var Example string

// Kind is a kind of connection, for the reference.
type Kind struct {
	Name     string
	Settings any // the zero value of the kind's own settings
}

// Reference is the text of docs/configuration.md, from the struct tags.
func Reference(kinds []Kind) string {
	var b strings.Builder
	b.WriteString(referenceHead)
	section(&b, "The whole server", "", reflect.TypeFor[Config](), false)
	for _, s := range []struct {
		title, key string
		typ        reflect.Type
	}{
		{"Where it listens", "listen", reflect.TypeFor[Listen]()},
		{"TLS", "tls", reflect.TypeFor[TLS]()},
		{"Database", "database", reflect.TypeFor[Database]()},
		{"Sessions", "sessions", reflect.TypeFor[Sessions]()},
		{"Pairing", "pairing", reflect.TypeFor[Pairing]()},
		{"Push", "push", reflect.TypeFor[Push]()},
		{"Apps of your own", "apps", reflect.TypeFor[Apps]()},
		{"Attestation", "attestation", reflect.TypeFor[Attestation]()},
		{"How long things are kept", "retention", reflect.TypeFor[Retention]()},
		{"Places", "places", reflect.TypeFor[Places]()},
		{"Log", "log", reflect.TypeFor[LogConfig]()},
	} {
		section(&b, s.title, s.key, s.typ, false)
	}
	section(&b, "Administrators", "admin.tokens[]", reflect.TypeFor[AdminToken](), true)
	section(&b, "Connections to OpenID Providers", "ops[]", reflect.TypeFor[OP](), true)
	for _, k := range kinds {
		section(&b, "Connections of kind "+k.Name, "ops[]", reflect.TypeOf(k.Settings), true)
	}
	return b.String()
}

const referenceHead = `# Configuration

Written by ` + "`mitome config reference`" + ` from the program itself; do not edit by hand.

Settings are read from a YAML file (` + "`--config`, `MITOME_CONFIG`, or `" + DefaultPath + "`" + `) and then
from the environment, which wins. A setting that is empty, zero or absent has its default. A key that
is not listed here is a fault, in the file and in the environment alike, and ` + "`mitome config check`" + `
lists every fault at once.
`

// section writes one table; its rows are the settings under path. Settings in
// lists of tables have no variable.
func section(b *strings.Builder, title, path string, t reflect.Type, inList bool) {
	fmt.Fprintf(b, "\n## %s\n\n| key | default | what it is |\n|---|---|---|\n", title)
	rows(b, path, t, inList, path == "")
}

// rows writes the rows of t; flat leaves out what has a section of its own.
func rows(b *strings.Builder, path string, t reflect.Type, inList, flat bool) {
	for _, f := range fieldsOf(t) {
		p := join(path, f.key)
		switch {
		case f.remain:
		case f.leaf():
			key := "`" + p + "`"
			if !inList && f.typ.Kind() != reflect.Map {
				key += "<br>`" + envName(p) + "`"
				if f.secret {
					key += "<br>`" + envName(p) + "_FILE`"
				}
			}
			fmt.Fprintf(b, "| %s | %s | %s |\n", key, f.defaultText(), escape(f.desc))
		case !flat && f.typ.Kind() == reflect.Slice:
			rows(b, p+"[]", f.typ.Elem(), true, false)
		case !flat:
			rows(b, p, f.typ, inList, false)
		}
	}
}

func (f field) defaultText() string {
	switch {
	case f.required:
		return "none; must be set"
	case f.def != "":
		return "`" + escape(f.def) + "`"
	case f.derived != "":
		return escape(f.derived)
	case f.typ.Kind() == reflect.Bool:
		return "`false`"
	}
	return "empty"
}

func escape(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;").Replace(s)
}
