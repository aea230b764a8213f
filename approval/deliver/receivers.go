package deliver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/device"
)

// Webhook takes signals as Standard Webhooks 1.0.0.
type Webhook struct {
	URL   string
	Post  *op.Poster
	Signs []*standardwebhooks.Webhook // one of each secret, newest first; all sign
	Now   func() time.Time
}

// webhookEvent is what is posted.
type webhookEvent struct {
	Type      string      `json:"type"`
	Timestamp time.Time   `json:"timestamp"`
	Data      webhookData `json:"data"`
}

type webhookData struct {
	OP          string             `json:"op"`
	Subject     string             `json:"sub"`
	User        device.UserID      `json:"user_id"`
	Request     approval.RequestID `json:"request_id,omitempty"`
	ClientID    string             `json:"client_id,omitempty"`
	FrozenUntil time.Time          `json:"frozen_until,omitzero"`
	By          string             `json:"by,omitempty"`
}

// Send implements Receiver.
func (w *Webhook) Send(ctx context.Context, s Signal) error {
	body, err := json.Marshal(webhookEvent{s.Type, s.At.UTC(), webhookData{
		OP: s.OP, Subject: s.Subject, User: s.User, Request: s.Request, ClientID: s.ClientID, FrozenUntil: utc(s.FrozenUntil), By: s.By,
	}})
	if err != nil {
		return fmt.Errorf("%w: %w", op.ErrNotSent, err)
	}
	id, now := "msg_"+s.ID, w.Now()
	signatures := make([]string, len(w.Signs))
	for i, sign := range w.Signs {
		if signatures[i], err = sign.Sign(id, now, body); err != nil {
			return fmt.Errorf("%w: sign webhook: %w", op.ErrNotSent, err)
		}
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return post(ctx, w.Post, op.Call{URL: w.URL, Header: h, Body: body})
}

// utc is t for people; zero stays zero.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

// post makes one attempt and reads what came of it.
func post(ctx context.Context, p *op.Poster, c op.Call) error {
	answer, err := p.Post(ctx, c)
	if err != nil {
		return err
	}
	if err = answer.Err(); errors.Is(err, op.ErrUnsure) && answer.After > 0 {
		err = &op.Later{Err: err, After: answer.After}
	}
	return err
}

// SET takes signals as Security Event Tokens (RFC 8417), pushed as RFC 8935 says,
// in the words of CAEP 1.0.
//
// The event is risk-level-change, because what a user says of a request tells of a
// risk to her account at the OP and of nothing that happened to it: no session of
// hers ended, and no credential of hers is known to be in other hands.
type SET struct {
	URL      string
	Audience string
	Issuer   string          // Mitome's public URL
	OPIssuer string          // of the users' subjects; empty: they are opaque
	Token    approval.Secret // bearer; empty: none
	Post     *op.Poster
	Sign     func(payload []byte) (string, error) // typ secevent+jwt
	Now      func() time.Time
}

// riskLevelChange is CAEP 1.0's event of that name.
const riskLevelChange = "https://schemas.openid.net/secevent/caep/event-type/risk-level-change"

// setClaims is a SET. It has no sub and no exp: RFC 8417 §4.5 and §4.6 would have a
// token without them taken for nothing else.
type setClaims struct {
	Issuer   string             `json:"iss"`
	ID       string             `json:"jti"`
	IssuedAt int64              `json:"iat"`
	Audience string             `json:"aud"`
	Of       int64              `json:"toe"`
	Txn      approval.RequestID `json:"txn,omitempty"`
	Subject  setSubject         `json:"sub_id"`
	Events   map[string]setRisk `json:"events"`
}

// setSubject is a Subject Identifier, RFC 9493.
type setSubject struct {
	Format  string `json:"format"`
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub,omitempty"`
	ID      string `json:"id,omitempty"`
}

type setRisk struct {
	At        int64             `json:"event_timestamp"`
	Initiator string            `json:"initiating_entity,omitempty"`
	Principal string            `json:"principal"`
	Level     string            `json:"current_level"`
	Reason    string            `json:"risk_reason"`
	Admin     map[string]string `json:"reason_admin"`
}

// Send implements Receiver.
func (t *SET) Send(ctx context.Context, s Signal) error {
	payload, err := json.Marshal(t.claims(s))
	if err != nil {
		return fmt.Errorf("%w: %w", op.ErrNotSent, err)
	}
	jws, err := t.Sign(payload)
	if err != nil {
		return fmt.Errorf("%w: %w", op.ErrNotSent, err)
	}
	h := http.Header{}
	h.Set("Content-Type", "application/secevent+jwt")
	h.Set("Accept", "application/json")
	if t.Token != "" {
		h.Set("Authorization", "Bearer "+string(t.Token))
	}
	return post(ctx, t.Post, op.Call{URL: t.URL, Header: h, Body: []byte(jws)})
}

func (t *SET) claims(s Signal) setClaims {
	subject := setSubject{Format: "iss_sub", Issuer: t.OPIssuer, Subject: s.Subject}
	if t.OPIssuer == "" {
		subject = setSubject{Format: "opaque", ID: s.Subject}
	}
	reason := "The user said that she did not start request " + string(s.Request) + "."
	if s.Type == SignalLocked {
		reason = "Everything was stopped for the user, until an administrator unlocks her."
	}
	return setClaims{
		Issuer: t.Issuer, ID: s.ID, IssuedAt: t.Now().Unix(), Audience: t.Audience, Of: s.At.Unix(), Txn: s.Request, Subject: subject,
		Events: map[string]setRisk{riskLevelChange: {
			At: s.At.Unix(), Initiator: s.By, Principal: "USER", Level: "HIGH", Reason: s.Type,
			Admin: map[string]string{"en": reason},
		}},
	}
}
