package apns_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/apns"
	"github.com/mitome-ciba/mitome/push/apns/apnstest"
	"github.com/mitome-ciba/mitome/push/pushtest"
)

// asking is Apple's on one server that asks for a certificate, as Apple's does.
func asking(t *testing.T, auth tls.ClientAuthType, h http.HandlerFunc) (string, *http.Client) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	// In TLS 1.3 a refusal comes after the client has begun to send, and may be
	// lost with the connection; then it is an attempt like any that failed.
	srv.TLS = &tls.Config{ClientAuth: auth, MaxVersion: tls.VersionTLS12}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL, srv.Client()
}

// certified is a sender that shows a certificate which is good until a time.
func certified(t *testing.T, s *apnstest.Service, until time.Time, auth tls.ClientAuthType) *apns.Sender {
	t.Helper()
	c, err := apns.ReadCertificate(apns.File{Certificate: s.Certificate(t, until)})
	if err != nil {
		t.Fatal(err)
	}
	url, client := asking(t, auth, s.Device)
	sender, err := apns.Open(apns.Options{Certificate: c, Topic: apnstest.Topic, Client: client, Endpoint: url, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return sender
}

// TestCertificate: a certificate is shown in place of a token, in both worlds.
func TestCertificate(t *testing.T) {
	apple, until := apnstest.New(t), time.Now().Add(24*time.Hour).Truncate(time.Second)
	s := certified(t, apple, until, tls.RequestClientCert)
	for _, world := range []push.Target{"production:", "sandbox:"} {
		a := push.Address{Channel: push.APNs, Target: world + pushtest.Secret}
		if err := s.Send(t.Context(), a, pushtest.Message()); err != nil {
			t.Errorf("%s %v", string(world), err)
		}
	}
	if n := apple.Tokens(); n != 0 || !s.Expires().Equal(until) {
		t.Errorf("%d provider tokens were made, it expires %v; want none, %v", n, s.Expires(), until)
	}
}

// TestCertificateRefused: whatever is wrong with the certificate, no address is to
// blame, and it is not tried again as if the network were down.
func TestCertificateRefused(t *testing.T) {
	apple, year := apnstest.New(t), time.Now().AddDate(1, 0, 0)
	for name, s := range map[string]*apns.Sender{
		"expired":             certified(t, apple, time.Now().Add(-time.Hour), tls.RequestClientCert),
		"refused in TLS":      certified(t, apple, year, tls.RequireAndVerifyClientCert),
		"nobody looked at it": certified(t, apple, year, tls.NoClientCert),
	} {
		err := s.Send(t.Context(), address(), pushtest.Message())
		if !errors.Is(err, push.ErrBroken) || errors.Is(err, push.ErrLater) || strings.Contains(err.Error(), pushtest.Secret) {
			t.Errorf("%s: got %v, want ErrBroken", name, err)
		}
		if err := s.Probe(t.Context()); !errors.Is(err, push.ErrBroken) {
			t.Errorf("%s: the probe got %v, want ErrBroken", name, err)
		}
	}
}

// TestReadCertificate reads what Apple's keychain and openssl write, and says of
// the rest what to do, without a word of what is in it. The two .p12 files are of
// one self-made certificate.
func TestReadCertificate(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	apple, year := apnstest.New(t), time.Now().AddDate(1, 0, 0)
	both, other := apple.Certificate(t, year), apple.Certificate(t, year)
	split := func(b []byte) (cert, key []byte) {
		at := bytes.Index(b, []byte("-----BEGIN PRIVATE"))
		return b[:at], b[at:]
	}
	cert, key := split(both)
	_, otherKey := split(other)
	for name, tt := range map[string]struct {
		file apns.File
		want string // in the error; empty: it is read
	}{
		"PEM":                  {apns.File{Certificate: both}, ""},
		"PEM in two files":     {apns.File{Certificate: cert, Key: key}, ""},
		"p12":                  {apns.File{Certificate: read("old.p12"), Password: "open-sesame"}, ""},
		"p12, wrong password":  {apns.File{Certificate: read("old.p12"), Password: "guess"}, "password is wrong"},
		"p12 of the new kind":  {apns.File{Certificate: read("new.p12"), Password: "open-sesame"}, "openssl pkcs12"},
		"no key":               {apns.File{Certificate: cert}, "no private key"},
		"another's key":        {apns.File{Certificate: cert, Key: otherKey}, "not the certificate's"},
		"nothing":              {apns.File{}, "cannot be read"},
		"a key in place of it": {apns.File{Certificate: apple.P8()}, "cannot be read"},
	} {
		c, err := apns.ReadCertificate(tt.file)
		switch {
		case tt.want == "" && (err != nil || !strings.Contains(c.Leaf.Subject.CommonName, apnstest.Topic)):
			t.Errorf("%s: got %v", name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "sesame")):
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

// TestElsewhere: a token that is not good in its world may be good in the other;
// one that was good and is no more is gone.
func TestElsewhere(t *testing.T) {
	apple := apnstest.New(t)
	for reason, other := range map[string]bool{"BadDeviceToken": true, "Unregistered": false, "ExpiredToken": false} {
		h := apnstest.Gone(reason, time.Now())
		if reason == "BadDeviceToken" {
			h = apnstest.Fail(400, reason)
		}
		url, client := fake(t, h)
		s := open(t, apple, url, client)
		for world, want := range map[push.Target]push.Target{"production:": "sandbox:", "sandbox:": "production:"} {
			a := push.Address{Channel: push.APNs, Target: world + pushtest.Secret, Since: time.Now().Add(-time.Hour)}
			err := s.Send(t.Context(), a, pushtest.Message())
			target, ok := push.ElsewhereOf(err)
			if !errors.Is(err, push.ErrGone) || ok != other || ok && target != want+pushtest.Secret {
				t.Errorf("%s in %s: got %v, elsewhere %v", reason, string(world), err, ok)
			}
		}
	}
}

// TestNoKeyNoDeny: without a key there is no capability in the message, so its
// notification has no action that could need one.
func TestNoKeyNoDeny(t *testing.T) {
	apple := apnstest.New(t)
	var got struct{ APS map[string]any }
	url, client := fake(t, func(_ http.ResponseWriter, r *http.Request) { _ = json.NewDecoder(r.Body).Decode(&got) })
	s := open(t, apple, url, client)
	for _, sealed := range [][]byte{nil, []byte("sealed")} {
		m := pushtest.Message()
		m.Sealed, got.APS = sealed, nil
		if err := s.Send(t.Context(), address(), m); err != nil {
			t.Fatal(err)
		}
		if category, ok := got.APS["category"]; ok != (sealed != nil) {
			t.Errorf("with %d bytes sealed the category is %v", len(sealed), category)
		}
	}
}
