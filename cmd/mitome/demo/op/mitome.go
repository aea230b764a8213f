package op

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// What passes between the OP and Mitome, as Observe is shown it.
const (
	AskMitome rp.Kind = "mitome_request"  // OP → Mitome
	Decision  rp.Kind = "mitome_decision" // Mitome → OP
)

const (
	askTime  = 10 * time.Second
	maxBody  = 64 << 10
	headroom = 3 * time.Second // a decision of the last second is still on its way
	shortest = 10 * time.Second
)

// asked is a request as Mitome's API takes it.
type asked struct {
	Sub            string             `json:"sub,omitempty"`
	LoginHint      string             `json:"login_hint,omitempty"`
	LoginHintToken string             `json:"login_hint_token,omitempty"`
	ClientID       string             `json:"client_id"`
	ClientName     string             `json:"client_name,omitempty"`
	Scope          string             `json:"scope,omitempty"`
	BindingMessage string             `json:"binding_message,omitempty"`
	UserCode       string             `json:"user_code,omitempty"`
	ACRValues      string             `json:"acr_values,omitempty"`
	Details        []goidc.AuthDetail `json:"authorization_details,omitempty"`
	Context        map[string]any     `json:"request_context,omitempty"`
	ExpiresIn      int                `json:"expires_in"`
}

// request is a request as Mitome's API shows it, in its answers and webhooks.
type request struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Sub      string `json:"sub"`
	ClientID string `json:"client_id"`
	Decision *struct {
		Verdict  string   `json:"verdict"`
		Reason   string   `json:"reason"`
		AuthTime int64    `json:"auth_time"`
		ACR      string   `json:"acr"`
		AMR      []string `json:"amr"`
	} `json:"decision"`
}

// passedOn are the codes that Mitome refuses a request with and that mean the
// same to the client.
var passedOn = map[string]goidc.ErrorCode{
	"unknown_user_id":          goidc.ErrorCodeUnknownUserID,
	"expired_login_hint_token": goidc.ErrorCodeExpiredLoginHintToken,
	"invalid_request":          goidc.ErrorCodeInvalidRequest,
	"invalid_binding_message":  goidc.ErrorCodeInvalidBindingMessage,
	"missing_user_code":        goidc.ErrorCodeMissingUserCode,
	"invalid_user_code":        goidc.ErrorCodeInvalidUserCode,
	"invalid_scope":            goidc.ErrorCodeInvalidScope,
	"access_denied":            goidc.ErrorCodeAccessDenied,
}

// ask is go-oidc's hook for a request that is sound: it finds the user and hands
// the request to Mitome. What it returns is what the client is told.
func (o *OP) ask(ctx context.Context, s *goidc.AuthnSession, c *goidc.Client) error {
	in := asked{
		ClientID: c.ID, ClientName: c.Name, Scope: s.Scopes, BindingMessage: s.BindingMessage,
		UserCode:  s.AuthorizationParameters.UserCode, // s.UserCode is the device flow's
		ACRValues: s.ACRValues, Details: s.AuthDetails, Context: contextOf(ctx),
	}
	if err := o.aboutSomething(s, in); err != nil {
		return err
	}
	if err := o.who(s, &in); err != nil {
		return err
	}
	left, err := o.lifetime(s)
	if err != nil {
		return err
	}
	in.ExpiresIn = seconds(max(left-headroom, shortest))
	o.desk.begin()
	made, err := o.send(context.WithoutCancel(ctx), s.AuthReqID, in)
	if err != nil {
		o.desk.end()
		return err
	}
	s.Subject, s.GrantedScopes, s.GrantedAuthDetails = made.Sub, s.Scopes, s.AuthDetails
	s.Store[storeMitome] = made.ID // the request counts once go-oidc has saved this
	return nil
}

