package config

import (
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Push is how devices are woken whose page is not open.
type Push struct {
	WaitForSocket *time.Duration `koanf:"wait_for_socket" desc:"How long a device with a page or an app of Mitome open has to show a request there, before it is sent pushes; at most a quarter of the time that a request has. 0s sends them at once, 10s is the most." default:"1s"`

	WebPush WebPush `koanf:"webpush"`
	FCM     FCM     `koanf:"fcm"`
	APNs    APNs    `koanf:"apns"`
}

// maxSocketWait bounds what a device that is not connected can lose.
const maxSocketWait = 10 * time.Second

// SocketFirst is how long pushes wait for a device's socket.
func (p Push) SocketFirst() time.Duration {
	if p.WaitForSocket == nil {
		return 0
	}
	return *p.WaitForSocket
}

// validate checks what is not one channel's.
func (p Push) validate(f *Faults) {
	if p.SocketFirst() > maxSocketWait {
		f.add("push.wait_for_socket", "must be from 0s to %v.", maxSocketWait)
	}
}

// WebPush wakes browsers through the push services that they bring.
type WebPush struct {
	Enabled      *bool          `koanf:"enabled" desc:"false: browsers hear of requests only while a page of Mitome is open." default:"true"`
	Subject      string         `koanf:"subject" desc:"Whom a push service may write to about Mitome's pushes: mailto:… or https://…. Services refuse names that are not public." derived:"public_url, if it is https and its host may be public; otherwise Web Push is off"`
	AllowPrivate []netip.Prefix `koanf:"allow_private" desc:"Networks (CIDR) in which push services may stand besides public addresses, say a UnifiedPush server of one's own. One named by its address there may be http." derived:"none"`
}

// Wanted reports whether the operator has left Web Push on.
func (w WebPush) Wanted() bool { return w.Enabled == nil || *w.Enabled }

// On reports whether Web Push is wanted, and may be had: without a subject there
// is nothing to tell a push service who we are.
func (w WebPush) On() bool { return w.Wanted() && w.Subject != "" }

// derivePush takes the public URL for the subject, where services take it.
func (c *Config) derivePush() {
	if w := &c.Push.WebPush; w.Subject == "" && isSubject(c.PublicURL) {
		w.Subject = c.PublicURL
	}
}

// validate checks the subject at start, because a service says no more of a bad
// one than that the token is.
func (w WebPush) validate(f *Faults) {
	if w.Subject != "" && !isSubject(w.Subject) {
		f.add("push.webpush.subject", "must be mailto:somebody@a.public.domain or https://a.public.domain.")
	}
}

// isSubject reports whether s is a URI by which somebody can be reached. Apple
// answers 403 to one whose host cannot be public.
func isSubject(s string) bool {
	if address, ok := strings.CutPrefix(s, "mailto:"); ok {
		a, err := mail.ParseAddress(address)
		return err == nil && a.Address == address && isPublicName(address[strings.LastIndex(address, "@")+1:])
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.User == nil && isPublicName(u.Hostname())
}

// notPublic are top-level domains that nobody can be reached under (RFC 6761,
// RFC 6762, RFC 9476 and what private networks use).
var notPublic = []string{"localhost", "local", "invalid", "test", "internal", "lan", "home", "alt"}

func isPublicName(host string) bool {
	i := strings.LastIndex(host, ".")
	_, err := netip.ParseAddr(host)
	return i > 0 && i < len(host)-1 && err != nil && !slices.Contains(notPublic, strings.ToLower(host[i+1:]))
}
