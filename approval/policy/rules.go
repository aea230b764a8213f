package policy

import (
	"fmt"
	"slices"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
)

// Rules is what one connection asks of its requests, or of those of one of its
// clients. The zero value is the default.
//
// A new rule is a field here with its tags. That one client may have it otherwise
// needs nothing further: what stands at ops[].clients[].rules is read over a copy
// of the connection's Rules, key by key. Where it is kept is one of four places:
// [Rules.Check] says that it cannot be meant so; [Book.Admit] refuses an ask
// because of what it holds; [Book.Permits] says which passkeys, and which
// ceremonies, may approve; [Book.Grade] says what an approval is worth.
type Rules struct {
	BindingMessage Mode     `koanf:"binding_message" desc:"show: the binding message is shown. type: one that looks like a code (6 to 20 of A-Z, 0-9 and hyphen) is typed on the device instead of being read there; any other is shown. required: shown, and a request without one is refused." default:"show"`
	MaxGraphemes   int      `koanf:"binding_message_max" desc:"Longest binding message, in characters as a reader counts them." default:"300"`
	RefusedPhrases []string `koanf:"refused_phrases" desc:"Further phrases that no binding message may hold. Case, width, spaces and punctuation do not matter." derived:"the built-in list (English, Japanese), which is always in force"`
	VaguePhrases   []string `koanf:"vague_phrases" desc:"Further words that say nothing: a binding message made of nothing else is vague, and counted." derived:"the built-in list (English, Japanese), which is always in force"`
	RefuseVague    bool     `koanf:"refuse_vague" desc:"true: a vague binding message is refused, not only counted." default:"false"`
	ACR            []Level  `koanf:"acr"`
	RequireCode    bool     `koanf:"require_user_code" desc:"true: a request that brings nothing to type on the device is refused. The code binds the device to the screen before which the user stands." default:"false"`
	PhrWithoutCode bool     `koanf:"phr_without_code" desc:"true: phr and phrh are reported although no code was typed. A passkey cannot be phished, but a CIBA request started by an attacker can still be approved by mistake; a typed code is what prevents that." default:"false"`

	DeviceBound bool        `koanf:"device_bound" desc:"true: only a passkey that cannot be synced to another device may approve. Devices that have no such passkey are not notified; they can deny." default:"false"`
	Attestation Attestation `koanf:"attestation" desc:"direct: only a passkey whose authenticator proved, when it was paired, that it is of a model that FIDO's metadata knows and has nothing against (attestation.metadata) may approve. Users of the connection are then asked to show their authenticator's model when they pair. none: nobody is asked." default:"none"`
	Scopes      []string    `koanf:"scopes" desc:"Scopes that may be asked for besides openid, which always may; a request for another one is refused. [\"*\"]: all." derived:"all"`

	UnknownDetails Details `koanf:"unknown_details" desc:"show: what no template knows is shown under its own names. refuse: a request with authorization_details of a type that has no template, or without something that its template requires, or of which not everything can be shown, can be denied and never approved." default:"show"`

	Far approval.Far `koanf:"far" desc:"Of a request whose consumption device is in another country than the user's, as places.file says. warn: she is warned. code: it can only be approved where a code is typed; without one it can be denied. refuse: it can be denied and never approved. Where either place is not known nothing follows." default:"warn"`

	// AssertsACR is not the operator's to set but the kind of connection's: the OP
	// puts into its tokens whatever acr was asked for, so all must be reached.
	AssertsACR bool `koanf:"-"`
}

// Mode is what becomes of a binding message.
type Mode string

// The modes.
const (
	ModeShow     Mode = "show"
	ModeType     Mode = "type"
	ModeRequired Mode = "required"
)

// Details is what becomes of a request whose details are not known.
type Details string

// The ways.
const (
	DetailsShow   Details = "show"
	DetailsRefuse Details = "refuse"
)

// Attestation is what an authenticator must prove.
type Attestation string

// The ways, by WebAuthn's own names.
const (
	AttestationNone   Attestation = "none"
	AttestationDirect Attestation = "direct"
)

// Level is an acr value and what an approval must consist of to reach it.
type Level struct {
	Value        string `koanf:"value" desc:"An acr value that clients may ask for. The first entry replaces the built-in table (phr, phrh and MODRNA's two)." required:"true"`
	UserVerified bool   `koanf:"user_verified" desc:"true: only with user verification by the passkey (PIN or biometry)." default:"false"`
	DeviceBound  bool   `koanf:"device_bound" desc:"true: only with a passkey that cannot be synced to another device." default:"false"`
	Hardware     bool   `koanf:"hardware" desc:"true: only with a passkey whose key is proved to be in hardware, and cannot be synced. It is reached only where rules.attestation is direct." default:"false"`
	UserCode     bool   `koanf:"user_code" desc:"true: only if a code was typed." default:"false"`
}

