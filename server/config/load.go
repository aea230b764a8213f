package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// DefaultPath is read if it is there and no other file is named.
const DefaultPath = "/etc/mitome/mitome.yaml"

const envPrefix = "MITOME_"

// notOurs are variables that begin like ours and are not: the ones that the
// program reads itself, and what Kubernetes puts into every container beside a
// service that is called "mitome".
var notOurs = regexp.MustCompile(`^MITOME_(CONFIG|ADMIN_TOKEN(_FILE)?|ADMIN_URL|DEVICE_DIR|TEST_.*|SERVICE_(HOST|PORT).*|PORT(_\d+_(TCP|UDP).*)?)$`)

// Load reads the file at path, then the environment over it, fills in the
// defaults and checks the whole. Its error, if the parts could be read, is a
// Faults. An empty path means DefaultPath, which need not exist.
func Load(path string, environ []string) (Config, error) {
	k := koanf.New(".")
	optional := path == ""
	if optional {
		path = DefaultPath
	}
	err := k.Load(file.Provider(path), yaml.Parser())
	if err != nil && !(optional && errors.Is(err, fs.ErrNotExist)) {
		return Config{}, fmt.Errorf("read configuration %s: %w", path, err)
	}
	var faults Faults
	if err := k.Load(environment(environ, &faults), nil); err != nil {
		return Config{}, fmt.Errorf("read environment: %w", err)
	}
	var c Config
	faults = append(faults, decode("", k.Raw(), reflect.ValueOf(&c).Elem())...)
	faults = append(faults, c.deriveClients()...)
	c.derive()
	faults = append(faults, c.Validate()...)
	return c, compact(faults).Err()
}

// environment is the provider of our variables. A variable that sets nothing is
// a fault, as an unknown key in the file is.
func environment(environ []string, faults *Faults) koanf.Provider {
	known := map[string]setting{}
	settable(reflect.TypeFor[Config](), "", known)
	return env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			s, ok := known[name]
			switch {
			case notOurs.MatchString(name) || value == "":
				return "", nil
			case !ok:
				faults.add(name, "there is no such setting in the environment.")
				return "", nil
			case !s.file:
				return s.path, value
			}
			b, err := os.ReadFile(value)
			if err != nil {
				faults.add(name, "the file cannot be read: %v.", errors.Unwrap(err))
				return "", nil
			}
			return s.path, strings.TrimRight(string(b), "\r\n")
		},
	})
}

// Decode reads the settings of connection i that are its kind's own into v, a
// pointer to a struct with the same tags as Config. Its error is a Faults.
func (c Config) Decode(i int, v any) error {
	path := fmt.Sprintf("ops[%d]", i)
	value := reflect.ValueOf(v)
	if value.Kind() != reflect.Pointer || value.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("decode %s: %T is not a pointer to a struct", path, v)
	}
	faults := decode(path, c.OPs[i].Settings, value.Elem())
	return append(faults, missing(path, value.Elem())...).Err()
}

// missing lists the required settings of a struct that are empty.
func missing(path string, v reflect.Value) Faults {
	var faults Faults
	for _, f := range fieldsOf(v.Type()) {
		if f.required && v.FieldByIndex(f.index).IsZero() {
			faults.add(join(path, f.key), "is missing.")
		}
	}
	return faults
}

// compact keeps the first fault of each path: a value that could not be read is
// missing too, and an operator needs to hear that once.
func compact(in Faults) Faults {
	var out Faults
	for _, f := range in {
		if !slices.ContainsFunc(out, func(o Fault) bool { return o.Path == f.Path }) {
			out = append(out, f)
		}
	}
	return out
}
