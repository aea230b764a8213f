package main_test

import (
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	inside "github.com/mitome-ciba/mitome/cmd/mitome"
	"github.com/mitome-ciba/mitome/cmd/mitome/loopback"
)

const (
	pageRealm   = "demo" // every other realm has a name of its own
	pageStart   = "keycloak-26.7.3/bin/kc.sh start-dev "
	pageChannel = "--spi-ciba-auth-channel--ciba-http-auth-channel--http-authentication-channel-uri=http://localhost:8081/op/demo"
)

// opsListener is where Mitome listens for OPs, as the page sets it.
var opsListener = regexp.MustCompile(`(?m)^  ops: (127\.0\.0\.1:\d+)$`)

// testPage runs docs/keycloak.md, every command as it is written, but for the
// ports, and on the Keycloak that all tests share, whose channel leads to the
// page's Mitome for the page's realm.
func testPage(t *testing.T, s *stage) {
	text := inside.Commands(t, "keycloak.md", "8080", "9464")
	for _, there := range []string{pageStart, pageChannel} {
		if !strings.Contains(text, there) {
			t.Errorf("the page lacks %q", there)
		}
	}
	text = strings.Replace(text, pageStart, "true start-dev ", 1)
	text = strings.ReplaceAll(text, "http://localhost:8180", s.kc.URL)
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	text = strings.ReplaceAll(text, ":8081", address[strings.LastIndex(address, ":"):])
	ops := opsListener.FindStringSubmatch(text)
	if ops == nil {
		t.Fatal("the page has no listener for OPs")
	}
	s.kc.Channel.Handle(pageRealm, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL = &url.URL{Scheme: "http", Host: ops[1], Path: "/op/demo"}
	}})
	fetched := "mvn() { :; }\ntar() { ln -s '" + os.Getenv("MITOME_TEST_KEYCLOAK") + "' keycloak-26.7.3; }\n" +
		"export KC_OPTS='-XX:TieredStopAtLevel=1 -XX:+UseSerialGC'\n" // kcadm.sh is done before the JVM has warmed up
	out := inside.RunPage(t, fetched+text)
	for _, want := range []string{`"auth_req_id":"`, "W4SCT-1", "The request is approved.", `"id_token":"`, "The request is denied.", `"error":"access_denied"`} {
		if !strings.Contains(out, want) {
			t.Errorf("%s does not come in it", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
