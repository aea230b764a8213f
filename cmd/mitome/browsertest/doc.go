// Package browsertest drives Mitome as people do: with a real Chromium, whose
// profiles are devices with passkeys of their own, and with an OP that speaks
// Keycloak's CIBA channel and signs users in.
//
// # Why
//
// Mitome, the OP and whatever else takes part run under different names below
// localhost, because cookies know no ports: two ports of one name are the same
// site, and a strict cookie would be sent where it must not be.
//
// Elements are found by role and accessible name where a person looks for them,
// so that a page that cannot be used with a screen reader fails, too.
//
// Between browsers and Mitome stands a [Front], as a proxy does in front of many
// a deployment. It can refuse WebSockets, which is what networks do that break
// them.
package browsertest
