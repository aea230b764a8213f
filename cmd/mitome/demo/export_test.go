package demo

import (
	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/tape"
)

// Tape is what has passed.
func (d *Demo) Tape() *tape.Tape { return d.tape }

// Record is what the clients and the OP show their messages to.
func (d *Demo) Record(m rp.Message) { d.record(m) }
