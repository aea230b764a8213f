package signin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
)

// skew is how far the OP's clock may be off.
const skew = 30 * time.Second

// backTime bounds the calls to the OP behind one call of the browser.
const backTime = 15 * time.Second

// begin returns where to send the browser, and the cookie that it must bring
// back.
func (h *Handler) begin(ctx context.Context, p *Provider) (target string, cookie *http.Cookie, err error) {
	ctx, cancel := context.WithTimeout(ctx, backTime)
	defer cancel()
	meta, err := p.discover(ctx)
	if err != nil {
		return "", nil, &failure{CodeUnreachable, err}
	}
	s := newState(p.Name, h.Now())
	if cookie, err = h.cookie(s); err != nil {
		return "", nil, err
	}
	return meta.oauth.AuthCodeURL(s.State, p.options(s)...), cookie, nil
}

// finish takes the OP's answer and opens a desk for whom it names.
func (h *Handler) finish(ctx context.Context, s state, answer url.Values) (*http.Cookie, error) {
	ctx, cancel := context.WithTimeout(ctx, backTime)
	defer cancel()
	p, ok := h.Providers[s.OP]
	if !ok { // taken out of the configuration meanwhile
		return nil, &failure{code: CodeUnknownOP}
	}
	meta, err := p.discover(ctx)
	if err != nil {
		return nil, &failure{CodeUnreachable, err}
	}
	code, err := p.code(meta, s, answer)
	if err != nil {
		return nil, err
	}
	raw, err := p.exchange(ctx, meta, code, s.Verifier)
	if err != nil {
		return nil, err
	}
	who, err := p.verify(ctx, meta, raw, s, h.Now())
	if err != nil {
		return nil, err
	}
	u, err := h.user(ctx, p.Name, who)
	if err != nil {
		return nil, err
	}
	cookie, _, err := h.Desks.OpenDesk(ctx, session.Desk{
		User: u.ID, OP: p.Name, AuthTime: time.Unix(who.AuthTime, 0), IP: web.IP(ctx),
	})
	return cookie, err
}

// code reads the OP's answer as it stands in the browser's address. What is not
// the answer to this browser's own question is nobody's.
func (p *Provider) code(meta *metadata, s state, answer url.Values) (string, error) {
	one := func(name string) string {
		if v := answer[name]; len(v) == 1 {
			return v[0]
		}
		return ""
	}
	if subtle.ConstantTimeCompare([]byte(one("state")), []byte(s.State)) != 1 {
		return "", &failure{code: CodeNoState}
	}
	// RFC 9207: the answer of another OP must not be taken for this one's.
	if iss := one("iss"); iss != p.Issuer && (iss != "" || meta.namesISS || answer.Has("iss")) {
		return "", &failure{CodeToken, errors.New("answer of another issuer")}
	}
	switch one("error") {
	case "":
	case "access_denied":
		return "", &failure{code: CodeRefused}
	default: // its words are not repeated: anybody can write them into an address
		return "", &failure{code: CodeOPError}
	}
	if one("code") == "" {
		return "", &failure{CodeOPError, errors.New("no code")}
	}
	return one("code"), nil
}

// exchange trades the code for the ID token.
func (p *Provider) exchange(ctx context.Context, meta *metadata, code, verifier string) (raw string, err error) {
	token, err := meta.oauth.Exchange(p.through(ctx), code, oauth2.VerifierOption(verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused): // its text would hold the whole answer
		return "", &failure{CodeOPError, fmt.Errorf("token endpoint: status %d", refused.Response.StatusCode)}
	case err != nil:
		return "", &failure{CodeUnreachable, errors.New("token endpoint did not answer")}
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", &failure{CodeToken, errors.New("no ID token")}
	}
	return raw, nil
}

// claims is what is read of an ID token.
type claims struct {
	Subject       string `json:"sub"`
	AZP           string `json:"azp"`
	AuthTime      int64  `json:"auth_time"`
	ACR           string `json:"acr"`
	Name          string `json:"name"`
	Username      string `json:"preferred_username"`
	Email         string `json:"email"`
	EmailVerified any    `json:"email_verified"` // a bool; some OPs write it as a string
}

// verify checks the ID token as OpenID Connect Core §3.1.3.7 demands, and that it
// tells of a sign-in as fresh and as strong as was asked for.
func (p *Provider) verify(ctx context.Context, meta *metadata, raw string, s state, now time.Time) (claims, error) {
	refuse := func(why string) (claims, error) { return claims{}, &failure{CodeToken, errors.New(why)} }
	verifier := meta.provider.VerifierContext(p.through(ctx), &oidc.Config{ClientID: p.ClientID, Now: func() time.Time { return now }})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		return claims{}, &failure{CodeToken, err}
	}
	var c claims
	if err := token.Claims(&c); err != nil {
		return refuse("claims")
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(s.Nonce)) != 1 {
		return refuse("nonce")
	}
	if len(token.Audience) > 1 && c.AZP == "" || c.AZP != "" && c.AZP != p.ClientID {
		return refuse("azp")
	}
	// An OP that does not understand max_age leaves auth_time out.
	signedIn := time.Unix(c.AuthTime, 0)
	if c.AuthTime <= 0 || signedIn.Before(s.At.Add(-p.MaxAge-skew)) {
		return claims{}, &failure{code: CodeStale}
	}
	if signedIn.After(now.Add(skew)) {
		return refuse("auth_time in the future")
	}
	if len(p.ACRValues) > 0 && !slices.Contains(p.ACRValues, c.ACR) {
		return claims{}, &failure{code: CodeACR}
	}
	return c, nil
}

// user makes or finds the user whom the OP names.
func (h *Handler) user(ctx context.Context, op string, c claims) (device.User, error) {
	by, sub := actor(op, web.IP(ctx)), device.Subject{OP: op, Sub: c.Subject}
	u, err := h.People.FindUser(ctx, sub)
	if errors.Is(err, device.ErrUnknownUser) {
		u, err = h.newUser(ctx, device.User{OP: op, Subject: c.Subject}, c, by)
	}
	if errors.Is(err, device.ErrUserExists) { // she signs in twice at once
		u, err = h.People.FindUser(ctx, sub)
	}
	if errors.Is(err, device.ErrSubject) { // none, or one that is too long
		return device.User{}, &failure{CodeToken, err}
	}
	if err != nil {
		return device.User{}, err
	}
	for _, hint := range c.hints() {
		err := h.People.AddHint(ctx, u.ID, hint, by)
		// A name that means another already, or that nothing could match, is no
		// reason to turn her away: she is known by her subject.
		if err != nil && !errors.Is(err, device.ErrHintTaken) && !errors.Is(err, device.ErrHint) {
			return device.User{}, err
		}
	}
	return u, nil
}

// newUser makes u under the first of her names that can be shown.
func (h *Handler) newUser(ctx context.Context, u device.User, c claims, by device.Actor) (made device.User, err error) {
	names := slices.DeleteFunc([]string{c.Username, c.Name}, func(s string) bool { return s == "" })
	for _, u.Name = range append(names, "") {
		if made, err = h.People.AddUser(ctx, u, by); !errors.Is(err, device.ErrName) {
			break
		}
	}
	return made, err
}

// hints are the names by which the OP may mean her. An e-mail address that it
// has not verified may be anybody's.
func (c claims) hints() (out []device.Hint) {
	if c.Username != "" {
		out = append(out, device.Hint{Kind: "username", Value: c.Username})
	}
	if c.Email != "" && (c.EmailVerified == true || c.EmailVerified == "true") {
		out = append(out, device.Hint{Kind: "email", Value: c.Email})
	}
	return out
}
