package main

import (
	"errors"
	"fmt"

	"github.com/mitome-ciba/mitome/approval/show"
	"github.com/mitome-ciba/mitome/server/config"
)

// templatesOf is what each connection shows details by: its own files over those
// of templates_dir over the built-in ones.
func templatesOf(c config.Config) (map[string]*show.Templates, config.Faults) {
	base, err := show.BuiltIn()
	if err != nil {
		return nil, config.Faults{{Path: "templates_dir", Text: err.Error()}}
	}
	var faults config.Faults
	if c.TemplatesDir != "" {
		over, err := base.With(c.TemplatesDir)
		if faults = templateFaults("templates_dir", err); over != nil {
			base = over
		}
	}
	out := map[string]*show.Templates{}
	for i, o := range c.OPs {
		own, err := base.With(o.Templates...)
		faults = append(faults, templateFaults(fmt.Sprintf("ops[%d].templates", i), err)...)
		out[o.Name] = own
	}
	return out, faults
}

// templateFaults is what is wrong with files of templates, at the setting that
// names them.
func templateFaults(path string, err error) (out config.Faults) {
	var faults show.Faults
	if err != nil && !errors.As(err, &faults) {
		return config.Faults{{Path: path, Text: err.Error()}}
	}
	for _, f := range faults {
		out = append(out, config.Fault{Path: path, Text: f.String()})
	}
	return out
}
