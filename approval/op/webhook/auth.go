package webhook

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/keyset"
)

// Identity is the OP that makes a call, by what it has proven itself.
type Identity struct {
	// Name is the proof's, for the audit log: that of an API key or of a
	// certificate, or jwt: and that of the key that signed.
	Name string
	// Only is the one thing that an API key is for; empty: everything.
	Only string
	// Once is what makes the proof good for this one call; empty if it is good for
	// many. The caller must see that it was not spent before, and remember it
	// until Until.
	Once  string
	Until time.Time
}

// maxBearer is far more than a key or a JWT needs.
const maxBearer = 8 << 10

// Authenticate finds out by which of its proofs the OP makes a call: an API key
// or a signed JWT as the bearer, or else the certificate of its connection. They
// are alternatives; a bearer that is wrong is not mended by a certificate. Errors
// wrap op.ErrUnauthentic, say why, and hold nothing of what was brought.
//
// A header that says which certificate a proxy has seen is not looked at:
// whoever reaches this listener past the proxy could write one.
func (a *Adapter) Authenticate(r *http.Request) (Identity, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return a.byCertificate(r.TLS)
	}
	bearer, ok := bearerOf(values)
	if !ok {
		return Identity{}, fmt.Errorf("%w: Authorization is not one bearer", op.ErrUnauthentic)
	}
	if name, ok := a.KeyOf(bearer); ok {
		return Identity{Name: name, Only: a.only(name)}, nil
	}
	if a.signers == nil {
		return Identity{}, fmt.Errorf("%w: not an API key of this connection", op.ErrUnauthentic)
	}
	return a.byAssertion(r.Context(), bearer)
}

// only is what the API key of that name is for.
func (a *Adapter) only(name string) string {
	for _, k := range a.cfg.Keys {
		if k.Name == name {
			return k.Only
		}
	}
	return ""
}

// bearerOf reads the one Authorization header.
func bearerOf(values []string) (string, bool) {
	scheme, given, _ := strings.Cut(values[0], " ")
	ok := len(values) == 1 && strings.EqualFold(scheme, "Bearer") && given != "" && len(given) <= maxBearer
	return given, ok
}

// TakesCertificates reports whether the OP may prove itself by one, so that the
// listener asks for it.
func (a *Adapter) TakesCertificates() bool { return len(a.certificates) > 0 }

// openAuth makes what Authenticate needs of a configuration that finish has
// found good.
func (a *Adapter) openAuth(d op.Deps) (err error) {
	for _, k := range a.cfg.Keys {
		key := apiKey{name: k.Name}
		if _, err := hex.Decode(key.hash[:], []byte(k.SHA256)); err != nil {
			return fmt.Errorf("webhook: hash of key %s: %w", k.Name, err)
		}
		a.keys = append(a.keys, key)
	}
	a.clientCAs = d.ClientCAs
	for _, c := range a.cfg.Certificates {
		hash, err := fingerprint(c.SHA256)
		if err != nil {
			return fmt.Errorf("webhook: hash of certificate %s: %w", c.Name, err)
		}
		a.certificates = append(a.certificates, certificate{c.Name, hash, c.DNS})
	}
	s := a.cfg.Assertion
	if a.audience = s.Audience; a.audience == "" {
		a.audience = d.PublicURL + "/op/" + d.Name
	}
	switch {
	case s.JWKSFile != "":
		a.signers, err = s.readKeys()
	case s.JWKSURL != "":
		a.signers = &keyset.Set{
			URL: s.JWKSURL, Client: guarded(s.AllowPrivate, d.Client), Log: d.Log, Now: d.Now, Pause: keysPause,
		}
	}
	return err
}
