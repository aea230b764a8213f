//go:build !linux

package server

import (
	"errors"
	"net"
)

// peerOf has no portable form; the admin API takes bearer tokens here.
func peerOf(*net.UnixConn) (uid int, err error) { return 0, errors.ErrUnsupported }
