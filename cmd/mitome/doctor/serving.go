package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Listener is one address of ours, as configured.
type Listener struct {
	Name     string // devices, ops, admin, metrics
	Address  string // host:port, unix:/path, or off
	CertFile string // empty: no TLS
}

// Ready is what a running node says of itself.
type Ready struct {
	Status string            `json:"status"` // ok or failed
	Parts  map[string]string `json:"parts"`
	Alarms []string          `json:"alarms,omitempty"` // what is wrong though it is ready
}

// Failed lists the parts that are not well.
func (r Ready) Failed() (parts []string) {
	for name, state := range r.Parts {
		if state != "ok" {
			parts = append(parts, name)
		}
	}
	slices.Sort(parts)
	return parts
}

var (
	// ErrOff: there is no listener that could be asked.
	ErrOff = errors.New("listen.metrics is off, so nobody can ask whether this node is well; set it to an address on this machine")
	// errNotMitome: something answers, and not as we do.
	errNotMitome = errors.New("not a Mitome")
)

// Ask asks the node on this machine, by its listener for metrics, whether it is
// ready. It returns no error if the node answers, well or not.
func (l Listener) Ask(ctx context.Context, timeout time.Duration) (Ready, error) {
	if l.Address == "off" {
		return Ready{}, ErrOff
	}
	client, base, err := l.client(timeout)
	if err != nil {
		return Ready{}, err
	}
	defer client.CloseIdleConnections()
	a, err := Caller{Client: client, Now: time.Now}.do(ctx, call{url: base + "/readyz"})
	if err != nil {
		return Ready{}, err
	}
	var out Ready
	if json.Unmarshal(a.body, &out) != nil || out.Status == "" {
		return Ready{}, fmt.Errorf("%s answers %s: %w", l.Address, a.said(), errNotMitome)
	}
	return out, nil
}

// client reaches the listener from this machine, whatever it listens on.
func (l Listener) client(timeout time.Duration) (*http.Client, string, error) {
	network, address, scheme := "tcp", l.Address, "http"
	if path, ok := strings.CutPrefix(l.Address, "unix:"); ok {
		network, address = "unix", path
	} else if host, port, err := net.SplitHostPort(l.Address); err == nil && (host == "" || host == "0.0.0.0" || host == "::") {
		address = net.JoinHostPort("127.0.0.1", port) // [::] takes IPv4 as well
	}
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	if l.CertFile != "" {
		config, err := pinned(l.CertFile)
		if err != nil {
			return nil, "", err
		}
		t.TLSClientConfig, scheme = config, "https"
	}
	return &http.Client{Transport: t, Timeout: timeout}, scheme + "://mitome", nil
}

// pinned trusts the one certificate that the listener itself serves. Its names
// do not matter: it is called by this machine's own address.
func pinned(path string) (*tls.Config, error) {
	leaf, err := leafOf(path)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		InsecureSkipVerify: true, // in favour of the stricter test below
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, leaf.Raw) {
				return errors.New("another certificate than the one in " + path)
			}
			return nil
		},
	}, nil
}

// leafOf reads the first certificate of a PEM file.
func leafOf(path string) (*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return x509.ParseCertificate(block.Bytes)
}

// CheckServing looks whether this node runs and is well; where it does not run,
// whether it could.
func CheckServing(ctx context.Context, r *Report, all []Listener, started bool) {
	const check = "server"
	if !started {
		checkPorts(r, all)
		return
	}
	for _, l := range all {
		if l.Name != "metrics" {
			continue
		}
		ready, err := l.Ask(ctx, Timeout)
		switch {
		case errors.Is(err, ErrOff):
			r.Warn(check, "%s.", ErrOff.Error())
		case errors.Is(err, errNotMitome):
			r.Fault(check, "Another program than Mitome answers at listen.metrics (%s); change the address or stop it.", l.Address)
		case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist): // of a Unix socket
			r.Fault(check, "Mitome does not run here: nothing listens at listen.metrics (%s); start mitome serve and see its log, or say --before-start if it is not to run yet.", l.Address)
			checkPorts(r, all)
		case err != nil:
			r.Fault(check, "The server cannot be asked how it is: %s.", Why(err, l.Address))
		case ready.Status == "ok":
			r.OK(check, "It runs and is ready.")
			checkAlarms(r, ready)
		default:
			r.Fault(check, "It runs and is not ready: %s; the log says why (\"not ready\").", strings.Join(ready.Failed(), ", "))
		}
	}
}

