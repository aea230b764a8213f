package config

import (
	"errors"
	"testing"
)

func TestPushApps(t *testing.T) {
	for _, tt := range []struct {
		name, push string
		faults     int
		fcm, apns  bool
	}{
		{"neither", "{}", 0, false, false},
		{"fcm", "{fcm: {credentials_file: /etc/mitome/fcm.json}}", 0, true, false},
		{"apns", "{apns: {key_file: /k.p8, key_id: ABC123DEFG, team_id: TEAM123456, topic: org.example.mitome}}", 0, false, true},
		{"an endpoint alone", "{fcm: {endpoint: 'http://127.0.0.1:1/v1'}}", 1, false, false},
		{"a key alone", "{apns: {key_file: /k.p8}}", 3, false, true},
		{"no key", "{apns: {key_id: ABC123DEFG, team_id: TEAM123456, topic: org.example.mitome}}", 1, false, false},
		{"a certificate", "{apns: {certificate_file: /c.p12, certificate_password_file: /p, topic: org.example.mitome}}", 0, false, true},
		{"a certificate without a topic", "{apns: {certificate_file: /c.pem, certificate_key_file: /k}}", 1, false, true},
		{"a certificate and a key", "{apns: {certificate_file: /c.pem, key_file: /k.p8, key_id: A, team_id: T, topic: o}}", 3, false, true},
		{"half a certificate", "{apns: {certificate_key_file: /k, key_file: /k.p8, key_id: A, team_id: T, topic: o}}", 1, false, true},
		{"no URL", "{fcm: {credentials_file: /f, endpoint: here}}", 1, true, false},
		{"a password in a URL", "{fcm: {credentials_file: /f, endpoint: 'https://a:b@c.example'}}", 1, true, false},
		{"HTTP/2 without TLS", "{apns: {key_file: /k.p8, key_id: A, team_id: T, topic: o, endpoint: 'http://127.0.0.1:1'}}", 1, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load(write(t, minimal+"\npush: "+tt.push+"\n"), nil)
			var faults Faults
			if err != nil && !errors.As(err, &faults) {
				t.Fatal(err)
			}
			if len(faults) != tt.faults || c.Push.FCM.On() != tt.fcm || c.Push.APNs.On() != tt.apns {
				t.Errorf("got %v, fcm %v, apns %v", faults, c.Push.FCM.On(), c.Push.APNs.On())
			}
		})
	}
}
