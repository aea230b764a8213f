package pages

import (
	"context"
	"slices"

	"github.com/mitome-ciba/mitome/device"
)

// unattested reports whether d cannot approve all that is asked over a connection,
// because nobody knows what keeps its passkeys, or what does is trusted no more.
func (h *Handler) unattested(ctx context.Context, op string, d device.Device) (bool, error) {
	if !slices.ContainsFunc(h.OPs, func(o OP) bool { return o.Name == op && o.Attests }) {
		return false, nil
	}
	passkeys, err := h.Own.CredentialsOf(ctx, d.ID)
	return !slices.ContainsFunc(passkeys, device.Credential.Proven), err
}
