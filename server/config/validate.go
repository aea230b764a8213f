package config

import (
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// nameShape is the form of names that appear in URLs, logs and metrics.
var nameShape = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

var hostShape = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// maxSocketPath is what sockaddr_un holds on Linux, without its closing zero.
const maxSocketPath = 107

// Validate lists every fault of c. It reads certificates, and nothing else
// outside c; what only a kind of connection can know is checked by the kind.
func (c Config) Validate() Faults {
	var f Faults
	f = append(f, missing("", reflect.ValueOf(c))...)
	c.validatePublic(&f)
	c.validateListeners(&f)
	c.validateAdmin(&f)
	for i, p := range c.TrustedProxies {
		if !isNetwork(p) {
			f.add(fmt.Sprintf("trusted_proxies[%d]", i), "must be an IP address or a network such as 10.0.0.0/8.")
		}
	}
	c.Database.validate(&f)
	if c.TemplatesDir != "" && !filepath.IsAbs(c.TemplatesDir) {
		f.add("templates_dir", "must be an absolute path.")
	}
	if !filepath.IsAbs(c.DataDir) {
		f.add("data_dir", "must be an absolute path.")
	}
	c.Pairing.validate(&f)
	c.Push.validate(&f)
	c.Push.WebPush.validate(&f)
	c.Push.FCM.validate(&f)
	c.Push.APNs.validate(&f)
	c.Apps.validate(&f)
	c.Retention.validate(&f)
	c.validatePlaces(&f)
	c.validateAttestation(&f)
	oneOf(&f, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(&f, "log.format", c.Log.Format, "json", "text")
	c.validateOPs(&f)
	return f
}

// validate keeps the wait long enough to be noticed: it is the time in which a
// user's older devices can stop somebody who has stolen her password.
func (p Pairing) validate(f *Faults) {
	if p.CoolingOff < minCooling || p.CoolingOff > maxCooling {
		f.add("pairing.cooling_off", "must be between %v and %v.", minCooling, maxCooling)
	}
	if p.MaxDevices < 1 || p.MaxDevices > 100 {
		f.add("pairing.max_devices", "must be from 1 to 100.")
	}
}

// The bounds of pairing.cooling_off.
const (
	minCooling = time.Minute
	maxCooling = 30 * 24 * time.Hour
)

func oneOf(f *Faults, path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		f.add(path, "must be one of %s.", strings.Join(allowed, ", "))
	}
}

func isNetwork(s string) bool {
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	_, err := netip.ParseAddr(s)
	return err == nil
}

// validatePublic checks what passkeys are bound to. WebAuthn runs in secure
// contexts only and takes names, not addresses.
func (c Config) validatePublic(f *Faults) {
	if c.PublicURL == "" {
		return // reported as missing
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		f.add("public_url", "must be a URL such as https://mitome.example.")
		return
	}
	host := u.Hostname()
	if u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		f.add("public_url", "must have no path, query, fragment or user.")
	}
	if u.Scheme == "http" && !isLocalhost(host) {
		f.add("public_url", "must be https; plain http is taken for localhost only.")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		f.add("public_url", "must have a host name, because passkeys cannot be bound to an IP address.")
		return
	}
	if c.RPID != host && !strings.HasSuffix(host, "."+c.RPID) {
		f.add("rp_id", "must be the host of public_url (%s) or a parent domain of it.", host)
	} else if !strings.Contains(c.RPID, ".") && c.RPID != "localhost" {
		f.add("rp_id", "must be a domain name, not a top-level domain.")
	}
	if !hostShape.MatchString(c.RPID) {
		f.add("rp_id", "must be a domain name in lower case (xn-- for other scripts).")
	}
}

func isLocalhost(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && addr.IsLoopback()
}

// Listener is one of the four, as configured.
type Listener struct {
	Name    string // devices, ops, admin, metrics
	Address string // host:port, unix:/path, or off
	TLS     KeyPair
}

// Listeners are all four, in the order in which they start.
func (c Config) Listeners() []Listener {
	return []Listener{
		{"metrics", c.Listen.Metrics, c.TLS.Metrics},
		{"admin", c.Listen.Admin, c.TLS.Admin},
		{"devices", c.Listen.Devices, c.TLS.Devices},
		{"ops", c.Listen.OPs, c.TLS.OPs.KeyPair},
	}
}

func (c Config) validateListeners(f *Faults) {
	seen := map[string]string{}
	for _, l := range c.Listeners() {
		path := "listen." + l.Name
		l.validate(f, path)
		if other, ok := seen[l.Address]; ok && !strings.HasSuffix(l.Address, ":0") {
			f.add(path, "must not be the same as %s: the listeners are separate on purpose.", other)
		}
		seen[l.Address] = path
	}
	if c.TLS.OPs.ClientCAFile != "" && !c.TLS.OPs.Set() {
		f.add("tls.ops.client_ca_file", "needs cert_file and key_file beside it.")
	}
}

