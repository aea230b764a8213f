package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// Why is why a call did not reach its goal, with what to do, as the end of a
// sentence. What it cannot tell it quotes.
func Why(err error, target string) string {
	at := hostOf(target)
	if s := whyTLS(err, at); s != "" {
		return s
	}
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, ssrf.ErrProhibitedIP), errors.Is(err, ssrf.ErrProhibitedNetwork), errors.Is(err, ssrf.ErrProhibitedPort):
		return fmt.Sprintf("the address of %s is private or this machine's own, where Mitome does not call; name its network in allow_private if that is meant", at)
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Sprintf("no such name as %s is known to DNS; see how it is written, and what this machine's resolver knows", name.Name)
	case errors.As(err, &name):
		return fmt.Sprintf("DNS gave no answer for %s; see this machine's resolver (/etc/resolv.conf)", name.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens at %s; start it, or mend the host or port", at)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Sprintf("there is no route to %s; see the network and its firewalls", at)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("%s did not answer within %v; see whether it is overloaded or a firewall drops the packets", at, Timeout)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Sprintf("%s closed the connection without an answer; see whether it wants https, and its log", at)
	case strings.Contains(err.Error(), "malformed HTTP"): // net/http has no value for it
		return fmt.Sprintf("what listens at %s does not speak HTTP; see whether it wants https, and the port", at)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // its own text repeats the URL, which may hold a token
	}
	return fmt.Sprintf("%s cannot be reached: %s", at, printable(err.Error()))
}

// whyTLS is Why for what goes wrong while TLS is agreed on.
func whyTLS(err error, at string) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate of %s is for %s and not for that name; serve one that is", at, names(name.Certificate))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && time.Now().Before(invalid.Cert.NotBefore):
		return fmt.Sprintf("the certificate of %s holds only from %s; see this machine's clock", at, day(invalid.Cert.NotBefore))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate of %s ended on %s; renew it (or see this machine's clock)", at, day(invalid.Cert.NotAfter))
	case errors.As(err, &unknown):
		return fmt.Sprintf("the certificate of %s comes from an authority that this machine does not know; have it serve the whole chain, or install its CA here (SSL_CERT_FILE, or update-ca-certificates)", at)
	case errors.As(err, &verify):
		return fmt.Sprintf("the certificate of %s cannot be verified: %s", at, printable(verify.Err.Error()))
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return fmt.Sprintf("%s does not speak TLS on that port; write http:// if that is meant, or mend the port", at)
	}
	return ""
}

func names(c *x509.Certificate) string {
	if len(c.DNSNames) == 0 {
		return "no name at all"
	}
	return printable(strings.Join(c.DNSNames, ", "))
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// hostOf is the host and port that a URL names.
func hostOf(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return target
	}
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), map[string]string{"https": "443", "http": "80"}[u.Scheme])
}

// printable is text from elsewhere, made fit for a line of a terminal.
func printable(s string) string {
	const enough = 200
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '.'
		}
		return c
	}, s)
	if len(s) > enough {
		s = s[:enough] + "..."
	}
	return s
}
