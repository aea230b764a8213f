// Package apnstest is the Apple Push Notification service as far as a sender
// sees it: HTTP/2, the ES256 provider token, the headers, the size, and Apple's
// words for what is wrong with each.
package apnstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Whose key it is, and the app's bundle id.
const (
	KeyID  = "ABC123DEFG"
	TeamID = "TEAM123456"
	Topic  = "org.example.mitome"

	maxPayload = 4096
)

var path = regexp.MustCompile(`^/3/device/[0-9a-f]+$`)

// Service is the fake: it knows one team's key.
type Service struct {
	key *ecdsa.PrivateKey

	mu           sync.Mutex
	tokens       map[string]bool // provider tokens that were shown
	certificates [][]byte        // those that it gave out
}

// New makes a service with a key of its own.
func New(t testing.TB) *Service {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &Service{key: key, tokens: map[string]bool{}}
}

// P8 is the key as Apple lets it be downloaded, once.
func (s *Service) P8() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		panic(err) // a key of P-256 can be marshalled
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Tokens is how many provider tokens were seen.
func (s *Service) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tokens)
}

// Device takes a notification, or says in Apple's words why not.
func (s *Service) Device(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		Fail(500, "InternalServerError")(w, r)
		return
	}
	if status, reason := s.judge(r, body); reason != "" {
		Fail(status, reason)(w, r)
		return
	}
	w.Header().Set("apns-id", "EC1BF194-B3B2-424A-89A9-5A918A6E6B5E")
}

func (s *Service) judge(r *http.Request, body []byte) (int, string) {
	h := r.Header
	background := h.Get("apns-push-type") == "background"
	expires, expiryErr := strconv.ParseInt(h.Get("apns-expiration"), 10, 64)
	var doc struct {
		APS map[string]any `json:"aps"`
	}
	switch {
	case r.ProtoMajor != 2 || r.Method != http.MethodPost:
		return 405, "MethodNotAllowed"
	case !path.MatchString(r.URL.Path):
		return 404, "BadPath"
	case s.shown(r) == (h.Get("authorization") != ""): // one of the two, and not both
		return 403, "MissingProviderToken"
	case !s.shown(r) && !s.signed(strings.TrimPrefix(h.Get("authorization"), "bearer ")):
		return 403, "InvalidProviderToken"
	case h.Get("apns-topic") != Topic:
		return 400, "DeviceTokenNotForTopic"
	case !background && h.Get("apns-push-type") != "alert":
		return 400, "InvalidPushType"
	// A background push with priority 10 is an error of its own at Apple's.
	case background && h.Get("apns-priority") != "5", !background && h.Get("apns-priority") != "10":
		return 400, "BadPriority"
	case expiryErr != nil || expires < time.Now().Unix()-1:
		return 400, "BadExpirationDate"
	case len(h.Get("apns-collapse-id")) > 64:
		return 400, "BadCollapseId"
	case len(body) > maxPayload:
		return 413, "PayloadTooLarge"
	case json.Unmarshal(body, &doc) != nil || len(doc.APS) == 0:
		return 400, "PayloadEmpty"
	}
	return 200, ""
}

// signed reports whether a provider token is ours and not an hour old.
func (s *Service) signed(token string) bool {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || jws.Signatures[0].Protected.KeyID != KeyID {
		return false
	}
	body, err := jws.Verify(s.key.Public())
	var c struct {
		Iss string
		Iat int64
	}
	if err != nil || json.Unmarshal(body, &c) != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = true
	age := time.Since(time.Unix(c.Iat, 0))
	return c.Iss == TeamID && age > -time.Minute && age < time.Hour
}

// Fail answers with a reason of Apple's, and headers if there are any.
func Fail(status int, reason string, header ...string) http.HandlerFunc {
	return fail(status, map[string]any{"reason": reason}, header)
}

// Gone answers that a token is dead since a time.
func Gone(reason string, since time.Time) http.HandlerFunc {
	return fail(http.StatusGone, map[string]any{"reason": reason, "timestamp": since.UnixMilli()}, nil)
}

func fail(status int, doc map[string]any, header []string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(doc) // whoever hung up does not miss it
	}
}
