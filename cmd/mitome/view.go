package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/approval/show"
)

// viewOf reads what a server said to show. One that cannot be read has no words,
// and then nothing is shown but the id.
func viewOf(text string) show.View {
	var v show.View
	if json.Unmarshal([]byte(text), &v) != nil {
		return show.View{}
	}
	return v
}

// showView writes a view as its user is to see it: its own words, and no others.
func (a *app) showView(v show.View) {
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(a.out, "%s: %s\n", plain(label), plain(text))
		}
	}
	fmt.Fprintf(a.out, "%s\n", plain(v.Title))
	client := v.Client.Label
	if v.Client.ID != "" && v.Client.ID != client {
		client += " (" + v.Client.ID + ")"
	}
	line(v.Words.Client, client)
	line(v.Words.OP, v.OP)
	line(v.Words.Message, v.BindingMessage)
	var scopes []string
	for _, s := range v.Scopes {
		scopes = append(scopes, s.Text)
	}
	line(v.Words.Scopes, strings.Join(scopes, "; "))
	for _, d := range v.Details {
		line(d.Label, d.Value)
	}
	if p := v.Place; p != nil {
		fmt.Fprintln(a.out, plain(p.Text))
		if p.Warning != "" {
			fmt.Fprintln(a.out, plain(p.Warning))
		}
	}
	if v.Omitted != "" {
		fmt.Fprintln(a.out, plain(v.Omitted))
	}
	line(v.Words.RequestedAt, clock(v.RequestedAt))
	line(v.Words.ExpiresAt, clock(v.ExpiresAt))
	if v.Refused != "" {
		fmt.Fprintln(a.out, plain(v.Refused))
	}
	if v.Prompt != "" {
		fmt.Fprintln(a.out, plain(v.Prompt))
	}
	fmt.Fprintln(a.out, plain(v.Words.Warning))
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return when(t)
}
