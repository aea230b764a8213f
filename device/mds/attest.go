package mds

import (
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/protocol"

	"github.com/mitome-ciba/mitome/device"
)

// formats are those in which an authenticator proves by a certificate what it
// is. Not fido-u2f, whose keys verify nobody and name no model.
var formats = []protocol.AttestationFormat{
	protocol.AttestationFormatPacked, protocol.AttestationFormatTPM,
	protocol.AttestationFormatAndroidKey, protocol.AttestationFormatApple,
}

// Attest implements device.Models.
//
// The library's check passes what is not attested at all, and what an
// authenticator attests by the passkey itself, which proves nothing: both are
// refused before. The rest is the library's: statement, chain to a root of the
// model, model in certificate and data alike, and the model's status.
func (f *File) Attest(o protocol.AttestationObject, clientDataHash []byte) (device.Attested, error) {
	b := f.book.Load()
	chain, _ := o.AttStatement["x5c"].([]any)
	if len(chain) == 0 || !slices.Contains(formats, protocol.AttestationFormat(o.Format)) {
		return device.Attested{}, refuse("attestation %q with %d certificates proves no model", o.Format, len(chain))
	}
	model := b.model(o.AuthData.AttData.AAGUID)
	if model == nil {
		return device.Attested{}, refuse("the metadata does not know this model")
	}
	if err := o.VerifyAttestation(clientDataHash, b.rules, protocol.AttestationPolicy{}, protocol.SignaturePolicy{}); err != nil {
		return device.Attested{}, refuse("%v", err)
	}
	return device.Attested{
		At: f.o.Now(), Model: model.MetadataStatement.Description, Keys: protection(model.MetadataStatement.KeyProtection),
	}, nil
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", device.ErrAttestation, fmt.Sprintf(format, args...))
}

// unlisted is said against a model of which the metadata knows nothing any more.
const unlisted = "UNLISTED"

// Against implements device.Models. What is said against a model it is also said
// against if FIDO means one batch of it: which batch a passkey was of, is not kept.
func (f *File) Against(aaguid []byte) string {
	model := f.book.Load().model(aaguid)
	if model == nil {
		return unlisted
	}
	for _, r := range metadata.EffectiveStatusReports(model.StatusReports, f.o.Now()) {
		if metadata.IsUndesiredAuthenticatorStatus(r.Status) {
			return string(r.Status)
		}
	}
	return ""
}

// model returns what is known of a model; nil if nothing.
func (b *book) model(aaguid []byte) *metadata.Entry {
	if len(aaguid) != 16 || [16]byte(aaguid) == [16]byte{} { // zero says that it will not say
		return nil
	}
	return b.models[[16]byte(aaguid)]
}

// protection reads KEY_PROTECTION of the FIDO Registry §3.2. A key that only a
// server can use (remote_handle), or of which nothing is said, is neither.
func protection(said []string) device.KeyProtection {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(said, w) })
	}
	switch {
	case has("software"): // also beside hardware: then some of its keys are
		return device.KeySoftware
	case has("hardware", "tee", "secure_element"):
		return device.KeyHardware
	}
	return ""
}
