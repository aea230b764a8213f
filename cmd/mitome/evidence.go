package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/sign"
	"github.com/mitome-ciba/mitome/device"
)

type evidenceCmd struct {
	Export evidenceExport `cmd:"" help:"Write the evidence of a decision: a JWS."`
	Verify evidenceVerify `cmd:"" help:"Verify evidence offline and say what was decided; exit 1 if it does not hold."`
}

type evidenceExport struct {
	Request string `arg:"" help:"Id of the request."`
}

// Run writes the JWS as it stands, and nothing else.
func (c evidenceExport) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	e, err := client.Evidence(a.ctx, c.Request)
	if err != nil {
		return err
	}
	return a.show(e, func() { fmt.Fprintln(a.out, e.JWS) })
}

type evidenceVerify struct {
	Keys   string `required:"" placeholder:"FILE" help:"The operator's published keys (JWKS), from <public_url>/.well-known/jwks.json. They must come from the operator, not with the evidence."`
	Bundle string `arg:"" help:"File with the JWS; - for standard input."`
}

// maxBundle bounds what is read of a bundle or a key set.
const maxBundle = 1 << 20

// Run verifies a bundle with what is in two files and nothing else.
func (c evidenceVerify) Run(a *app) error {
	st, err := c.verify(a)
	if err != nil {
		return err
	}
	return a.show(st, func() { a.showStatement(st) })
}

func (c evidenceVerify) verify(a *app) (approval.Statement, error) {
	var st approval.Statement
	raw, err := a.read(c.Keys)
	if err != nil {
		return st, err
	}
	keys, err := sign.ParseKeys(raw)
	if err != nil {
		return st, err
	}
	bundle, err := a.read(c.Bundle)
	if err != nil {
		return st, err
	}
	payload, err := sign.Verify(strings.TrimSpace(string(bundle)), keys)
	if err != nil {
		return st, fmt.Errorf("the evidence does not hold: %w", err)
	}
	if err := json.Unmarshal(payload, &st); err != nil {
		return st, fmt.Errorf("the evidence does not hold: it is signed, and is not a statement: %w", err)
	}
	if err := st.Verify(device.CheckAssertion); err != nil {
		return st, fmt.Errorf("the evidence does not hold: %w", err)
	}
	return st, nil
}

// read reads a file, or standard input for "-".
func (a *app) read(path string) ([]byte, error) {
	in := a.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxBundle))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return b, nil
}

// showStatement says what was decided, by whom and over what.
func (a *app) showStatement(st approval.Statement) {
	d := st.Decision
	verb := "APPROVED"
	if d.Verdict == approval.Deny {
		verb = "DENIED"
	}
	fmt.Fprintf(a.out, "The evidence holds: request %s was %s.\n\n", plain(string(st.Request)), verb)
	for _, l := range [][2]string{
		{"mitome", st.Issuer}, {"op", st.OP}, {"client", st.ClientID},
		{"user", fmt.Sprintf("%s (%s)", st.User.Subject, st.User.ID)},
		{"device", fmt.Sprintf("%s (%s), paired %s", st.Device.Name, st.Device.ID, when(st.Device.PairedAt))},
		{"decided", when(d.At)}, {"reason", string(d.Reason)}, {"acr", d.ACR}, {"amr", strings.Join(d.AMR, " ")},
		{"user_code", d.UserCode},
	} {
		if l[1] != "" {
			fmt.Fprintf(a.out, "%-10s %s\n", l[0], plain(l[1]))
		}
	}
	if st.View == "" {
		fmt.Fprintln(a.out, "\nA denial is not signed by the device; it stands on Mitome's word alone.")
		return
	}
	fmt.Fprint(a.out, "\nWhat the device showed, and its passkey signed:\n\n")
	a.showView(viewOf(st.View))
}