// who finds the user that the client means. Who has shown a code on her phone is
// known to Mitome, which gave it out: the OP learns her subject from the answer.
func (o *OP) who(s *goidc.AuthnSession, in *asked) error {
	switch {
	case s.LoginHintToken != "":
		in.LoginHintToken = s.LoginHintToken
		return nil
	case s.IDTokenHint != "":
		in.Sub, _ = s.IDTokenHintClaims["sub"].(string)
	case o.conf.Users == nil:
		in.LoginHint = s.LoginHint
	default:
		in.Sub = o.conf.Users[s.LoginHint]
	}
	if in.Sub == "" && in.LoginHint == "" {
		return goidc.NewError(goidc.ErrorCodeUnknownUserID, "no such user")
	}
	return nil
}

// lifetime bounds how long a request lives, which go-oidc does not.
func (o *OP) lifetime(s *goidc.AuthnSession) (time.Duration, error) {
	if s.RequestedExpiry != nil && *s.RequestedExpiry <= 0 {
		return 0, goidc.NewError(goidc.ErrorCodeInvalidRequest, "requested_expiry is not positive")
	}
	now := time.Now()
	s.ExpiresAt = min(s.ExpiresAt, int(now.Add(o.conf.MaxLifetime).Unix()))
	return time.Unix(int64(s.ExpiresAt), 0).Sub(now), nil
}

// send posts a request. Where the answer is lost it asks again with the same
// Idempotency-Key, by which Mitome knows it for the same.
func (o *OP) send(ctx context.Context, key string, in asked) (request, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return request{}, fmt.Errorf("write request: %w", err)
	}
	out, again, err := o.try(ctx, key, body)
	if again {
		out, _, err = o.try(ctx, key, body)
	}
	return out, err
}

// try makes one attempt.
func (o *OP) try(ctx context.Context, key string, body []byte) (out request, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.conf.Mitome.URL+"/v1/requests", bytes.NewReader(body))
	if err != nil {
		return request{}, false, errors.New("mitome's URL is none")
	}
	req.Header.Set("Authorization", "Bearer "+o.conf.Mitome.Key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	o.show(rp.Message{Kind: AskMitome, Method: req.Method, URL: req.URL.String(), Header: http.Header{"Idempotency-Key": {key}}, Body: cut(body)})
	resp, err := o.conf.HTTP.Do(req)
	if err != nil {
		return request{}, true, fmt.Errorf("ask mitome: %w", err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return request{}, true, fmt.Errorf("ask mitome: %w", err)
	}
	o.show(rp.Message{Kind: AskMitome, Answer: true, URL: req.URL.String(), Status: resp.StatusCode, Body: cut(said)})
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
		return request{}, resp.StatusCode == http.StatusServiceUnavailable, refusal(resp.StatusCode, said)
	}
	if err := json.Unmarshal(said, &out); err != nil || out.ID == "" || out.Sub == "" {
		return request{}, false, errors.New("mitome's answer cannot be read")
	}
	return out, false, nil
}

// refusal is what the client hears of Mitome's. What is the OP's own fault, such
// as a wrong API key, is none of the client's business.
func refusal(status int, body []byte) error {
	var problem struct {
		Title string `json:"title"`
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &problem) // what is not a problem document has no code
	if code, ok := passedOn[problem.Error]; ok {
		return goidc.NewError(code, describe(problem.Title))
	}
	return fmt.Errorf("mitome answered %d %s", status, problem.Error)
}

// describe keeps to the characters that error_description may have (RFC 6749
// §5.2).
func describe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// show hands m to whoever observes.
func (o *OP) show(m rp.Message) {
	if o.conf.Observe != nil {
		m.At = time.Now()
		o.conf.Observe(m)
	}
}

// cut indents JSON without the codes: the one that the user is to type, and the
// one that stands for her.
func cut(body []byte) string {
	var object map[string]any
	if json.Unmarshal(body, &object) != nil {
		return ""
	}
	for _, name := range []string{"user_code", "login_hint_token"} {
		if _, ok := object[name].(string); ok {
			object[name] = "[secret]"
		}
	}
	out, err := json.MarshalIndent(object, "", "  ")
	if err != nil {
		return ""
	}
	return string(out)
}
