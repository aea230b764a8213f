package main

import (
	"fmt"
	"net/netip"

	"github.com/mitome-ciba/mitome/approval/op/authlete"
	"github.com/mitome-ciba/mitome/approval/op/gravitee"
	"github.com/mitome-ciba/mitome/approval/op/keycloak"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	"github.com/mitome-ciba/mitome/cmd/mitome/doctor"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/config"
)

// examiners is what the doctor does with each kind of connection. A new kind has
// a line here as it has one in kinds.
var examiners = map[string]func(x *examination, i int){
	"authlete": (*examination).authlete,
	"gravitee": (*examination).gravitee,
	"keycloak": (*examination).keycloak,
	"webhook":  (*examination).webhook,
}

func (x *examination) authlete(i int) {
	var cfg authlete.Config
	if !x.decode(i, &cfg) {
		return
	}
	name := x.config.OPs[i].Name
	if cfg.SecretFile != "" {
		doctor.CheckSecretFile(x.report, "op "+name, cfg.SecretFile)
	}
	doctor.Authlete{Name: name, CallbackURL: cfg.CallbackURL()}.Check(x.app.ctx, x.report, x.call)
}

func (x *examination) gravitee(i int) {
	var cfg gravitee.Config
	if !x.decode(i, &cfg) {
		return
	}
	name := x.config.OPs[i].Name
	for _, path := range []string{cfg.ClientSecretFile, cfg.HeaderValueFile} {
		if path != "" {
			doctor.CheckSecretFile(x.report, "op "+name, path)
		}
	}
	secret, err := cfg.Secret()
	if err != nil {
		return // said among the faults of the configuration
	}
	doctor.Gravitee{
		Name: name, CallbackURL: cfg.CallbackURL(), ClientID: cfg.ClientID, ClientSecret: string(secret), OPs: x.config.Listen.OPs,
		Proxied: len(x.config.TrustedProxies) > 0,
	}.Check(x.app.ctx, x.report, x.call)
}

func (x *examination) keycloak(i int) {
	var cfg keycloak.Config
	if !x.decode(i, &cfg) {
		return
	}
	name := x.config.OPs[i].Name
	if cfg.RequestSecretFile != "" {
		doctor.CheckSecretFile(x.report, "op "+name, cfg.RequestSecretFile)
	}
	doctor.Keycloak{
		Name: name, Config: cfg, OPs: x.config.Listen.OPs, Proxied: len(x.config.TrustedProxies) > 0,
	}.Check(x.app.ctx, x.report, x.call)
}

func (x *examination) webhook(i int) {
	var cfg webhook.Config
	if !x.decode(i, &cfg) {
		return
	}
	name := x.config.OPs[i].Name
	if cfg.Webhook.SecretsFile != "" {
		doctor.CheckSecretFile(x.report, "op "+name, cfg.Webhook.SecretsFile)
	}
	if a := cfg.Assertion; a.JWKSURL != "" {
		guard := push.Guard{Allow: a.AllowPrivate}
		doctor.Signers{Name: name, URL: a.JWKSURL, Client: guard.Client(doctor.Timeout)}.Check(x.app.ctx, x.report, x.call)
	}
	guard := push.Guard{Allow: append([]netip.Prefix(nil), cfg.Webhook.AllowPrivate...)}
	doctor.Webhook{Name: name, URL: cfg.Webhook.URL, Client: guard.Client(doctor.Timeout)}.Check(x.app.ctx, x.report, x.call)
}

// decode reads what is the kind's own. It was read once before, to find faults.
func (x *examination) decode(i int, v any) bool {
	if err := x.config.Decode(i, v); err != nil {
		x.report.Fault(fmt.Sprintf("op %s", x.config.OPs[i].Name), "%s", sentence(err))
		return false
	}
	return true
}

func (x *examination) signIn(o config.OP) {
	secret, err := o.SignIn.Secret()
	if err != nil {
		return // said among the faults of the configuration
	}
	doctor.SignIn{
		Name: o.Name, Issuer: o.SignIn.Issuer, InternalURL: o.SignIn.InternalURL, ClientID: o.SignIn.ClientID,
		ClientSecret: string(secret), RedirectURL: x.config.PublicURL + "/signin/callback",
	}.Check(x.app.ctx, x.report, x.call)
}
