package webpush_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/webpush"
)

// FuzzEndpoint: an endpoint is a browser's word. What passes is https to a name or
// a public address, without a user, and an error does not repeat it.
func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{
		"https://push.example/a", "http://push.example/a", "https://127.0.0.1/a", "https://[::1]/a", "https://[::ffff:10.0.0.1]/a", "https://u:p@push.example/", "https://push.example/#x",
		"https://0x7f000001/", "https://2130706433/", "https://push.example:99999/", "https://[fe80::1%25eth0]/", "//push.example/a", "https:push.example", "https://\x00/", "https://push.example/\r\nX: y",
		"https://192.0.2.1/", "https://100.64.0.1/", "https://[64:ff9b::7f00:1]/",
	} {
		f.Add(s)
	}
	s := &webpush.Sender{}
	f.Fuzz(func(t *testing.T, target string) {
		err := s.Check(push.Address{Channel: push.WebPush, Target: push.Target(target)})
		if err != nil {
			if len(target) > 8 && strings.Contains(err.Error(), target) {
				t.Fatalf("the error repeats it: %v", err)
			}
			return
		}
		u, err := url.Parse(target)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(target, "\r\n #") {
			t.Fatalf("%q passed, %v", target, err)
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
			if ip = ip.Unmap(); ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
				t.Fatalf("%q passed", target)
			}
		}
	})
}
