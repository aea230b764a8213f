package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
)

// Problem is an RFC 9457 problem document.
type Problem struct {
	Type       string  `json:"type"`
	Title      string  `json:"title"`
	Status     int     `json:"status"`
	Code       string  `json:"error,omitempty" doc:"CIBA's error code; to OPs only"`
	TriesLeft  *int    `json:"tries_left,omitempty"`  // of a typed code, for this request
	RetryAfter int     `json:"retry_after,omitempty"` // seconds
	Errors     []Fault `json:"errors,omitempty"`

	headers map[string]string
}

// Fault is one thing wrong with what was sent. It never repeats the value.
type Fault struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Title }

// Header returns a header that goes with the problem.
func (p *Problem) Header(name string) string { return p.headers[name] }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// problems is every refusal a caller may see. The first match counts, so what
// wraps another error stands before it.
var problems = []struct {
	err    error
	status int
	typ    string
	title  string
}{
	{ErrBody, 400, "invalid_request", "The request is not well formed."},
	{ErrNotFound, 404, "not_found", "There is nothing here."},
	{ErrKeyReused, 409, "idempotency_key_reused", "Another request came under the same Idempotency-Key."},
	{ErrNoOP, 404, "op_not_found", "There is no connection of that name."},
	{ErrMethod, 405, "method_not_allowed", "This cannot be done here."},
	{ErrMediaType, 415, "unsupported_media_type", "The body must be application/json."},
	{ErrRate, 429, "rate", "Too many calls; wait a moment."},
	{ErrUnavailable, 503, "unavailable", "Mitome cannot take this now; try again in a moment."},
	{session.ErrBusy, 429, "rate", "Too many calls; wait a moment."},
	{session.ErrNoDevice, 403, "no_device", "Pair this device first."},
	{session.ErrProof, 401, "invalid_dpop_proof", "The proof of possession is not valid."},
	{session.ErrCrossSite, 403, "cross_site", "This was asked for by another site."},
	{session.ErrUnauthorized, 401, "unauthorized", "Sign in first."},
	{approval.ErrNotFound, 404, "request_not_found", "There is no such request."},
	{approval.ErrExpired, 410, "request_expired", "This request has expired."},
	{approval.ErrSettled, 409, "request_settled", "This request has already been answered."},
	{approval.ErrConflict, 409, "request_changed", "This request changed; load it again."},
	{approval.ErrDuplicate, 409, "request_duplicate", "This request was received before."},
	{approval.ErrRefReused, 409, "reference_reused", "Another request came under the same reference."},
	{approval.ErrUnknownUser, 400, "unknown_user_id", "The hint names no user who can be asked."},
	{approval.ErrHintToken, 400, "expired_login_hint_token", "That code is over: have the phone show a new one."},
	{approval.ErrBindingMessage, 400, "invalid_binding_message", "The binding message may not be shown."},
	{approval.ErrACR, 403, "acr_unmet", "The way you approve does not reach what was asked for."},
	{approval.ErrScope, 400, "invalid_scope", "This client may not ask for that scope."},
	{approval.ErrDeviceBound, 403, "passkey_synced", "This asks for a passkey that stays on one device, and yours can be copied to others."},
	{approval.ErrAttestation, 403, "passkey_unattested", "This asks for a passkey of a model that is known and trusted, and yours is not."},
	{approval.ErrCodeShape, 400, "invalid_user_code", "The code cannot be typed."},
	{approval.ErrNoCode, 400, "missing_user_code", "A code that the user types is needed."},
	{approval.ErrCodeMissing, 400, "user_code_missing", "Type the code that the other screen shows."},
	{approval.ErrUserCode, 403, "user_code_wrong", "That code is not right."},
	{approval.ErrCodeLocked, 403, "user_code_locked", "Too many wrong codes: the request was denied."},
	{approval.ErrCodeWait, 429, "user_code_wait", "Too many wrong codes: wait before the next one."},
	{approval.ErrHours, 400, "invalid_quiet_hours", "Quiet hours need a time zone and two different times."},
	{approval.ErrUnknownDetails, 403, "details_unknown", "This request asks for something that is not known here: it can be denied, not approved."},
	{approval.ErrFar, 403, "too_far", "The device that asks is too far from here: this can be denied, not approved."},
	{approval.ErrChallenge, 409, "challenge_missing", "Open the request again before you approve it."},
	{approval.ErrTooSoon, 409, "approval_too_soon", "That was sooner than anybody reads: look at the request, and approve it once more."},
	{approval.ErrAssertion, 403, "passkey_failed", "Your passkey could not be verified."},
	{approval.ErrEvidence, 422, "evidence_invalid", "The evidence does not hold."},
	{device.ErrUnknownUser, 404, "user_not_found", "There is no such user."},
	{device.ErrUserExists, 409, "user_exists", "There is such a user already."},
	{device.ErrUserBusy, 409, "user_busy", "An OpenID Provider waits for an answer about this user; try again when it is over."},
	{device.ErrHintTaken, 409, "hint_taken", "That hint names another user."},
	{device.ErrDeviceNotFound, 404, "device_not_found", "There is no such device."},
	{device.ErrEnrollmentNotFound, 404, "pairing_not_found", "There is no such pairing."},
	{device.ErrEnrollmentOver, 410, "pairing_over", "This pairing is over; start a new one."},
	{device.ErrEnrollmentStep, 409, "pairing_step", "The pairing is not at that step."},
	{device.ErrEnrollmentChanged, 409, "pairing_changed", "The pairing changed; load it again."},
	{device.ErrPasskey, 403, "passkey_failed", "Your passkey could not be verified."},
	{device.ErrAttestation, 403, "attestation_failed", "This authenticator is not of a model that is trusted here; use another."},
	{device.ErrMatchCode, 409, "match_code_wrong", "The codes differ; the pairing was cancelled."},
	{device.ErrName, 400, "invalid_name", "That name cannot be shown."},
	{device.ErrGesture, 409, "gesture_missing", "That took too long or was answered before; begin again."},
	{device.ErrCooling, 403, "device_cooling", "This device is new: it may not do this until it is confirmed."},
	{device.ErrNotAllowed, 403, "not_allowed", "This device may not do that."},
	{device.ErrDeviceChanged, 409, "device_changed", "The device changed; load it again."},
	{device.ErrHintSpent, 400, "expired_login_hint_token", "That code is over: have the phone show a new one."},
	{device.ErrHintGrant, 403, "unlock_first", "Unlock with your passkey first."},
	{device.ErrAddress, 400, "invalid_address", "This address cannot be used."},
	{device.ErrAddressNotFound, 404, "address_not_found", "There is no such address."},
	{device.ErrUserCode, 400, "invalid_user_code", "That is not the user's code."},
	{device.ErrNoUserCode, 400, "missing_user_code", "The user's own code is needed."},
	{device.ErrUserCodeShape, 400, "weak_user_code", "Choose 4 to 12 letters and digits that nobody guesses at once."},
	{device.ErrCodeConflict, 503, "unavailable", "Mitome cannot take this now; try again in a moment."},
	{device.ErrCodeBusy, 503, "unavailable", "Mitome cannot take this now; try again in a moment."},
	{device.ErrTooManyDevices, 409, "too_many_devices", "There are as many devices as allowed; remove one first."},
	{device.ErrSubject, 400, "invalid_subject", "That is not a subject."},
	{device.ErrHint, 400, "invalid_hint", "That is not a hint."},
}

