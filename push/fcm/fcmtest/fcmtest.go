// Package fcmtest is Firebase Cloud Messaging as far as a sender sees it: the
// exchange of a service account's assertion for an access token, and HTTP v1's
// messages:send, as strict as Google's.
package fcmtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// What the service knows.
const (
	Project = "mitome-test"
	Email   = "push@mitome-test.iam.example"
	keyID   = "k1"

	maxData = 4096
)

// Message is what came to messages:send, and all that may.
type Message struct {
	ValidateOnly bool `json:"validate_only"`
	Message      struct {
		Token   string            `json:"token"`
		Data    map[string]string `json:"data"`
		Android struct {
			Priority string `json:"priority"`
			TTL      string `json:"ttl"`
		} `json:"android"`
	} `json:"message"`
}

// Service is the fake: it holds the public half of one service account's key.
type Service struct {
	key *rsa.PrivateKey

	mu     sync.Mutex
	tokens int             // that were given out
	good   map[string]bool // those that are still taken
}

// New makes a service with a key of its own.
func New(t testing.TB) *Service {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &Service{key: key, good: map[string]bool{}}
}

// Credentials is the key file that the console would make, for a service at base.
func (s *Service) Credentials(base string) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		panic(err) // an RSA key can be marshalled
	}
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": Project, "client_email": Email, "private_key_id": keyID,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"token_uri":   base + "/token",
	})
	if err != nil {
		panic(err) // strings can be marshalled
	}
	return file
}

// Tokens is how many access tokens were given out.
func (s *Service) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens
}

// Revoke makes the service take none of the tokens that it gave out.
func (s *Service) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.good)
}

// Token answers /token (RFC 7523).
func (s *Service) Token(w http.ResponseWriter, r *http.Request) {
	if err := s.assertion(r); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": err.Error()})
		return
	}
	s.mu.Lock()
	s.tokens++
	token := fmt.Sprintf("ya29.t0ken-%d", s.tokens)
	s.good[token] = true
	s.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600})
}

func (s *Service) assertion(r *http.Request) error {
	if r.Method != http.MethodPost || r.URL.Path != "/token" {
		return fmt.Errorf("%s %s", r.Method, r.URL.Path)
	}
	if grant := r.FormValue("grant_type"); grant != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return fmt.Errorf("grant type %q", grant)
	}
	signed, err := jose.ParseSignedCompact(r.FormValue("assertion"), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return err
	}
	body, err := signed.Verify(s.key.Public())
	if err != nil {
		return err
	}
	var c struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return err
	}
	now := time.Now().Unix()
	if c.Iss != Email || c.Scope != "https://www.googleapis.com/auth/firebase.messaging" || c.Aud != "http://"+r.Host+"/token" ||
		c.Iat > now || c.Exp <= now || c.Exp-c.Iat > 3600 || signed.Signatures[0].Protected.KeyID != keyID {
		return fmt.Errorf("claims %+v", c)
	}
	return nil
}

// Send answers messages:send.
func (s *Service) Send(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	good := s.good[token]
	s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	switch {
	case !good:
		Fail(401, "UNAUTHENTICATED", "")(w, r)
		return
	case r.Method != http.MethodPost || r.URL.Path != "/v1/projects/"+Project+"/messages:send":
		Fail(404, "NOT_FOUND", "")(w, r)
		return
	case err != nil:
		Fail(400, "INVALID_ARGUMENT", "")(w, r)
		return
	}
	m, err := Read(body)
	if err != nil || !strings.Contains(m.Message.Token, ":") {
		Fail(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")(w, r)
		return
	}
	answer(w, http.StatusOK, map[string]string{"name": "projects/" + Project + "/messages/0:1"})
}

// Read reads a message as Google would, which refuses fields that it does not
// know, and names in the data that it keeps for itself.
func Read(body []byte) (m Message, err error) {
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return m, err
	}
	size := 0
	for name, value := range m.Message.Data {
		size += len(name) + len(value)
		if name == "from" || name == "message_type" || strings.HasPrefix(name, "google") || strings.HasPrefix(name, "gcm") {
			return m, fmt.Errorf("data has the reserved name %q", name)
		}
	}
	if size > maxData {
		return m, fmt.Errorf("%d bytes of data", size)
	}
	return m, nil
}

// Fail answers as Google does where it does not take a message: a status with its
// own code, and, unless it is empty, FCM's code in the details. The sentence
// quotes the message, because nothing keeps Google from doing so.
func Fail(status int, code, detail string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		quoted, _ := io.ReadAll(r.Body)
		e := map[string]any{"code": status, "status": code, "message": "cannot send " + string(quoted) + " for " + r.Header.Get("Authorization")}
		if detail != "" {
			e["details"] = []any{map[string]string{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": detail}}
		}
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		answer(w, status, map[string]any{"error": e})
	}
}

func answer(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(doc) // whoever hung up does not miss it
}
