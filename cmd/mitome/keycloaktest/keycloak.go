package keycloaktest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
)

// Version is the Keycloak that tools/keycloak.sh fetches.
const Version = "26.7.3"

const (
	admin      = "admin"
	startLimit = 4 * time.Minute // the first start compiles Keycloak's configuration
)

// Server is a running Keycloak.
type Server struct {
	URL     string // without a slash at the end; issuers are URL/realms/name
	Channel *Channel
	Log     string // file

	process *Process
}

// Start runs the Keycloak that is unpacked in home, and returns when it answers.
func Start(ctx context.Context, home, dir string) (*Server, error) {
	address, err := loopback.Address()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	s := &Server{
		URL:     "http://" + address,
		Channel: listen(),
		Log:     filepath.Join(dir, "keycloak.log"),
	}
	// The first start writes into home, and another run may start there too.
	first, err := lock(filepath.Join(home, "lock"))
	if err != nil {
		return nil, err
	}
	defer first.Close()
	if err := s.spawn(home, port); err != nil {
		return nil, err
	}
	if err := s.ready(ctx); err != nil {
		s.Stop()
		out, _ := os.ReadFile(s.Log)
		return nil, fmt.Errorf("%w; its log:\n%s", err, out)
	}
	return s, nil
}

func (s *Server) spawn(home, port string) error {
	env := []string{
		"KC_BOOTSTRAP_ADMIN_USERNAME=" + admin,
		"KC_BOOTSTRAP_ADMIN_PASSWORD=" + admin,
		"JAVA_OPTS_KC_HEAP=-Xms128m -Xmx512m",
	}
	var err error
	s.process, err = Spawn(s.Log, env, filepath.Join(home, "bin", "kc.sh"), "start-dev",
		"--db=dev-mem", "--http-host=127.0.0.1", "--http-port="+port, "--hostname="+s.URL,
		"--spi-ciba-auth-channel--ciba-http-auth-channel--http-authentication-channel-uri="+s.Channel.URL)
	return err
}

// ready waits until Keycloak answers.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/realms/master", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("keycloak does not answer")
		}
	}
}

// Stop ends Keycloak.
func (s *Server) Stop() {
	s.process.Kill()
	s.Channel.server.Close()
}

// lock takes the file for this process, and waits for whoever has it.
func lock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock: %w", err)
	}
	return f, nil
}