// The refusals of the HTTP layer itself.
var (
	ErrBody        = errors.New("web: bad request")
	ErrNotFound    = errors.New("web: no such route")
	ErrKeyReused   = errors.New("web: idempotency key was used for something else")
	ErrNoOP        = errors.New("web: no such connection to an OP")
	ErrMethod      = errors.New("web: no such method here")
	ErrMediaType   = errors.New("web: body is not JSON")
	ErrRate        = errors.New("web: too many calls")
	ErrUnavailable = errors.New("web: cannot take this now")
)

// RateError is ErrRate with the wait after which a call is taken again.
type RateError struct{ Wait time.Duration }

// Error implements error.
func (e *RateError) Error() string { return ErrRate.Error() }

// Unwrap returns the sentinel.
func (e *RateError) Unwrap() error { return ErrRate }

// statusGone is the status of a call whose caller hung up; nobody reads it but
// the log (nginx's 499).
const statusGone = 499

// ProblemFor maps err to what the caller is told. What is not in the table is a
// fault of ours, and the caller learns no more than that.
func ProblemFor(ctx context.Context, err error) *Problem {
	for _, row := range problems {
		if errors.Is(err, row.err) {
			p := &Problem{Type: "urn:mitome:" + row.typ, Title: row.title, Status: row.status}
			return p.detail(err)
		}
	}
	p := fault()
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		p.Status = statusGone
		return p
	}
	slog.ErrorContext(ctx, "call failed", "call", CallID(ctx), "err", err)
	return p
}

// fault is all that a caller learns of a fault of ours.
func fault() *Problem {
	return &Problem{Type: "about:blank", Title: "Something went wrong.", Status: http.StatusInternalServerError}
}

// detail adds the numbers that some errors carry.
func (p *Problem) detail(err error) *Problem {
	p.headers = map[string]string{}
	var code *approval.CodeError
	var rate *RateError
	switch {
	case errors.As(err, &code):
		p.TriesLeft = &code.TriesLeft
		p.wait(code.Wait)
	case errors.As(err, &rate):
		p.wait(rate.Wait)
	case p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable:
		p.wait(defaultWait)
	}
	switch {
	case errors.Is(err, session.ErrProof):
		p.headers["WWW-Authenticate"] = `DPoP error="invalid_dpop_proof", algs="ES256"`
	case errors.Is(err, session.ErrUnauthorized):
		p.headers["WWW-Authenticate"] = `DPoP error="invalid_token", algs="ES256"`
	}
	return p
}

// defaultWait is said where nobody knows better.
const defaultWait = 5 * time.Second

// wait says when to come back, rounded up to seconds.
func (p *Problem) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	p.RetryAfter = int((d + time.Second - 1) / time.Second)
	p.headers["Retry-After"] = strconv.Itoa(p.RetryAfter)
}
