package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo/fapi"
)

// fapi runs the OP that a conformance suite is pointed at.
func (c demoCmd) fapi(a *app, d *fapi.Demo) (err error) {
	if d.OP, err = fapiListen("--fapi-listen", c.FAPIListen); err != nil {
		return err
	}
	defer d.OP.Close()
	if d.MTLS, err = fapiListen("--fapi-mtls", c.FAPIMTLS); err != nil {
		return err
	}
	defer d.MTLS.Close()
	return d.Run(a.ctx)
}

// fapiListen binds a port of this machine alone: who reaches it may register a
// client, and have its requests approved.
func fapiListen(flag, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host != "localhost" && host != "127.0.0.1" {
		return nil, fmt.Errorf("%s must be an address of this machine alone, such as 127.0.0.1:9443", flag)
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use; choose another port with %s", address, flag)
	}
	return l, err
}

// rules are what the demo's connection is configured with besides. A suite asks
// for acr values of its own, and types no code.
func (c demoCmd) rules() string {
	if !c.FAPICIBA {
		return ""
	}
	var b strings.Builder
	b.WriteString("    rules:\n      phr_without_code: true\n      acr:\n")
	for _, value := range fapi.ACRs {
		fmt.Fprintf(&b, "        - { value: %q, user_verified: true }\n", value)
	}
	return b.String()
}
