package rp

import (
	"errors"
	"fmt"
	"strings"
)

// What an OP can answer, to be used with errors.Is on the error of any call.
// Each stands for the code of its name; the error itself is an [*Error].
var (
	// Answers of the backchannel authentication endpoint (CIBA Core §13).

	ErrInvalidRequest        = errors.New("invalid_request") // also returned before anything is sent
	ErrInvalidScope          = errors.New("invalid_scope")
	ErrExpiredLoginHintToken = errors.New("expired_login_hint_token")
	ErrUnknownUserID         = errors.New("unknown_user_id") // or a user without a device: OPs do not tell them apart
	ErrUnauthorizedClient    = errors.New("unauthorized_client")
	ErrMissingUserCode       = errors.New("missing_user_code")
	ErrInvalidUserCode       = errors.New("invalid_user_code")
	ErrInvalidBindingMessage = errors.New("invalid_binding_message")
	ErrInvalidClient         = errors.New("invalid_client")
	ErrAccessDenied          = errors.New("access_denied") // from Wait: the user said no

	// Answers of the token endpoint (§11), besides.

	ErrAuthorizationPending = errors.New("authorization_pending") // only from Poll: Wait waits
	ErrSlowDown             = errors.New("slow_down")             // from Wait: the OP wants more than MaxInterval
	ErrExpiredToken         = errors.New("expired_token")         // nobody answered in time
	ErrInvalidGrant         = errors.New("invalid_grant")

	// Only pushed (§12).

	ErrTransactionFailed = errors.New("transaction_failed")

	// RFC 9396, RFC 8707 and RFC 6749, for what a request may carry besides.

	ErrInvalidAuthorizationDetails = errors.New("invalid_authorization_details")
	ErrInvalidTarget               = errors.New("invalid_target")
	ErrUnsupportedGrantType        = errors.New("unsupported_grant_type")
)

// What can be wrong besides what an OP says.
var (
	// ErrResponse: the OP's answer is not what the specification allows.
	ErrResponse = errors.New("rp: answer of the OP is malformed")
	// ErrIDToken: the ID token did not pass a check. The tokens that came with
	// it are not to be used, and are not returned.
	ErrIDToken = errors.New("rp: ID token refused")
	// ErrInsecure: an endpoint is neither https nor on this machine.
	ErrInsecure = errors.New("rp: endpoint is not secure")
	// ErrUnsupported: the OP's metadata does not offer what the client needs.
	ErrUnsupported = errors.New("rp: not offered by the OP")
)

// byCode finds the sentinel of a code.
var byCode = index(
	ErrInvalidRequest, ErrInvalidScope, ErrExpiredLoginHintToken, ErrUnknownUserID, ErrUnauthorizedClient,
	ErrMissingUserCode, ErrInvalidUserCode, ErrInvalidBindingMessage, ErrInvalidClient, ErrAccessDenied,
	ErrAuthorizationPending, ErrSlowDown, ErrExpiredToken, ErrInvalidGrant, ErrTransactionFailed,
	ErrInvalidAuthorizationDetails, ErrInvalidTarget, ErrUnsupportedGrantType,
)

func index(sentinels ...error) map[string]error {
	m := make(map[string]error, len(sentinels))
	for _, s := range sentinels {
		m[s.Error()] = s
	}
	return m
}

// Error is what an OP answered in place of what it was asked for, or what this
// package says in its place: Status is 0 if no OP said it.
type Error struct {
	Code        string // as in the specification, for example "access_denied"
	Description string // for a developer, never for a user
	URI         string // a page about it, if the OP names one
	Status      int    // of HTTP; 0 if pushed, or said by this package
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("rp: ")
	b.WriteString(e.Code)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	return b.String()
}

// Unwrap returns the sentinel of the code, nil for a code of the OP's own.
func (e *Error) Unwrap() error { return byCode[e.Code] }

// invalid is a request that an OP would refuse, and that is not sent therefore.
func invalid(why string) error {
	return &Error{Code: ErrInvalidRequest.Error(), Description: why}
}

// expired says that the time is over, whether or not the OP said so.
func expired(why string) error {
	return &Error{Code: ErrExpiredToken.Error(), Description: why}
}