// DefaultLevels returns the table that is in force without rules.acr.
func DefaultLevels() []Level { return slices.Clone(defaultLevels) }

// NeedsCode reports whether l is reached only by typing a code.
func (l Level) NeedsCode(phrWithoutCode bool) bool {
	return l.UserCode || (l.Value == "phr" || l.Value == "phrh") && !phrWithoutCode
}

// NeedsHardware reports whether l is reached only with a key that is proved to be
// in hardware. EAP's phrh says nothing else, whatever a table of one's own holds.
func (l Level) NeedsHardware() bool { return l.Hardware || l.Value == "phrh" }

// defaultLevels are the acr values known without configuration: EAP ACR Values
// 1.0, and MODRNA's two, which describe a key on a phone.
var defaultLevels = []Level{
	{Value: "phr", UserVerified: true},
	{Value: "phrh", UserVerified: true, Hardware: true},
	{Value: "http://schemas.openid.net/policies/modrna/phishing-resistant", UserVerified: true},
	{Value: "http://schemas.openid.net/policies/modrna/multi-factor", UserVerified: true},
}

// Check tells fault about everything that is wrong with r, by key.
func (r Rules) Check(fault func(key, text string)) {
	if !slices.Contains([]Mode{"", ModeShow, ModeType, ModeRequired}, r.BindingMessage) {
		fault("binding_message", "must be show, type or required.")
	}
	if !slices.Contains([]Details{"", DetailsShow, DetailsRefuse}, r.UnknownDetails) {
		fault("unknown_details", "must be show or refuse.")
	}
	if !slices.Contains([]approval.Far{"", approval.FarWarn, approval.FarCode, approval.FarRefuse}, r.Far) {
		fault("far", "must be warn, code or refuse.")
	}
	if !slices.Contains([]Attestation{"", AttestationNone, AttestationDirect}, r.Attestation) {
		fault("attestation", "must be none or direct.")
	}
	if r.MaxGraphemes < 0 || r.MaxGraphemes > maxGraphemes {
		fault("binding_message_max", fmt.Sprintf("must be between 1 and %d.", maxGraphemes))
	}
	for key, list := range map[string][]string{"refused_phrases": r.RefusedPhrases, "vague_phrases": r.VaguePhrases} {
		for i, p := range list {
			if len(compact(p).text) == 0 {
				fault(fmt.Sprintf("%s[%d]", key, i), "must hold a letter or a digit.")
			}
		}
	}
	if r.BindingMessage == ModeType && 0 < r.MaxGraphemes && r.MaxGraphemes < minTyped {
		fault("binding_message_max", fmt.Sprintf("must be at least %d where binding_message is type: shorter ones are never typed.", minTyped))
	}
	r.checkScopes(fault)
	seen := map[string]bool{}
	for i, l := range r.ACR {
		if l.Value == "" || seen[l.Value] {
			fault(fmt.Sprintf("acr[%d].value", i), "must be given, and each value once.")
		}
		seen[l.Value] = true
	}
}

// levels are the acr values that r knows.
func (r Rules) levels() []Level {
	if len(r.ACR) == 0 {
		return defaultLevels
	}
	return r.ACR
}

// reaches reports whether ceremony c is worth the acr value.
func (r Rules) reaches(value string, c approval.Ceremony) bool {
	for _, l := range r.levels() {
		if l.Value != value {
			continue
		}
		return (!l.UserVerified || c.UserVerified) &&
			(!l.DeviceBound || !c.BackupEligible) &&
			(!l.NeedsHardware() || c.Keys == device.KeyHardware && !c.BackupEligible) &&
			(!l.NeedsCode(r.PhrWithoutCode) || c.UserCode)
	}
	return false
}

// grade returns the first of the values, which stand in order of preference,
// that c reaches, and whether that will do.
func (r Rules) grade(values []string, c approval.Ceremony) (acr string, met bool) {
	reached := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !r.reaches(v, c) })
	switch {
	case len(values) == 0:
		return "", true
	case len(reached) == 0, r.AssertsACR && len(reached) < len(values):
		return "", false
	}
	return reached[0], true
}

// best is the ceremony that could be hoped for by who knows nothing of the user. A
// key is proved to be in hardware only where authenticators are asked.
func (r Rules) best(userCode bool) approval.Ceremony {
	c := approval.Ceremony{UserVerified: true, UserCode: userCode}
	if r.Attestation == AttestationDirect {
		c.Attested, c.Keys = true, device.KeyHardware
	}
	return c
}

// Reachable returns the acr values that some approval can reach under r, and
// those that none can. UserCode says whether the OP forwards a code.
func (r Rules) Reachable(userCode bool) (yes, no []string) {
	best := r.best(userCode || r.BindingMessage == ModeType)
	for _, l := range r.levels() {
		if r.reaches(l.Value, best) {
			yes = append(yes, l.Value)
		} else {
			no = append(no, l.Value)
		}
	}
	return yes, no
}
