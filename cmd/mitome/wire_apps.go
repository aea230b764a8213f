package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/apns"
	"github.com/mitome-ciba/mitome/push/fcm"
	"github.com/mitome-ciba/mitome/server/config"
)

// keepIdle is how long a line to Apple stays open without a message: Apple takes
// whoever comes and goes for an attacker. Pings find out which lines are dead.
const keepIdle = time.Hour

// openFCM is the channel to Android apps; nil where it is off.
func openFCM(n *node) (push.Sender, error) {
	if !n.config.Push.FCM.On() {
		return nil, nil
	}
	s, err := fcmSender(n.config.Push.FCM)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func fcmSender(c config.FCM) (*fcm.Sender, error) {
	key, err := readKey(c.CredentialsFile)
	if err != nil {
		return nil, err
	}
	return fcm.Open(context.Background(), fcm.Options{
		Credentials: key, Client: vendorClient(c.Endpoint), Endpoint: c.Endpoint, Now: time.Now,
	})
}

// openAPNs is the channel to iOS apps; nil where it is off.
func openAPNs(n *node) (push.Sender, error) {
	if !n.config.Push.APNs.On() {
		return nil, nil
	}
	s, err := apnsSender(n.config.Push.APNs)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func apnsSender(c config.APNs) (*apns.Sender, error) {
	o, err := apnsCredentials(c)
	if err != nil {
		return nil, err
	}
	client := vendorClient(c.Endpoint)
	if t, ok := client.Transport.(*http.Transport); ok {
		t.IdleConnTimeout = keepIdle
		t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second}
	}
	o.Topic, o.Client, o.Endpoint, o.Now = c.Topic, client, c.Endpoint, time.Now
	return apns.Open(o)
}

// apnsCredentials reads the key, or the certificate.
func apnsCredentials(c config.APNs) (o apns.Options, err error) {
	if c.CertificateFile == "" {
		o.KeyID, o.TeamID = c.KeyID, c.TeamID
		o.Key, err = readKey(c.KeyFile)
		return o, err
	}
	var f apns.File
	var password []byte
	for _, part := range []struct {
		path string
		to   *[]byte
	}{{c.CertificateFile, &f.Certificate}, {c.CertificateKeyFile, &f.Key}, {c.CertificatePasswordFile, &password}} {
		if part.path == "" {
			continue
		}
		if *part.to, err = readKey(part.path); err != nil {
			return o, err
		}
	}
	f.Password = strings.TrimRight(string(password), "\r\n")
	o.Certificate, err = apns.ReadCertificate(f)
	return o, err
}

// vendorClient reaches a vendor at a public address, or what the operator has
// named in the vendor's place wherever it is.
func vendorClient(endpoint string) *http.Client {
	if endpoint != "" {
		return everywhere.Client(pushTimeout)
	}
	return push.Guard{}.Client(pushTimeout)
}

// readKey reads a key file, and says why it cannot without the path: that stands
// beside the setting already.
func readKey(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	var with *os.PathError
	if errors.As(err, &with) {
		err = with.Err
	}
	return b, err
}

// appFaults is what is wrong with the credentials of FCM and APNs, as far as the
// files themselves show it.
func appFaults(c config.Config) (faults config.Faults) {
	if p := c.Push.FCM; p.On() {
		if _, err := fcmSender(p); err != nil {
			faults = append(faults, config.Fault{Path: "push.fcm.credentials_file", Text: sentence(err)})
		}
	}
	if p := c.Push.APNs; p.On() && p.Complete() {
		if _, err := apnsSender(p); err != nil {
			faults = append(faults, config.Fault{Path: "push.apns", Text: sentence(err)})
		}
	}
	return faults
}