func (l Listener) validate(f *Faults, path string) {
	if l.TLS.Set() {
		if l.TLS.CertFile == "" || l.TLS.KeyFile == "" {
			f.add("tls."+l.Name, "needs both cert_file and key_file.")
		} else if _, err := tls.LoadX509KeyPair(l.TLS.CertFile, l.TLS.KeyFile); err != nil {
			f.add("tls."+l.Name, "cannot be used: %v.", err)
		}
	}
	if l.Address == Off && l.Name == "metrics" {
		return
	}
	if socket, ok := strings.CutPrefix(l.Address, "unix:"); ok {
		if l.TLS.Set() && l.Name == "admin" {
			f.add("tls.admin", "has no use on a Unix socket.")
		}
		if !filepath.IsAbs(socket) {
			f.add(path, "must be an absolute path after unix:.")
		}
		if len(socket) > maxSocketPath {
			f.add(path, "is a path of %d bytes; a Unix socket's may have %d.", len(socket), maxSocketPath)
		}
		return
	}
	_, port, err := net.SplitHostPort(l.Address)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n > 65535 {
		f.add(path, "must be host:port or unix:/path.")
	}
}

// loopback reports whether only this machine can reach the listener.
func (l Listener) loopback() bool {
	host, _, err := net.SplitHostPort(l.Address)
	return err != nil || isLocalhost(host)
}

// validateAdmin keeps the admin API from being open to whoever can connect: an
// offer to pair is an account in other hands.
func (c Config) validateAdmin(f *Faults) {
	names, hashes := map[string]bool{}, map[string]bool{}
	for i, t := range c.Admin.Tokens {
		path := fmt.Sprintf("admin.tokens[%d]", i)
		if !nameShape.MatchString(t.Name) {
			f.add(path+".name", "must be 1 to 32 of a-z, 0-9 and hyphen.")
		}
		if b, err := hex.DecodeString(t.SHA256); err != nil || len(b) != 32 {
			f.add(path+".sha256", "must be 64 hex digits, as mitome admin token prints them.")
		}
		if names[t.Name] || hashes[strings.ToLower(t.SHA256)] {
			f.add(path, "repeats a name or a token.")
		}
		names[t.Name], hashes[strings.ToLower(t.SHA256)] = true, true
	}
	if strings.HasPrefix(c.Listen.Admin, "unix:") {
		return
	}
	if len(c.Admin.Tokens) == 0 {
		f.add("listen.admin", "needs admin.tokens when it is not a Unix socket.")
	}
	if l := c.Listeners()[1]; !l.loopback() && !l.TLS.Set() {
		f.add("listen.admin", "must be loopback or a Unix socket, or have tls.admin.")
	}
}

func (c Config) validateOPs(f *Faults) {
	if len(c.OPs) == 0 {
		f.add("ops", "must name at least one OP; without one nobody can ask for anything.")
	}
	names := map[string]bool{}
	for i, o := range c.OPs {
		path := fmt.Sprintf("ops[%d]", i)
		*f = append(*f, missing(path, reflect.ValueOf(o))...)
		if o.Name != "" && !nameShape.MatchString(o.Name) {
			f.add(path+".name", "must be 1 to 32 of a-z, 0-9 and hyphen.")
		}
		if names[o.Name] {
			f.add(path+".name", "repeats the name of another connection.")
		}
		names[o.Name] = true
		for k, t := range o.Templates {
			if !filepath.IsAbs(t) {
				f.add(fmt.Sprintf("%s.templates[%d]", path, k), "must be an absolute path.")
			}
		}
		oneOf(f, path+".push_detail", o.Push, "full", "client", "none")
		if len(o.Networks) > 0 && strings.HasPrefix(c.Listen.OPs, "unix:") {
			f.add(path+".networks", "cannot be told on a Unix socket, where callers have no address.")
		}
		o.SignIn.validate(f, path+".signin")
		o.Signals.validate(f, path+".signals")
		o.Rules.Check(func(key, text string) { f.add(path+".rules."+key, "%s", text) })
		o.validateClients(f, path)
		o.Limits.Check(func(key, text string) { f.add(path+".limits."+key, "%s", text) })
	}
}

// validate checks the form of the URL; whether it can be reached is the store's
// matter. It is not quoted, because it may hold a password.
func (d Database) validate(f *Faults) {
	scheme, rest, _ := strings.Cut(string(d.URL), ":")
	switch {
	case scheme == "sqlite" && filepath.IsAbs(rest):
	case (scheme == "postgres" || scheme == "postgresql") && strings.HasPrefix(rest, "//"):
	default:
		f.add("database.url", "must be sqlite:/absolute/path or postgres://user:password@host/name.")
	}
}
