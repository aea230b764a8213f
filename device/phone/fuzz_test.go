package phone_test

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/device/phone"
)

// FuzzServerOf: a pairing link leads to a server that is named plainly, by TLS
// unless it is this machine, and its secret stays out of the name and of errors.
func FuzzServerOf(f *testing.F) {
	for _, s := range []string{
		"https://mitome.example/pair#SECRET", "https://mitome.example/x/pair#SECRET", "http://127.0.0.1:8080/pair#S", "http://mitome.example/pair#S",
		"https://a@b/pair#S", "https://mitome.example:443/pair#S", "https://mitome.example/pair?x#S", "mitome://pair#S", "https:///pair#S", "https://[::1]/pair#S",
		"https://mitome.example/%70air#S", "https://mitome.example//pair#S", "https://mitome.example/pair#", " https://MITOME.example/pair#S\n", "http://localhost.evil.example/pair#S",
		"http://127.evil.example/pair#S", "http://localhost.://loexample/pair#S", "http://A.localhost/pair#S",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, link string) {
		server, err := phone.ServerOf(link)
		if err != nil {
			if !errors.Is(err, phone.ErrLink) && !errors.Is(err, phone.ErrServer) {
				t.Fatalf("refused as %v", err)
			}
			return
		}
		u, err := url.Parse(server)
		if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(server, "#? \n") || strings.HasSuffix(server, "/") {
			t.Fatalf("%q leads to %q, %v", link, server, err)
		}
		host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
		ip, _ := netip.ParseAddr(host)
		local := host == "localhost" || strings.HasSuffix(host, ".localhost") || ip.IsLoopback() // RFC 6761 §6.3
		if u.Scheme != "https" && (u.Scheme != "http" || !local) {
			t.Fatalf("%q leads to %q", link, server)
		}
		if again, err := phone.ServerOf(server + "/pair#S"); err != nil || again != server {
			t.Fatalf("%q is %q, %v the second time", server, again, err)
		}
	})
}
