// Package loopback finds ports for the programs that tests start.
//
// # Why
//
// The usual way is to let the kernel choose a port, to close it, and to tell the
// program. On a busy machine the kernel gives it away in between, to any
// connection that somebody opens. So these come from below the range out of which
// kernels choose, where nobody gets one without asking for that very number.
package loopback

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
)

// Linux chooses from 32768 on, others from 49152.
const first, ports = 20000, 12000

// ErrNone: something listens on every port.
var ErrNone = errors.New("loopback: no port is free")

// next is where this process looks next. It is a variable of the whole process
// because what must not happen is that two of its tests are given one port.
var next atomic.Uint32

// Address returns host:port of the loopback on which nothing listens.
func Address() (string, error) {
	next.CompareAndSwap(0, 1+rand.Uint32N(ports))
	for range ports {
		port := first + next.Add(1)%ports
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return "", err
		}
		return l.Addr().String(), nil
	}
	return "", ErrNone
}
