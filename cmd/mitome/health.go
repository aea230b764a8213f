package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
	"github.com/mitome-ciba/mitome/server/config"
)

type healthCmd struct {
	Timeout time.Duration `help:"How long to wait for the answer." default:"3s"`
}

// Run asks the node on this machine whether it is ready, for a container's health
// check: there is no shell and no curl beside the binary.
func (h healthCmd) Run(a *app) error {
	c, err := config.Load(a.config, os.Environ())
	var faults config.Faults // of the configuration the address alone is needed, as the node has it
	if err != nil && !errors.As(err, &faults) {
		return err
	}
	ready, err := metricsOf(c).Ask(a.ctx, h.Timeout)
	if errors.Is(err, doctor.ErrOff) {
		return err
	}
	if err != nil {
		return errors.New("not ready: " + doctor.Why(err, c.Listen.Metrics))
	}
	if err := a.show(ready, func() { fmt.Fprintln(a.out, healthLine(ready)) }); err != nil {
		return err
	}
	if ready.Status != "ok" {
		return errSaid
	}
	return nil
}

func healthLine(r doctor.Ready) string {
	line := "ready"
	if r.Status != "ok" {
		line = "not ready: " + strings.Join(r.Failed(), ", ")
	}
	for _, alarm := range r.Alarms {
		line += "\nalarm: " + plain(alarm)
	}
	return line
}

// metricsOf is the listener that says how the node is.
func metricsOf(c config.Config) doctor.Listener {
	return doctor.Listener{Name: "metrics", Address: c.Listen.Metrics, CertFile: c.TLS.Metrics.CertFile}
}
