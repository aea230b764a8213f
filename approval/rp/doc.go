// Package rp is a client of OpenID Connect CIBA (Client-Initiated Backchannel
// Authentication): it asks an OpenID Provider to have a user approve something
// on her own device, and takes the tokens when she has.
//
//	provider, err := rp.Discover(ctx, nil, "https://op.example")
//	…
//	shop := &rp.Client{Provider: provider, ID: "shop", Auth: rp.SecretBasic(secret)}
//	pending, err := shop.Start(ctx, rp.Request{
//		LoginHint:      "alice",
//		BindingMessage: "Pay 100 EUR to Bob",
//	})
//	…
//	tokens, err := pending.Wait(ctx)
//	switch {
//	case errors.Is(err, rp.ErrAccessDenied): // she said no
//	case errors.Is(err, rp.ErrExpiredToken): // she did not answer in time
//	}
//
// All three delivery modes are there. A poll client needs nothing else. A ping
// or push client also serves a [Notifications], at the URL it has registered
// with the OP as backchannel_client_notification_endpoint.
//
// Whatever the mode, Wait returns only tokens whose ID token passed every check
// of OpenID Connect Core §3.1.3.7 and, in push mode, of CIBA Core §10.3.1. What
// the OP says instead is an [*Error], to be told apart by errors.Is.
//
// The package is meant for others as well: it imports nothing of Mitome.
//
// # Why
//
// Polling is paced by the OP's answers, not by its requests: a pause that began
// with the request could be shorter at the OP than here, and be punished with
// slow_down. Only an OP that held the last request for longer than the interval
// is asked again at once, since it is long polling.
//
// A ping can be lost. A ping client that has heard nothing asks once by itself,
// one interval before the request expires, because an approval that nobody
// collects is worse than one question more.
package rp
