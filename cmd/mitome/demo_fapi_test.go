package main_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TestDemoFAPICIBA plays the plan fapi-ciba-id1-test-plan of the OpenID
// Foundation's conformance suite, module by module under its names there, for
// plain_fapi and clients that register themselves. It is no certification, and
// not the suite: it is what keeps the suite green from one run to the next.
func TestDemoFAPICIBA(t *testing.T) {
	t.Parallel()
	p := runFAPI(t)
	for _, v := range []variant{{privateKeyJWT, "poll"}, {privateKeyJWT, "ping"}, {selfSignedTLS, "poll"}, {selfSignedTLS, "ping"}} {
		t.Run(v.auth+","+v.mode, func(t *testing.T) {
			t.Parallel()
			var passed atomic.Int32
			all := modules(v)
			t.Run("modules", func(t *testing.T) {
				for _, name := range slices.Sorted(maps.Keys(all)) {
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						all[name](p.register(t, v, p.keys[0]))
						if !t.Failed() {
							passed.Add(1)
						}
					})
				}
			})
			t.Logf("FAPI-CIBA plain_fapi, %s, %s: %d of %d modules passed", v.auth, v.mode, passed.Load(), len(all))
		})
	}
	t.Run("besides", p.besides)
}

// fapiModule plays one module with a client that has just registered.
type fapiModule func(c *fapiClient)

// modules are those of the plan that a variant has, without the prefix
// fapi-ciba-id1- that all of them share; "happy" is the one that is called by it
// alone.
func modules(v variant) map[string]fapiModule {
	all := map[string]fapiModule{
		"discovery-end-point-verification": discovery,
		"happy":                            happy,
		"user-rejects-authentication":      rejected,
		"multiple-call-to-token-endpoint":  impatient,
		"auth-req-id-expired":              expires,
		"ensure-authorization-request-with-binding-message-succeeds": grants(map[string]any{"binding_message": "1234"}),
		"ensure-other-scope-order-succeeds":                          grants(map[string]any{"scope": "accounts openid"}),
		"ensure-requested-expiry-as-string-succeeds":                 grants(map[string]any{"requested_expiry": "30"}),
		"refresh-token":                      refreshed,
		"ensure-mtls-holder-of-key-required": holder,
		"ensure-authorization-request-with-potentially-bad-binding-message": refused("invalid_binding_message",
			map[string]any{"binding_message": badMessage}),
		"ensure-unsigned-backchannel-authorization-request-fails": unsigned,
		"ensure-authorization-request-with-multiple-hints-fails": refused("invalid_request",
			map[string]any{"login_hint_token": "04821957360284715093"}),
		"ensure-wrong-auth-req-id-in-token-endpoint-request":          wrongAuthReqID,
		"ensure-wrong-client-id-in-token-endpoint-request":            othersAuthReqID,
		"ensure-wrong-client-id-in-backchannel-authorization-request": othersClientID,
		"ensure-request-object-signature-algorithm-is-none-fails":     unsecured,
		"ensure-request-object-signature-algorithm-is-bad-fails":      badSignature,
		"ensure-request-object-signature-algorithm-is-RS256-fails":    signedWith(jose.RS256),
		"ensure-request-object-signed-by-other-client-fails":          signedByAnother,
	}
	for name, change := range faultyObjects() {
		all["ensure-request-object-"+name+"-fails"] = refused("invalid_request", change)
	}
	if v.auth == privateKeyJWT {
		maps.Copy(all, assertionModules)
	}
	if v.mode == "ping" {
		maps.Copy(all, pingModules)
	}
	return all
}

// badMessage is about what the suite sends: more than fits, in many scripts.
var badMessage = "1234 👍🏿 品川 " + strings.Repeat("Lorem ipsum dolor sit amet, consectetur adipiscing elit. ", 8)

// faultyObjects are what is wrong with the claims of a signed request.
func faultyObjects() map[string]map[string]any {
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	return map[string]map[string]any{
		"missing-aud":                 {"aud": nil},
		"bad-aud":                     {"aud": "https://op.example"},
		"missing-iss":                 {"iss": nil},
		"bad-iss":                     {"iss": "somebody else"},
		"missing-exp":                 {"exp": nil},
		"expired-exp":                 {"exp": at(-5 * time.Minute), "nbf": at(-10 * time.Minute)},
		"exp-is-70-minutes-in-future": {"exp": at(70 * time.Minute)},
		"missing-iat":                 {"iat": nil},
		"missing-nbf":                 {"nbf": nil},
		"nbf-is-10-minutes-in-future": {"nbf": at(10 * time.Minute), "exp": at(15 * time.Minute)},
		"nbf-is-70-minutes-in-past":   {"nbf": at(-70 * time.Minute)},
		"missing-jti":                 {"jti": nil},
	}
}

// assertionModules are those of private_key_jwt alone.
var assertionModules = map[string]fapiModule{
	"ensure-different-client-id-and-issuer-in-backchannel-authorization-request":                      othersAssertion,
	"ensure-without-client-assertion-in-token-endpoint-request":                                       noAssertionForTokens,
	"ensure-without-client-assertion-in-backchannel-authorization-request":                            noAssertion,
	"ensure-client-assertion-signature-algorithm-in-token-endpoint-request-is-RS256-fails":            rs256ForTokens,
	"ensure-client-assertion-signature-algorithm-in-backchannel-authorization-request-is-RS256-fails": rs256,
	"ensure-client-assertion-with-iss-aud-to-token-endpoint-succeeds":                                 grants(nil), // the issuer is what each assertion here names
}

// pingModules are those of ping alone: whatever the client answers, it was told,
// once, and gets its tokens.
var pingModules = map[string]fapiModule{
	"ping-backchannel-notification-endpoint-response-401": pingedOf(answering(http.StatusUnauthorized)),
	"ping-backchannel-notification-endpoint-response-403": pingedOf(answering(http.StatusForbidden)),
	"ping-backchannel-notification-endpoint-response-has-body": pingedOf(func(w http.ResponseWriter) {
		fmt.Fprint(w, "thank you")
	}),
	"ping-backchannel-notification-endpoint-return-redirect-request":                           redirected,
	"ping-with-mtls-ciba-notification-endpoint-response-401-and-require-server-does-not-retry": pingedOf(answering(http.StatusUnauthorized)),
}

func answering(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

// TestDemoFAPICIBAIsWhole counts the modules: what §14 of the contract lists for
// plain_fapi must be there, and nothing twice under two names.
func TestDemoFAPICIBAIsWhole(t *testing.T) {
	for _, tt := range []struct {
		v    variant
		want int
	}{
		{variant{privateKeyJWT, "poll"}, 38}, {variant{privateKeyJWT, "ping"}, 43},
		{variant{selfSignedTLS, "poll"}, 32}, {variant{selfSignedTLS, "ping"}, 37},
	} {
		if got := len(modules(tt.v)); got != tt.want {
			t.Errorf("%v: got %d modules, want %d", tt.v, got, tt.want)
		}
	}
}
