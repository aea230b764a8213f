package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// spare is how many files a process may need besides its sockets.
const spare = 500

// perSource is how many sockets are opened from one address: there are about
// twenty-eight thousand ports to leave from, and whoever measured before us may
// still keep some of them.
const perSource = 10_000

// idleSockets measures what idle sockets cost. The phones are paired, and the
// node is started anew after that, so that its memory is that of its sockets.
func (b *bench) idleSockets(ctx context.Context, dir string) error {
	n, err := newNode(b.mitome, dir, socketsPart, "")
	if err != nil {
		return err
	}
	if _, err := n.start(ctx); err != nil {
		return err
	}
	t := b.task(n)
	t.Phones, t.Length = b.sockets, b.length/2
	if _, err := child[int](ctx, "pair", t); err != nil {
		return errors.Join(err, n.stop(), n.tail())
	}
	if err := n.stop(); err != nil {
		return err
	}
	if _, err := n.start(ctx); err != nil {
		return err
	}
	t.PID = n.cmd.Process.Pid
	i, err := child[idle](ctx, "idle", t)
	if err != nil {
		return errors.Join(err, n.stop(), n.tail())
	}
	if err := n.stop(); err != nil {
		return err
	}
	b.print("socket_rss_bytes", i.RSS, "B")
	if i.Kernel > 0 {
		b.print("socket_kernel_bytes", i.Kernel, "B")
	}
	b.print("frame_p50_ms_"+short(b.sockets)+"_sockets", millis(i.Frame.P50), "ms")
	b.print("frame_p99_ms_"+short(b.sockets)+"_sockets", millis(i.Frame.P99), "ms")
	return nil
}

// maySockets says what to do where so many sockets cannot be had.
func (b *bench) maySockets() error {
	if b.sockets < 2*first {
		return fmt.Errorf("-sockets must be at least %d: the first %d are not counted", 2*first, first)
	}
	most, err := fileLimit()
	if files := b.sockets + spare; err == nil && most < files {
		err = fmt.Errorf("a process may open %d files here, and %d sockets need %d: raise the hard limit (ulimit -Hn %[3]d, as root)", most, b.sockets, files)
	}
	return err
}

// short is 10k for 10000.
func short(n int) string {
	if n%1000 == 0 {
		return strconv.Itoa(n/1000) + "k"
	}
	return strconv.Itoa(n)
}

// source is the address that the phone of that number comes from. All of
// 127.0.0.0/8 is this machine.
func source(number int) net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+number/perSource))}
}
