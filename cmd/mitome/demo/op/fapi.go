package op

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/luikyv/go-oidc/pkg/goidc"
	"github.com/luikyv/go-oidc/pkg/provider"
)

// FAPI has the OP keep to FAPI-CIBA, with FAPI 1.0 Advanced beneath it: clients
// that register themselves, prove who they are by a key or a certificate and sign
// each request; poll and ping, no push; tokens that are bound to a certificate.
type FAPI struct {
	// MTLS is the URL at which the same OP is served with a TLS that asks for the
	// client's certificate.
	MTLS string
	// ClientCAs are those whose certificates are believed in tls_client_auth.
	ClientCAs *x509.CertPool
}

// errNoCertificate is what go-oidc is told where a client showed none.
var errNoCertificate = errors.New("no client certificate")

// fapiOptions are what FAPI-CIBA has instead of the simple clients' ways.
func (o *OP) fapiOptions() []provider.Option {
	return []provider.Option{
		provider.WithIDTokenSignatureAlgs(goidc.PS256, goidc.ES256),
		provider.WithPrivateKeyJWTAuthn(goidc.PS256, goidc.ES256),
		provider.WithMTLS(o.conf.FAPI.MTLS, certificate),
		provider.WithTLSAuthn(),
		provider.WithSelfSignedTLSAuthn(),
		provider.WithTLSTokenBindingRequired(),
		provider.WithCIBAGrant(o.desk, goidc.CIBADeliveryModePoll, goidc.CIBADeliveryModePing),
		provider.WithCIBAProfile(goidc.CIBAProfileFAPI),
		provider.WithCIBAJARRequired(goidc.PS256, goidc.ES256),
		provider.WithDCR(o.clients),
		provider.WithDCRClientHandler(o.admit),
	}
}

// aboutSomething is what go-oidc's profile leaves out: the user must be able to
// tell this request from another (FAPI-CIBA §5.2.2 no. 2).
func (o *OP) aboutSomething(s *goidc.AuthnSession, in asked) error {
	if o.conf.FAPI == nil || s.BindingMessage != "" || len(in.Context) > 0 || len(s.AuthDetails) > 0 {
		return nil
	}
	return goidc.NewError(goidc.ErrorCodeInvalidRequest, "one of binding_message, request_context and authorization_details is needed")
}

// certificateKey is where a client's certificate travels to go-oidc.
type certificateKey struct{}

// certificate implements goidc.ClientCertFunc.
func certificate(ctx context.Context) (*x509.Certificate, error) {
	c, ok := ctx.Value(certificateKey{}).(*x509.Certificate)
	if !ok {
		return nil, errNoCertificate
	}
	return c, nil
}

// front adds to a call what FAPI has with each: the certificate that it came
// with, and the name by which both sides can find it in their logs. The form, if
// there is one, may be read from here on.
func (f *FAPI) front(w http.ResponseWriter, r *http.Request, clients *clients) *http.Request {
	w.Header().Set(interaction, interactionID(r.Header.Get(interaction)))
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return r
	}
	chain := r.TLS.PeerCertificates
	if r.Method == http.MethodPost && clients.byCA(r.PostFormValue("client_id")) && !f.vouched(chain) {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), certificateKey{}, chain[0]))
}

// vouched says whether one of our CAs has issued a client's certificate. go-oidc
// compares its name alone, which anybody can have written.
func (f *FAPI) vouched(chain []*x509.Certificate) bool {
	if f.ClientCAs == nil {
		return false
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: f.ClientCAs, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}

// interaction is FAPI's header that names a call (FAPI 1.0 part 1 §6.2.1).
const interaction = "X-Fapi-Interaction-Id"

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// interactionID is the caller's name for its call, or a new one.
func interactionID(theirs string) string {
	if uuidForm.MatchString(theirs) {
		return theirs
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
