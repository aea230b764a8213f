package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/push"
)

// Who we are at the vendors.
const (
	fcmProject = "mitome-bench"
	fcmEmail   = "push@mitome-bench.iam.example"
	fcmToken   = "ya29.bench"
	apnsKeyID  = "ABC123DEFG"
	apnsTeam   = "TEAM123456"
	apnsTopic  = "org.example.mitome"
)

// certificate is one for 127.0.0.1, and how to trust it.
func certificate() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// pkcs8 is a private key as the vendors' consoles hand it out.
func pkcs8(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// seen remembers who has proved who he is, so that a signature is verified once
// and not with every push: so do the vendors.
type seen struct{ words sync.Map }

func (s *seen) check(word string, verify func() error) error {
	if _, ok := s.words.Load(word); ok {
		return nil
	}
	if err := verify(); err != nil {
		return err
	}
	s.words.Store(word, nil)
	return nil
}

// verified is the payload of a JWS of key's.
func verified(token string, alg jose.SignatureAlgorithm, key any) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{alg})
	if err != nil {
		return nil, err
	}
	return jws.Verify(key)
}

// webPush stands for a browser's push service (RFC 8030, RFC 8292).
func (s *services) webPush() (err error) {
	s.world.WebPush, err = s.open(push.WebPush, func(one *service, base string) http.Handler {
		var known seen
		return one.answers(http.StatusCreated, "", func(r *http.Request, body []byte) error {
			h := r.Header
			ttl, err := strconv.Atoi(h.Get("TTL"))
			if err != nil || ttl <= 0 || h.Get("Urgency") != "high" || h.Get("Content-Encoding") != "aes128gcm" ||
				len(h.Get("Topic")) == 0 || len(h.Get("Topic")) > 32 || len(body) > 4096 || r.ProtoMajor != 2 {
				return fmt.Errorf("%s, %d bytes, headers %v", r.Proto, len(body), h)
			}
			word := h.Get("Authorization")
			if err := known.check(word, func() error { return vapid(word, base) }); err != nil {
				return err
			}
			device, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/wpush/"))
			if err != nil {
				return err
			}
			return one.take(device, body)
		})
	})
	return err
}

// vapid checks who sends, and that he means us.
func vapid(word, origin string) error {
	token, public, ok := strings.Cut(strings.TrimPrefix(word, "vapid t="), ", k=")
	point, err := base64.RawURLEncoding.DecodeString(public)
	if err != nil || !ok {
		return errors.New("not a VAPID token")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return err
	}
	payload, err := verified(token, jose.ES256, key)
	if err != nil {
		return err
	}
	var claims struct {
		Aud string
		Exp int64
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.Aud != origin || claims.Exp <= time.Now().Unix() {
		return fmt.Errorf("VAPID claims %s", payload)
	}
	return nil
}

// fcm stands for Google: where an assertion is traded for a token, and HTTP v1.
func (s *services) fcm() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	s.world.FCM, err = s.open(push.FCM, func(one *service, base string) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("POST /token", one.answers(http.StatusOK, `{"access_token":"`+fcmToken+`","token_type":"Bearer","expires_in":3600}`,
			func(_ *http.Request, body []byte) error { return assertion(body, &key.PublicKey) }))
		mux.Handle("POST /v1/projects/"+fcmProject+"/messages:send", one.answers(http.StatusOK, `{"name":"projects/`+fcmProject+`/messages/0:1"}`,
			func(r *http.Request, body []byte) error { return one.takeFCM(r, body) }))
		return mux
	})
	if err != nil {
		return err
	}
	private, err := pkcs8(key)
	if err != nil {
		return err
	}
	s.world.Account, err = json.Marshal(map[string]string{
		"type": "service_account", "project_id": fcmProject, "client_email": fcmEmail, "private_key_id": "k1",
		"private_key": string(private), "token_uri": s.world.FCM + "/token",
	})
	return err
}

func (s *service) takeFCM(r *http.Request, body []byte) error {
	var in struct {
		Message struct {
			Token   string
			Data    struct{ M string }
			Android struct{ Priority, TTL string }
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	m := in.Message
	if r.Header.Get("Authorization") != "Bearer "+fcmToken || m.Android.Priority != "high" || m.Android.TTL == "" || r.ProtoMajor != 2 {
		return fmt.Errorf("%s, headers %v, message %+v", r.Proto, r.Header, m.Android)
	}
	device, err := strconv.Atoi(strings.TrimPrefix(m.Token, "bench:"))
	if err != nil {
		return err
	}
	sealed, err := base64.RawURLEncoding.DecodeString(m.Data.M)
	if err != nil {
		return err
	}
	return s.take(device, sealed)
}

// apns stands for Apple.
func (s *services) apns() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	if s.world.Key, err = pkcs8(key); err != nil {
		return err
	}
	s.world.APNs, err = s.open(push.APNs, func(one *service, _ string) http.Handler {
		var known seen
		return one.answers(http.StatusOK, "", func(r *http.Request, body []byte) error {
			word := strings.TrimPrefix(r.Header.Get("Authorization"), "bearer ")
			err := known.check(word, func() error {
				_, err := verified(word, jose.ES256, &key.PublicKey)
				return err
			})
			if err != nil {
				return err
			}
			return one.takeAPNs(r, body)
		})
	})
	return err
}

func (s *service) takeAPNs(r *http.Request, body []byte) error {
	h := r.Header
	expires, err := strconv.ParseInt(h.Get("Apns-Expiration"), 10, 64)
	if err != nil || expires <= time.Now().Unix() || h.Get("Apns-Topic") != apnsTopic || h.Get("Apns-Push-Type") != "alert" ||
		h.Get("Apns-Priority") != "10" || len(h.Get("Apns-Collapse-Id")) > 64 || len(body) > 4096 || r.ProtoMajor != 2 {
		return fmt.Errorf("%s, %d bytes, headers %v", r.Proto, len(body), h)
	}
	device, err := strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/3/device/"), 16, 64)
	if err != nil {
		return err
	}
	var in struct {
		M   string
		APS map[string]any
	}
	if err := json.Unmarshal(body, &in); err != nil || len(in.APS) == 0 {
		return fmt.Errorf("not a notification: %w", err)
	}
	sealed, err := base64.RawURLEncoding.DecodeString(in.M)
	if err != nil {
		return err
	}
	return s.take(int(device), sealed)
}

// assertion checks who wants a token (RFC 7523).
func assertion(form []byte, key *rsa.PublicKey) error {
	_, word, _ := strings.Cut(string(form), "assertion=")
	word, _, _ = strings.Cut(word, "&")
	payload, err := verified(word, jose.RS256, key)
	if err != nil {
		return err
	}
	if !strings.Contains(string(payload), fcmEmail) {
		return fmt.Errorf("assertion of somebody else: %s", payload)
	}
	return nil
}
