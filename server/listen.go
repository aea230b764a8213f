package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mitome-ciba/mitome/server/adminapi"
)

// Listener is one address and what answers there.
type Listener struct {
	Name     string // for the log and metrics
	Address  string // host:port, or unix:/path
	CertFile string // both empty: no TLS; renewed files are taken without a restart
	KeyFile  string
	Handler  http.Handler

	Clients *Clients // nil: callers are not asked for a certificate
}

// Clients has callers asked for a certificate. One that shows none, or any, is
// let in all the same: the handler judges, so that all refusals look alike.
type Clients struct {
	CAs *x509.CertPool // named to the callers, so that they choose well; may be nil
}

// Bounds of a call, so that a slow or talkative peer holds nothing for long. A
// WebSocket sets its own deadlines once it is upgraded.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 90 * time.Second
	maxHeaderBytes    = 16 << 10
	// silence is how long a new connection may say nothing once the server is to
	// stop. Browsers open some before they know what to ask, and net/http waits
	// five seconds for each.
	silence = 500 * time.Millisecond
)

// opened is a listener that is bound.
type opened struct {
	Listener
	net    net.Listener
	server *http.Server
	silent *silent
}

// openAll binds every listener before any serves, so that a node with a taken
// port answers nobody. Every call's context is made from base.
func openAll(base context.Context, ls []Listener, log *slog.Logger) ([]*opened, error) {
	var out []*opened
	for _, l := range ls {
		o, err := l.open(base, log)
		if err != nil {
			for _, other := range out {
				other.net.Close()
			}
			return nil, fmt.Errorf("listen for %s on %s: %w", l.Name, l.Address, err)
		}
		out = append(out, o)
	}
	for _, o := range out {
		log.Info("listening", "listener", o.Name, "address", o.net.Addr().String(), "tls", o.CertFile != "")
	}
	return out, nil
}

func (l Listener) open(base context.Context, log *slog.Logger) (*opened, error) {
	srv, quiet, err := l.server(base, log)
	if err != nil {
		return nil, err
	}
	var n net.Listener
	if path, ok := strings.CutPrefix(l.Address, "unix:"); ok {
		n, err = listenUnix(path)
	} else {
		n, err = net.Listen("tcp", l.Address)
	}
	if err != nil {
		return nil, err
	}
	return &opened{l, n, srv, quiet}, nil
}

// server is what answers on the listener, within the bounds of a call.
func (l Listener) server(base context.Context, log *slog.Logger) (*http.Server, *silent, error) {
	quiet := &silent{}
	srv := &http.Server{
		Handler: l.Handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:    slog.NewLogLogger(log.With("listener", l.Name).Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return base },
		ConnContext: withPeer, ConnState: quiet.note,
	}
	if l.CertFile == "" {
		return srv, quiet, nil
	}
	cert := &certificate{certFile: l.CertFile, keyFile: l.KeyFile, log: log.With("listener", l.Name), now: time.Now}
	if err := cert.load(); err != nil {
		return nil, nil, err
	}
	srv.TLSConfig = &tls.Config{GetCertificate: cert.current, MinVersion: tls.VersionTLS12}
	if l.Clients != nil {
		srv.TLSConfig.ClientAuth, srv.TLSConfig.ClientCAs = tls.RequestClientCert, l.Clients.CAs
	}
	return srv, quiet, nil
}

// serve answers until the server is shut down.
func (o *opened) serve() error {
	var err error
	if o.server.TLSConfig != nil {
		err = o.server.ServeTLS(o.net, "", "")
	} else {
		err = o.server.Serve(o.net)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", o.Name, err)
}

// closeAll stops every listener at once and waits for the calls in hand, for as
// long as grace; what is not done by then is cut off.
func closeAll(open []*opened, grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	var wg sync.WaitGroup
	for _, o := range open {
		wg.Go(func() {
			defer time.AfterFunc(silence, o.silent.hangUp).Stop()
			if o.server.Shutdown(ctx) != nil {
				o.server.Close()
			}
		})
	}
	wg.Wait()
}

// silent is the connections on which nothing was said yet.
type silent struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// note hears of every connection what became of it.
func (s *silent) note(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state != http.StateNew {
		delete(s.conns, c)
		return
	}
	if s.conns == nil {
		s.conns = map[net.Conn]struct{}{}
	}
	s.conns[c] = struct{}{}
}

func (s *silent) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// errInUse: another process answers on the socket.
var errInUse = errors.New("server: another process is serving there")

// listenUnix binds a socket that only this process's own user may connect to. A
// socket that a killed process left behind is removed; one that still answers,
// or a file of another kind, is not.
func listenUnix(path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is there and is not a socket", path)
	default:
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			conn.Close()
			return nil, errInUse
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	// Who connects in the moment before this is named by the kernel, and refused
	// by the admin API unless it is us or root.
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// withPeer notes who is at the other end of a Unix connection, as the kernel
// names it, for the admin API's guard.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	if uid, err := peerOf(u); err == nil {
		return adminapi.WithPeer(ctx, uid)
	}
	return ctx
}
