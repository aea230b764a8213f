package main

import (
	"time"

	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
)

// pushApps asks Google and Apple whether they take our credentials, where they
// are configured. What the files themselves show is a fault of the configuration.
func (x *examination) pushApps() {
	c := x.config.Push
	if c.FCM.On() && !x.faulty("push.fcm") {
		doctor.CheckSecretFile(x.report, "push fcm", c.FCM.CredentialsFile)
		if s, err := fcmSender(c.FCM); err == nil {
			doctor.CheckPush(x.app.ctx, x.report, s, "push fcm", "push.fcm.credentials_file")
		}
	}
	if c.APNs.On() && !x.faulty("push.apns") {
		settings := "key_file, key_id, team_id and topic of push.apns"
		if c.APNs.CertificateFile != "" {
			settings = "certificate_file and topic of push.apns"
		}
		for _, file := range []string{c.APNs.KeyFile, c.APNs.CertificateFile, c.APNs.CertificateKeyFile, c.APNs.CertificatePasswordFile} {
			if file != "" {
				doctor.CheckSecretFile(x.report, "push apns", file)
			}
		}
		if s, err := apnsSender(c.APNs); err == nil {
			doctor.CheckExpiry(x.report, "push apns", s.Expires(), time.Now())
			doctor.CheckPush(x.app.ctx, x.report, s, "push apns", settings)
		}
	}
}
