package op

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/luikyv/go-oidc/pkg/goidc"
)

// maxClients is how many may register with a demo. Whoever reaches it may.
const maxClients = 1000

// clients are those that have registered themselves, in memory. They are handed
// out as copies: go-oidc writes into a client the keys that it has fetched.
type clients struct {
	mu  sync.Mutex
	all map[string]goidc.Client
}

// SaveClient implements goidc.DCRManager.
func (c *clients) SaveClient(_ context.Context, one *goidc.Client) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.all[one.ID]; !known && len(c.all) >= maxClients {
		return goidc.NewError(goidc.ErrorCodeInvalidRequest, "no more clients are taken")
	}
	c.all[one.ID] = *one
	return nil
}

// Client implements goidc.DCRManager.
func (c *clients) Client(_ context.Context, id string) (*goidc.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one, ok := c.all[id]
	if !ok {
		return nil, goidc.ErrNotFound
	}
	return &one, nil
}

// DeleteClient implements goidc.DCRManager.
func (c *clients) DeleteClient(_ context.Context, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, id)
	return nil
}

// byCA says whether a client is known by the name in a certificate, for which a
// CA must vouch.
func (c *clients) byCA(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[id].TokenAuthnMethod == goidc.AuthnMethodTLS
}

// admit is what a client may register as, beyond what go-oidc sees to: it asks
// by CIBA, its tokens are bound, and its keys are strong enough.
func (o *OP) admit(_ context.Context, _ string, meta *goidc.ClientMeta) error {
	if !slices.Contains(meta.GrantTypes, goidc.GrantCIBA) {
		return errors.New("grant_types lacks CIBA's")
	}
	meta.GrantTypes = []goidc.GrantType{goidc.GrantCIBA, goidc.GrantRefreshToken}
	meta.ScopeIDs = strings.Join(append([]string{"openid"}, o.conf.Scopes...), " ")
	meta.TLSTokenBindingIsRequired = true
	if meta.JWKS == nil {
		return nil // jwks_uri, or a client that can do nothing
	}
	for i := range meta.JWKS.Keys {
		key := &meta.JWKS.Keys[i]
		if !strong(key.Key) {
			return errors.New("a key is too weak, or of no kind that PS256 or ES256 has")
		}
		// go-oidc finds a client's certificate by its thumbprint alone, and RFC
		// 8705 §2.2.2 has it registered as x5c.
		if len(key.Certificates) > 0 && len(key.CertificateThumbprintSHA256) == 0 {
			sum := sha256.Sum256(key.Certificates[0].Raw)
			key.CertificateThumbprintSHA256 = sum[:]
		}
	}
	return nil
}

// strong says whether FAPI takes a key (FAPI 1.0 part 1 §5.2.2).
func strong(key any) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return key.Curve.Params().BitSize >= 256
	}
	return false
}