// checkAlarms says what a running node has found out for itself.
func checkAlarms(r *Report, ready Ready) {
	for _, alarm := range ready.Alarms {
		r.Fault("server", "Alarm of the running server: %s; its log says what the service answered, and docs/push.md what to do.", printable(alarm))
	}
}

// checkPorts looks whether the node could listen where it is to.
func checkPorts(r *Report, all []Listener) {
	free := true
	for _, l := range all {
		if l.Address == "off" {
			continue
		}
		if text := l.taken(); text != "" {
			free = false
			r.Fault("listen."+l.Name, "%s", text)
		}
	}
	if free {
		r.OK("server", "Every address that it is to listen on is free.")
	}
}

// taken says why nobody could listen there, if so.
func (l Listener) taken() string {
	if path, ok := strings.CutPrefix(l.Address, "unix:"); ok {
		return socketTaken(path, l.Name)
	}
	n, err := net.Listen("tcp", l.Address)
	if err == nil {
		n.Close()
		return ""
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Sprintf("Another program listens at %s; stop it, or change listen.%s.", l.Address, l.Name)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("This machine has no address such as %s; change listen.%s.", l.Address, l.Name)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("This user may not listen at %s; take a port above 1023, or give the program CAP_NET_BIND_SERVICE.", l.Address)
	}
	return fmt.Sprintf("Nobody can listen at %s (%s); change listen.%s.", l.Address, printable(err.Error()), l.Name)
}

// socketTaken is taken for a Unix socket, which is not made to find out.
func socketTaken(path, name string) string {
	if n, err := net.DialTimeout("unix", path, time.Second); err == nil {
		n.Close()
		return fmt.Sprintf("Another program listens at %s; stop it, or change listen.%s.", path, name)
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "" // data_dir itself, which is made at the first start, or said of elsewhere
	case err != nil:
		return fmt.Sprintf("The folder of %s cannot be looked at (%s); run doctor as the user that runs mitome serve.", path, printable(err.Error()))
	case !info.IsDir():
		return fmt.Sprintf("%s, where the socket of listen.%s is to be, is no folder; change listen.%s.", dir, name, name)
	}
	return ""
}

// CheckCertificate looks at a certificate that Mitome serves itself; host is the
// name by which it is called, if that is known.
func (l Listener) CheckCertificate(r *Report, host string, now time.Time) {
	if l.CertFile == "" {
		return
	}
	check := "tls." + l.Name
	c, err := leafOf(l.CertFile)
	if err != nil {
		r.Fault(check, "The certificate cannot be read: %s.", printable(err.Error()))
		return
	}
	switch {
	case now.After(c.NotAfter):
		r.Fault(check, "The certificate in %s ended on %s; renew it and restart mitome serve.", l.CertFile, day(c.NotAfter))
	case now.Before(c.NotBefore):
		r.Fault(check, "The certificate in %s holds only from %s; see this machine's clock.", l.CertFile, day(c.NotBefore))
	case host != "" && c.VerifyHostname(host) != nil:
		r.Fault(check, "The certificate in %s is for %s and not for %s, the host of public_url; have one made for it.", l.CertFile, names(c), host)
	case c.NotAfter.Sub(now) < soonExpired:
		r.Warn(check, "The certificate in %s ends on %s; renew it and restart mitome serve.", l.CertFile, day(c.NotAfter))
	default:
		r.OK(check, "The certificate holds until %s.", day(c.NotAfter))
	}
}
