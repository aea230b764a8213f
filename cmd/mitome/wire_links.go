package main

import (
	"slices"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/config"
	"github.com/mitome-ciba/mitome/server/links"
)

// relyingParty takes ceremonies of Mitome's own pages, and of the apps that the
// operator has named.
func relyingParty(c config.Config) device.RelyingParty {
	web, android := c.Apps.PasskeyOrigins(c.RPID)
	return device.RelyingParty{
		RPID: c.RPID, RPName: c.RPName, Origins: append([]string{c.PublicURL}, web...), Apps: android,
	}
}

// linkFiles are the files that tell phones of the apps.
func linkFiles(a config.Apps) (links.Files, error) {
	out := links.Apps{Origins: a.Origins}
	for _, app := range a.IOS {
		out.IOS = append(out.IOS, app.ID)
	}
	for _, app := range a.Android {
		known := links.Android{Package: app.Package}
		for _, f := range app.SHA256 {
			known.SHA256 = append(known.SHA256, f.String())
		}
		out.Android = append(out.Android, known)
	}
	return links.New(out)
}

// linkURLs are where phones and browsers look for the files: links are of the
// host that they lead to, passkeys of their RP ID.
func linkURLs(c config.Config) (urls []string) {
	passkeys := "https://" + c.RPID // of an RP ID nobody knows a port
	add := func(wanted bool, name string, bases ...string) {
		for _, base := range slices.Compact(bases) {
			if wanted {
				urls = append(urls, base+"/.well-known/"+name)
			}
		}
	}
	add(len(c.Apps.IOS) > 0, "apple-app-site-association", c.PublicURL, passkeys)
	add(len(c.Apps.Android) > 0, "assetlinks.json", c.PublicURL, passkeys)
	add(len(c.Apps.Origins) > 0, "webauthn", passkeys)
	return urls
}
