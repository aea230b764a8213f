package push

import (
	"net"
	"net/http"
	"net/netip"
	"time"

	"code.dny.dev/ssrf"
)

// Guard decides which networks our own calls may reach: push services, and OPs
// by their adapters. The zero Guard reaches public addresses only.
//
// The address is judged when the socket is about to connect, after the name was
// resolved, so neither an odd spelling of an address nor a name that changes
// its answer between check and use (DNS rebinding) gets past it.
type Guard struct {
	// Allow names networks that may be called besides the public ones, say those
	// of an OP in one's own data centre. It is the operator's, never a caller's.
	Allow []netip.Prefix
}

// The limits of one connection. They bound what a silent peer costs; how long a
// whole call may take is its context's matter.
const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	headerTimeout    = 20 * time.Second
	idleTimeout      = 90 * time.Second
	maxHeaderBytes   = 64 << 10
)

// Transport returns a transport whose every connection passes the guard. It
// uses no proxy, whatever the environment says: behind a proxy the address that
// the guard sees would be the proxy's.
func (g Guard) Transport() *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: g.judge().Safe}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    32,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ForceAttemptHTTP2:      true,
	}
}

// Permits reports whether an address that stands in a URL itself may be called,
// so that one can be refused before it is ever tried. A name proves nothing.
func (g Guard) Permits(a netip.Addr) bool {
	network := "tcp6"
	if a = a.Unmap(); a.Is4() {
		network = "tcp4"
	}
	return g.judge().Safe(network, netip.AddrPortFrom(a, 443).String(), nil) == nil
}

func (g Guard) judge() *ssrf.Guardian {
	return ssrf.New(append([]ssrf.Option{ssrf.WithAnyPort()}, g.allowed()...)...)
}

// Client returns a client over [Guard.Transport] that does not follow
// redirects: whoever answers one would choose where our credentials go next.
func (g Guard) Client(timeout time.Duration) *http.Client {
	return &http.Client{
		Transport: g.Transport(),
		Timeout:   timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// allowed is g.Allow in the words of the library, which keeps the families
// apart and knows an IPv4 address in IPv6 clothes as IPv4.
func (g Guard) allowed() []ssrf.Option {
	var v4, v6 []netip.Prefix
	for _, p := range g.Allow {
		switch a := p.Addr(); {
		case a.Is4In6() && p.Bits() >= 96:
			v4 = append(v4, netip.PrefixFrom(a.Unmap(), p.Bits()-96))
		case a.Is4():
			v4 = append(v4, p)
		default:
			v6 = append(v6, p)
		}
	}
	return []ssrf.Option{ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...)}
}
