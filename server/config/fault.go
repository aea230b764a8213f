package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Fault is one thing wrong with the configuration.
type Fault struct {
	Path string // the key, as in ops[0].issuer, or the environment variable
	Text string // a plain sentence, without the value where that may be a secret
}

// Faults is everything wrong with the configuration.
type Faults []Fault

// Error lists every fault, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, x := range f {
		lines[i] = x.Path + ": " + x.Text
	}
	return strings.Join(lines, "\n")
}

// add records one fault.
func (f *Faults) add(path, text string, args ...any) {
	*f = append(*f, Fault{path, fmt.Sprintf(text, args...)})
}

// Err returns f as an error; nil if there is no fault.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// AtOP is what the opening of connection i complained of, as faults with the
// path of that connection. Faults that its decode returned stay as they are; an
// error joined of several is several faults; and one that begins with the name of
// a setting is that setting's.
func AtOP(i int, err error) Faults {
	var known Faults
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	}
	if parts := joined(err); parts != nil {
		var out Faults
		for _, e := range parts {
			out = append(out, AtOP(i, e)...)
		}
		return out
	}
	path, text := fmt.Sprintf("ops[%d]", i), err.Error()
	if m := aboutKey.FindStringSubmatch(text); m != nil {
		path, text = path+"."+m[1], m[2]
	}
	return Faults{{path, strings.TrimSuffix(text, ".") + "."}}
}

// aboutKey matches "margin must be …".
var aboutKey = regexp.MustCompile(`(?s)^([a-z][a-z0-9_]*(?:\[\d+\])?)(?:: | )((?:must|is|cannot|needs) .*)$`)

// joined returns the parts of an error that errors.Join made, one a line. What
// fmt.Errorf wraps twice is one sentence and stays whole.
func joined(err error) []error {
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var lines []string
	for _, e := range many.Unwrap() {
		lines = append(lines, e.Error())
	}
	if strings.Join(lines, "\n") != err.Error() {
		return nil
	}
	return many.Unwrap()
}
