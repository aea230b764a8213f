package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
	"github.com/mitome-ciba/mitome/approval/show"
)

type templateCmd struct {
	Check   templateCheck   `cmd:"" help:"List every fault of files of templates; exit 1 if there is one."`
	List    templateList    `cmd:"" help:"List what has a template."`
	Preview templatePreview `cmd:"" help:"Show a request as its user would see it."`
}

type templateCheck struct {
	Files []string `arg:"" help:"Files or folders."`
}

// Run checks files that no configuration need name yet.
func (c templateCheck) Run(a *app) error {
	t, err := over(c.Files)
	if err != nil {
		return err
	}
	var own int
	for _, x := range t.List() {
		if x.From != "" {
			own++
		}
	}
	a.say("The templates are good: %d.", own)
	return nil
}

// shownBy is which templates a command goes by.
type shownBy struct {
	OP        string   `help:"Connection whose templates are used, and its rules." placeholder:"NAME"`
	Templates []string `help:"Files or folders of templates, over the built-in ones; not together with --op." placeholder:"PATH"`
}

// connection is what is shown of a connection, by the configuration or by files.
func (s shownBy) connection(a *app) (show.Connection, error) {
	if s.OP == "" {
		t, err := over(s.Templates)
		return show.Connection{Title: "OP", Templates: t}, err
	}
	if len(s.Templates) > 0 {
		return show.Connection{}, errors.New("--op and --templates cannot go together")
	}
	c, err := a.load()
	if err != nil {
		return show.Connection{}, err
	}
	all, _ := templatesOf(c) // faults were reported by load
	for _, o := range c.OPs {
		if o.Name == s.OP {
			return show.Connection{
				Title: o.Title, Scopes: o.Scopes, Templates: all[o.Name],
				Strict: o.Rules.UnknownDetails == policy.DetailsRefuse,
			}, nil
		}
	}
	return show.Connection{}, fmt.Errorf("the configuration has no connection %q", s.OP)
}

type templateList struct {
	shownBy
}

// typeOut is one template, for scripts.
type typeOut struct {
	For  string `json:"for"`
	Type string `json:"type,omitempty"`
	File string `json:"file,omitempty"`
}

// Run lists them.
func (c templateList) Run(a *app) error {
	conn, err := c.connection(a)
	if err != nil {
		return err
	}
	out, rows := []typeOut{}, [][]string(nil)
	for _, x := range conn.Templates.List() {
		out = append(out, typeOut{x.For, x.Name, x.From})
		from := x.From
		if from == "" {
			from = "built in"
		}
		rows = append(rows, []string{x.For, x.Name, from})
	}
	return a.show(out, func() { a.table([]string{"FOR", "TYPE", "FROM"}, rows) })
}

type templatePreview struct {
	shownBy
	Strict bool     `help:"As a connection with rules.unknown_details: refuse."`
	Locale string   `help:"Language of the user." default:"en"`
	Scope  []string `help:"Scopes that are asked for." default:"openid"`
	File   string   `arg:"" help:"File with what the client sends, a JSON object as in {\"authorization_details\": [...]}; - for standard input."`
}

// Run shows a request that there is not. It speaks with no server.
func (c templatePreview) Run(a *app) error {
	conn, err := c.connection(a)
	if err != nil {
		return err
	}
	raw, err := a.read(c.File)
	if err != nil {
		return err
	}
	words, err := show.Load()
	if err != nil {
		return err
	}
	r := approval.Request{
		ID: "PREVIEW", OP: "op", ClientID: "client", Scope: c.Scope,
		CreatedAt: time.Now(), ExpiresAt: time.Now().Add(2 * time.Minute),
	}
	if err := json.Unmarshal(raw, &r.Context); err != nil {
		return fmt.Errorf("%s is not a JSON object: %w", c.File, err)
	}
	conn.Strict = conn.Strict || c.Strict
	shower := show.Shower{Catalogue: words, Connections: map[string]show.Connection{"op": conn}}
	v, err := shower.Render(r, show.Viewer{Locale: c.Locale})
	if err != nil {
		return err
	}
	return a.show(v, func() { a.showView(v) })
}

// over is files of templates over the built-in ones.
func over(files []string) (*show.Templates, error) {
	t, err := show.BuiltIn()
	if err != nil {
		return nil, err
	}
	return t.With(files...)
}
