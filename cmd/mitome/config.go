package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mitome-ciba/mitome/server"
	"github.com/mitome-ciba/mitome/server/config"
)

type configCmd struct {
	Check     configCheck     `cmd:"" help:"List every fault of the configuration; exit 1 if there is one."`
	Reference configReference `cmd:"" help:"Print every setting, as Markdown."`
	Kinds     configKinds     `cmd:"" help:"Print what each kind of connection carries, as Markdown."`
	Example   configExample   `cmd:"" help:"Print a configuration to begin with."`
	OpenAPI   configOpenAPI   `cmd:"" name:"openapi" help:"Print the OpenAPI 3.1 description of an API."`
}

type (
	configCheck     struct{}
	configReference struct{}
	configKinds     struct{}
	configExample   struct{}
	configOpenAPI   struct {
		API string `arg:"" enum:"admin,desk,devices,ops" help:"Of ${enum}."`
	}
)

// Run checks the configuration, the parts of each kind of connection too.
func (configCheck) Run(a *app) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	if _, faults := openMetadata(c, nil); len(faults) > 0 {
		return configFaults{faults}
	}
	if _, faults := openPlaces(c, nil); len(faults) > 0 {
		return configFaults{faults}
	}
	a.say("The configuration is good: %d connection(s), %s.", len(c.OPs), c.PublicURL)
	return nil
}

// Run prints docs/configuration.md.
func (configReference) Run(a *app) error {
	_, err := io.WriteString(a.out, reference())
	return err
}

// Run prints docs/ops/README.md.
func (configKinds) Run(a *app) error {
	text, err := contractsDoc()
	if err == nil {
		_, err = io.WriteString(a.out, text)
	}
	return err
}

// Run prints deploy/mitome.example.yaml.
func (configExample) Run(a *app) error {
	_, err := io.WriteString(a.out, config.Example)
	return err
}

// Run prints docs/openapi/<api>.yaml.
func (c configOpenAPI) Run(a *app) error {
	docs, err := server.Documents(apiVersion)
	if err != nil {
		return err
	}
	for _, d := range docs {
		if d.Name == c.API {
			_, err = a.out.Write(d.YAML)
		}
	}
	return err
}

// apiVersion stands in the descriptions that are kept in docs. Those that are
// served name the program's own version.
const apiVersion = "1"

// reference is the text of docs/configuration.md.
func reference() string {
	var docs []config.Kind
	for _, k := range kinds {
		docs = append(docs, config.Kind{Name: k.name, Settings: k.settings})
	}
	return config.Reference(docs)
}

// load reads the configuration and checks it with every kind of connection that
// it names. Its error lists all faults.
func (a *app) load() (config.Config, error) {
	c, err := config.Load(a.config, os.Environ())
	var faults config.Faults
	if err != nil && !errors.As(err, &faults) {
		return c, err
	}
	_, more := openOPs(c, nil, nil)
	faults = append(append(faults, more...), appFaults(c)...)
	_, more = templatesOf(c)
	faults = append(append(faults, more...), ruleFaults(c)...)
	if len(faults) > 0 {
		return c, configFaults{faults}
	}
	return c, nil
}

// configFaults is the faults with a line before them.
type configFaults struct{ config.Faults }

// Error implements error.
func (f configFaults) Error() string {
	return fmt.Sprintf("the configuration has %d fault(s):\n%s", len(f.Faults), f.Faults.Error())
}
