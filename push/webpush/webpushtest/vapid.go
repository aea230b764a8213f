package webpushtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Token is what a request's VAPID token says of who sends.
type Token struct {
	Public   string // application server key, base64url
	Subject  string
	Audience string
	Expires  time.Time
}

// Verify checks the VAPID token of r as a strict service at origin does (RFC
// 8292 §2 to §4.2).
func Verify(r *http.Request, origin string, now time.Time) (Token, error) {
	text, public, err := credentials(r.Header.Get("Authorization"))
	if err != nil {
		return Token{}, err
	}
	point, err := base64.RawURLEncoding.DecodeString(public)
	if err != nil {
		return Token{}, fmt.Errorf("webpushtest: k: %w", err)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return Token{}, fmt.Errorf("webpushtest: k: %w", err)
	}
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return Token{}, fmt.Errorf("webpushtest: t: %w", err)
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return Token{}, fmt.Errorf("webpushtest: t: %w", err)
	}
	var c struct {
		Aud, Sub string
		Exp      int64
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return Token{}, fmt.Errorf("webpushtest: t: %w", err)
	}
	t := Token{public, c.Sub, c.Aud, time.Unix(c.Exp, 0)}
	if jws.Signatures[0].Header.ExtraHeaders[jose.HeaderType] != "JWT" {
		return t, errors.New("webpushtest: typ is not JWT")
	}
	return t, t.check(origin, now)
}

// check is what the claims must be.
func (t Token) check(origin string, now time.Time) error {
	switch life := t.Expires.Sub(now); {
	case t.Audience != origin:
		return fmt.Errorf("webpushtest: aud is %q, want %q", t.Audience, origin)
	case life <= 0 || life > 24*time.Hour:
		return fmt.Errorf("webpushtest: exp is in %v, want at most 24h", life)
	}
	if address, ok := strings.CutPrefix(t.Subject, "mailto:"); ok {
		if _, err := mail.ParseAddress(address); err != nil {
			return fmt.Errorf("webpushtest: sub is %q", t.Subject)
		}
		return nil
	}
	if u, err := url.Parse(t.Subject); err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("webpushtest: sub is %q, want a mailto or https address", t.Subject)
	}
	return nil
}

// credentials takes "vapid t=…, k=…" apart.
func credentials(header string) (token, public string, err error) {
	rest, ok := strings.CutPrefix(header, "vapid ")
	if !ok {
		return "", "", errors.New("webpushtest: Authorization is not vapid")
	}
	for part := range strings.SplitSeq(rest, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name {
		case "t":
			token = value
		case "k":
			public = value
		}
	}
	if token == "" || public == "" {
		return "", "", errors.New("webpushtest: t or k is missing")
	}
	return token, public, nil
}
