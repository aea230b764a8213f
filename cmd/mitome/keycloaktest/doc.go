// Package keycloaktest runs a real Keycloak for tests, and plays the parts
// around it: the gateway's side of its HTTP authentication channel, and the
// clients that ask and wait for tokens.
//
// # Why
//
// One Keycloak serves a whole test run, because starting one takes longer than
// any test. Its authentication channel is one URI for all realms, so that each
// test has a realm of its own and a [Channel] passes each call on by the realm
// that the bearer token names. Realms come in by the administration API: they
// are the same JSON that --import-realm reads from a file, without the restart.
package keycloaktest
