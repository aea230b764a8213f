package policy

import (
	"fmt"
	"slices"

	"github.com/mitome-ciba/mitome/approval"
)

// Rules is what one connection asks of its requests. The zero value is the
// default.
type Rules struct {
	BindingMessage Mode     `koanf:"binding_message" desc:"show: the binding message is shown. type: one that looks like a code (6 to 20 of A-Z, 0-9 and hyphen) is typed on the device instead of being read there; any other is shown. required: shown, and a request without one is refused." default:"show"`
	MaxGraphemes   int      `koanf:"binding_message_max" desc:"Longest binding message, in characters as a reader counts them." default:"300"`
	RefusedPhrases []string `koanf:"refused_phrases" desc:"Further phrases that no binding message may hold. Case, width, spaces and punctuation do not matter." derived:"the built-in list (English, Japanese), which is always in force"`
	VaguePhrases   []string `koanf:"vague_phrases" desc:"Further words that say nothing: a binding message made of nothing else is vague, and counted." derived:"the built-in list (English, Japanese), which is always in force"`
	RefuseVague    bool     `koanf:"refuse_vague" desc:"true: a vague binding message is refused, not only counted." default:"false"`
	ACR            []Level  `koanf:"acr"`
	RequireCode    bool     `koanf:"require_user_code" desc:"true: a request that brings nothing to type on the device is refused. The code binds the device to the screen before which the user stands." default:"false"`
	PhrWithoutCode bool     `koanf:"phr_without_code" desc:"true: phr and phrh are reported although no code was typed. A passkey cannot be phished, but a CIBA request started by an attacker can still be approved by mistake; a typed code is what prevents that." default:"false"`

	UnknownDetails Details `koanf:"unknown_details" desc:"show: what no template knows is shown under its own names. refuse: a request with authorization_details of a type that has no template, or without something that its template requires, or of which not everything can be shown, can be denied and never approved." default:"show"`

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

// Level is an acr value and what an approval must consist of to reach it.
type Level struct {
	Value        string `koanf:"value" desc:"An acr value that clients may ask for. The first entry replaces the built-in table (phr and MODRNA's two)." required:"true"`
	UserVerified bool   `koanf:"user_verified" desc:"true: only with user verification by the passkey (PIN or biometry)." default:"false"`
	DeviceBound  bool   `koanf:"device_bound" desc:"true: only with a passkey that cannot be synced to another device." default:"false"`
	UserCode     bool   `koanf:"user_code" desc:"true: only if a code was typed." default:"false"`
}

// DefaultLevels returns the table that is in force without rules.acr.
func DefaultLevels() []Level { return slices.Clone(defaultLevels) }

// NeedsCode reports whether l is reached only by typing a code.
func (l Level) NeedsCode(phrWithoutCode bool) bool {
	return l.UserCode || (l.Value == "phr" || l.Value == "phrh") && !phrWithoutCode
}

// defaultLevels are the acr values known without configuration: EAP ACR Values
// 1.0, and MODRNA's two, which describe a key on a phone. There is no phrh among
// them: it says that the key is in hardware, which nothing here has checked.
var defaultLevels = []Level{
	{Value: "phr", UserVerified: true},
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

// Reachable returns the acr values that some approval can reach under r, and
// those that none can. UserCode says whether the OP forwards a code.
func (r Rules) Reachable(userCode bool) (yes, no []string) {
	best := approval.Ceremony{UserVerified: true, UserCode: userCode || r.BindingMessage == ModeType}
	for _, l := range r.levels() {
		if r.reaches(l.Value, best) {
			yes = append(yes, l.Value)
		} else {
			no = append(no, l.Value)
		}
	}
	return yes, no
}
