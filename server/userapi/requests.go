package userapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
)

// InLocale is the language in which the caller wants to be shown things.
type InLocale struct {
	AcceptLanguage string `header:"Accept-Language" maxLength:"256"`
}

// requestOut is a request as its user may see it: neither the OP's handle nor
// its reference, and of a code that must be typed not even a hash.
type requestOut struct {
	ID        string       `json:"id"`
	OP        string       `json:"op"`
	State     string       `json:"state"`
	CreatedAt time.Time    `json:"created_at"`
	ExpiresAt time.Time    `json:"expires_at"`
	View      string       `json:"view" doc:"The exact JSON text to show. With a member refused, which says why, the request can be denied and not approved"`
	ByCode    bool         `json:"by_code,omitempty" doc:"It came by the code that this device showed, and is for it alone"`
	Decision  *decisionOut `json:"decision,omitempty"`
}

type decisionOut struct {
	Verdict    string     `json:"verdict"`
	Reason     string     `json:"reason,omitempty" doc:"Of a denial"`
	How        string     `json:"how" enum:"passkey,passkey_and_code,device,mitome" doc:"device: said no there; mitome: a rule said no, not the user"`
	At         time.Time  `json:"at"`
	Frozen     *time.Time `json:"frozen_until,omitempty" doc:"Until then the client cannot ask the user, who said that she did not start this"`
	DeviceName string     `json:"device_name,omitempty"`
	This       bool       `json:"this" doc:"The caller is that device"`
}

// howOf is by what means a decision came about.
func howOf(d approval.Decision) string {
	switch {
	case d.Verdict == approval.Approve && d.UserCode != "":
		return "passkey_and_code"
	case d.Verdict == approval.Approve:
		return "passkey"
	case d.Reason == approval.ReasonUser, d.Reason == approval.ReasonNotMe && d.Device != "":
		return "device"
	}
	return "mitome"
}

func requestOf(s approval.Shown) requestOut {
	r := s.Request
	return requestOut{
		ID: string(r.ID), OP: r.OP, State: string(r.State),
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), View: string(s.View),
		ByCode: r.OnlyDevice != "",
	}
}

type requestsOut struct {
	Body struct {
		Requests []requestOut `json:"requests"`
	}
}

// listRequests returns what waits for the caller, oldest first.
func (h *Handler) listRequests(ctx context.Context, in *InLocale) (*requestsOut, error) {
	w := who(ctx)
	pending, err := h.Approvals.Pending(ctx, w)
	if err != nil {
		return nil, err
	}
	var out requestsOut
	out.Body.Requests = []requestOut{}
	for _, r := range pending {
		shown, err := h.Approvals.Show(ctx, r.ID, w, in.AcceptLanguage)
		if errors.Is(err, approval.ErrNotFound) || err == nil && shown.Request.State != approval.Pending {
			continue // it ended between the two reads
		}
		if err != nil {
			return nil, err
		}
		out.Body.Requests = append(out.Body.Requests, requestOf(shown))
	}
	return &out, nil
}

type requestIn struct {
	ByID
	InLocale
}

type oneRequestOut struct{ Body requestOut }

func (h *Handler) request(ctx context.Context, in *requestIn) (*oneRequestOut, error) {
	shown, err := h.Approvals.Show(ctx, approval.RequestID(in.ID), who(ctx), in.AcceptLanguage)
	if err != nil {
		return nil, err
	}
	out := oneRequestOut{requestOf(shown)}
	if d := shown.Request.Decision; d != nil {
		out.Body.Decision, err = h.decisionOut(ctx, *d)
	}
	return &out, err
}

// decisionOut names the device that decided, if one did.
func (h *Handler) decisionOut(ctx context.Context, d approval.Decision) (*decisionOut, error) {
	out := &decisionOut{
		Verdict: string(d.Verdict), Reason: string(d.Reason), How: howOf(d), At: d.At.UTC(), This: isOf(caller(ctx), d.Device),
		Frozen: sometime(d.FrozenUntil),
	}
	if d.Device == "" {
		return out, nil
	}
	dev, err := h.People.Device(ctx, d.Device)
	if err != nil && !errors.Is(err, device.ErrDeviceNotFound) {
		return nil, fmt.Errorf("device of decision: %w", err)
	}
	out.DeviceName = dev.Name
	return out, nil
}

type challengeOut struct {
	Body struct {
		View    string          `json:"view" doc:"The exact JSON text to show, and that will be signed"`
		Options json.RawMessage `json:"options" doc:"WebAuthn's {\"publicKey\": PublicKeyCredentialRequestOptions}"`
	}
}

func (h *Handler) challenge(ctx context.Context, in *requestIn) (*challengeOut, error) {
	sign, err := h.Approvals.Challenge(ctx, approval.RequestID(in.ID), who(ctx), in.AcceptLanguage)
	if err != nil {
		return nil, err
	}
	var out challengeOut
	out.Body.View, out.Body.Options = string(sign.View), sign.Options
	return &out, nil
}

type decideIn struct {
	ByID
	Body answer
}

// answer is what the user said.
type answer struct {
	Verdict   string     `json:"verdict" enum:"approve,deny"`
	NotMe     bool       `json:"not_me,omitempty" doc:"With deny: I did not start this. With an assertion over what begin-not-me gives, its client cannot ask the user for a while, what else it asked is denied, and the operator is told. An assertion that is not good takes nothing from the denial: the answer then has no frozen_until"`
	UserCode  string     `json:"user_code,omitempty" maxLength:"64"`
	Assertion jsonObject `json:"assertion,omitempty" doc:"With approve, and with not_me if that is to have consequences: PublicKeyCredential, as JSON"`
}

// Resolve implements huma.ResolverWithPath. What cannot be right is refused
// before a try of the code is charged for it.
func (a answer) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	approve := a.Verdict == string(approval.Approve)
	switch {
	case approve && a.Assertion.raw == nil:
		return []error{&huma.ErrorDetail{Location: at.With("assertion"), Message: "expected with approve"}}
	case approve && a.NotMe:
		return []error{&huma.ErrorDetail{Location: at.With("not_me"), Message: "expected with deny only"}}
	}
	return nil
}

type stateOut struct {
	Body struct {
		ID     string     `json:"id"`
		State  string     `json:"state"`
		Frozen *time.Time `json:"frozen_until,omitempty" doc:"Until then the client cannot ask the user, who said by passkey that she did not start this"`
	}
}

// decide takes the user's answer to one request.
func (h *Handler) decide(ctx context.Context, in *decideIn) (*stateOut, error) {
	r, err := h.Approvals.Decide(ctx, approval.Answer{
		Request: approval.RequestID(in.ID), Who: who(ctx), Verdict: approval.Verdict(in.Body.Verdict),
		NotMe: in.Body.NotMe, UserCode: in.Body.UserCode, Assertion: in.Body.Assertion.raw,
	})
	if err != nil {
		return nil, err
	}
	var out stateOut
	out.Body.ID, out.Body.State = string(r.ID), string(r.State)
	if d := r.Decision; d != nil {
		out.Body.Frozen = sometime(d.FrozenUntil)
	}
	return &out, nil
}
