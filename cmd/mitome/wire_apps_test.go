package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
	"github.com/mitome-ciba/mitome/push/apns/apnstest"
	"github.com/mitome-ciba/mitome/push/fcm/fcmtest"
	"github.com/mitome-ciba/mitome/server/config"
)

// file writes a key file and returns where it is.
func file(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// apps is a configuration of both, with a fake Google.
func apps(t *testing.T) config.Config {
	google, mux := fcmtest.New(t), http.NewServeMux()
	mux.HandleFunc("/token", google.Token)
	mux.HandleFunc("/v1/", google.Send)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	var c config.Config
	c.Push.FCM = config.FCM{CredentialsFile: file(t, google.Credentials(srv.URL)), Endpoint: srv.URL + "/v1"}
	c.Push.APNs = config.APNs{
		KeyFile: file(t, apnstest.New(t).P8()), KeyID: apnstest.KeyID, TeamID: apnstest.TeamID, Topic: apnstest.Topic,
		Endpoint: "https://127.0.0.1:1",
	}
	return c
}

// TestAppFaults: a key file that is none is found before the server starts, and
// the fault quotes nothing of it.
func TestAppFaults(t *testing.T) {
	if f := appFaults(config.Config{}); len(f) != 0 {
		t.Errorf("nothing is configured: %v", f)
	}
	c := apps(t)
	if f := appFaults(c); len(f) != 0 {
		t.Errorf("good keys: %v", f)
	}
	c.Push.FCM.CredentialsFile = filepath.Join(t.TempDir(), "none")
	c.Push.APNs.KeyFile = file(t, []byte("-----BEGIN KEY-----\nAAAA5ecret"))
	faults := appFaults(c)
	if len(faults) != 2 || faults[0].Path != "push.fcm.credentials_file" || faults[1].Path != "push.apns" ||
		strings.Contains(faults.Error(), "5ecret") {
		t.Errorf("got %v", faults)
	}
}

// TestChannelsOff: a channel that is not configured is not there.
func TestChannelsOff(t *testing.T) {
	off, on := &node{}, &node{config: apps(t)}
	for _, c := range channels {
		if c.name != "fcm" && c.name != "apns" {
			continue
		}
		if s, err := c.open(off); s != nil || err != nil {
			t.Errorf("%s is on without a setting: %v", c.name, err)
		}
		if s, err := c.open(on); err != nil || s.Channel() != c.name {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestDoctorAsksVendors: Google takes the key, and at Apple's place nothing listens.
func TestDoctorAsksVendors(t *testing.T) {
	var out bytes.Buffer
	r := &doctor.Report{Saw: func(f doctor.Finding) { f.Write(&out) }}
	x := &examination{app: &app{ctx: t.Context()}, report: r, config: apps(t)}
	x.pushApps()
	for _, line := range []string{
		"ok       push fcm: The service takes our credentials.", "fault    push apns: The service could not be asked (",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in\n%s", line, &out)
		}
	}
}

// TestAPNsCertificate: a certificate does in place of a key, and one that cannot be
// read is found before the server starts, by a fault that quotes no password.
func TestAPNsCertificate(t *testing.T) {
	apple := apnstest.New(t)
	c := apps(t)
	c.Push.APNs = config.APNs{CertificateFile: file(t, apple.Certificate(t, time.Now().Add(time.Hour))), Topic: apnstest.Topic}
	if f := appFaults(c); len(f) != 0 {
		t.Errorf("PEM: %v", f)
	}
	s, err := openAPNs(&node{config: c})
	if err != nil || s.Channel() != "apns" {
		t.Errorf("PEM: %v", err)
	}
	p12 := filepath.Join("..", "..", "push", "apns", "testdata", "old.p12")
	c.Push.APNs = config.APNs{CertificateFile: p12, CertificatePasswordFile: file(t, []byte("open-sesame\n")), Topic: apnstest.Topic}
	if f := appFaults(c); len(f) != 0 {
		t.Errorf("p12, its password ending a line: %v", f)
	}
	for name, a := range map[string]config.APNs{
		"wrong password":   {CertificateFile: p12, CertificatePasswordFile: file(t, []byte("sesame5ecret")), Topic: apnstest.Topic},
		"no password file": {CertificateFile: p12, CertificatePasswordFile: filepath.Join(t.TempDir(), "none"), Topic: apnstest.Topic},
		"no certificate":   {CertificateFile: filepath.Join(t.TempDir(), "none"), Topic: apnstest.Topic},
		"a key":            {CertificateFile: file(t, apple.P8()), Topic: apnstest.Topic},
	} {
		c.Push.APNs = a
		if f := appFaults(c); len(f) != 1 || f[0].Path != "push.apns" || strings.Contains(f.Error(), "5ecret") {
			t.Errorf("%s: got %v", name, f)
		}
	}
}
