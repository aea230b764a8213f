package main

import (
	"fmt"
	"time"

	"github.com/mitome-ciba/mitome/server/config"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/signin"
)

// signIn is a relying party at each OP that is configured for one.
func (n *node) signIn(sessions *session.Keeper) (*signin.Handler, error) {
	providers := map[string]*signin.Provider{}
	for i, o := range n.config.OPs {
		if !o.SignIn.Set() {
			continue
		}
		secret, err := o.SignIn.Secret()
		if err != nil {
			return nil, configFaults{config.Faults{{
				Path: fmt.Sprintf("ops[%d].signin.client_secret_file", i), Text: "cannot be read, or is empty.",
			}}}
		}
		providers[o.Name] = &signin.Provider{
			Name: o.Name, Issuer: o.SignIn.Issuer, InternalURL: o.SignIn.InternalURL,
			ClientID: o.SignIn.ClientID, ClientSecret: string(secret),
			Scopes: o.SignIn.Scopes, ACRValues: o.SignIn.ACRValues, MaxAge: o.SignIn.MaxAge,
			RedirectURL: n.config.PublicURL + "/signin/callback", Client: everywhere.Client(opTimeout),
		}
	}
	return &signin.Handler{
		Providers: providers, People: n.people, Desks: sessions, Log: n.db, Sealer: n.keys,
		Now: time.Now, Warn: n.log,
	}, nil
}
