package policy

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/mitome-ciba/mitome/approval"
)

const (
	openid   = "openid" // every CIBA request has it
	anyScope = "*"
)

// strict are the keys of r's rules that ask more of a ceremony than a passkey. They
// stand in the decision, and so in its evidence.
func (r Rules) strict() []string {
	var keys []string
	if r.RequireCode {
		keys = append(keys, "require_user_code")
	}
	if r.DeviceBound {
		keys = append(keys, "device_bound")
	}
	if r.Attestation == AttestationDirect {
		keys = append(keys, "attestation")
	}
	return keys
}

// scopeToken is RFC 6749's.
var scopeToken = regexp.MustCompile(`^[!#-\[\]-~]+$`)

// checkScopes tells fault what is wrong with r's scopes. An empty list would let
// nothing pass, or everything: whoever wrote it knows which, and nobody else.
func (r Rules) checkScopes(fault func(key, text string)) {
	if r.Scopes != nil && len(r.Scopes) == 0 {
		fault("scopes", `must name a scope; ["*"] lets all pass, and ["openid"] none besides it.`)
	}
	if len(r.Scopes) > 1 && slices.Contains(r.Scopes, anyScope) {
		fault("scopes", `must be ["*"] alone, or name scopes.`)
	}
	for i, s := range r.Scopes {
		if !scopeToken.MatchString(s) || slices.Index(r.Scopes, s) < i {
			fault(fmt.Sprintf("scopes[%d]", i), "must be one scope, and each once.")
		}
	}
}

// passes returns ErrScope if one of these scopes may not be asked for. It does not
// say which: the client knows what it sent, and the log is no place for it.
func (r Rules) passes(scopes []string) error {
	if len(r.Scopes) == 0 || r.Scopes[0] == anyScope {
		return nil
	}
	for _, s := range scopes {
		if s != openid && !slices.Contains(r.Scopes, s) {
			return approval.ErrScope
		}
	}
	return nil
}

// Far implements [approval.Policy].
func (b *Book) Far(r approval.Request) approval.Far {
	if far := b.rules(r.OP, r.ClientID).Far; far != "" {
		return far
	}
	return approval.FarWarn
}

// Permits implements [approval.Policy]. It holds whatever is asked for in
// acr_values, which say what an approval is worth and not whether there may be one.
//
// A rule about passkeys goes here: what it needs to know of one is a field of
// [approval.Ceremony].
func (b *Book) Permits(r approval.Request, c approval.Ceremony) error {
	j := b.rules(r.OP, r.ClientID)
	switch {
	case j.RequireCode && !c.UserCode: // asked before there was the rule
		return approval.ErrNoCode
	case j.BindingMessage == ModeRequired && r.BindingMessage == "" && r.Code.Source != approval.CodeBindingMessage:
		return approval.ErrBindingMessage
	case j.DeviceBound && c.BackupEligible:
		return approval.ErrDeviceBound
	case j.Attestation == AttestationDirect && !c.Attested:
		return approval.ErrAttestation
	}
	return j.passes(r.Scope)
}
