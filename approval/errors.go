package approval

import (
	"errors"
	"time"
)

// The refusals a caller can tell apart. Anything else is a fault.
var (
	ErrNotFound       = errors.New("approval: no such request")
	ErrExpired        = errors.New("approval: request has expired")
	ErrSettled        = errors.New("approval: request is already settled")
	ErrConflict       = errors.New("approval: request changed meanwhile")
	ErrDuplicate      = errors.New("approval: request was received before")
	ErrRefReused      = errors.New("approval: another request came under the same reference")
	ErrUnknownUser    = errors.New("approval: unknown_user_id")
	ErrHintToken      = errors.New("approval: expired_login_hint_token")
	ErrBindingMessage = errors.New("approval: invalid_binding_message")
	ErrACR            = errors.New("approval: acr_values cannot be met")
	ErrScope          = errors.New("approval: invalid_scope")
	ErrDeviceBound    = errors.New("approval: passkey can be synced")
	ErrAttestation    = errors.New("approval: passkey is not of a model that is trusted")
	ErrCodeShape      = errors.New("approval: invalid_user_code")
	ErrNoCode         = errors.New("approval: missing_user_code")
	ErrCodeMissing    = errors.New("approval: the code must be typed")
	ErrUserCode       = errors.New("approval: wrong code")
	ErrCodeLocked     = errors.New("approval: too many wrong codes")
	ErrCodeWait       = errors.New("approval: wait before the next code")
	ErrUnknownDetails = errors.New("approval: details are not known and cannot be approved")
	ErrFar            = errors.New("approval: the device that asks is too far away")
	ErrChallenge      = errors.New("approval: no challenge for this device")
	ErrTooSoon        = errors.New("approval: sooner than anybody reads")
	ErrAssertion      = errors.New("approval: passkey did not verify")
	ErrEvidence       = errors.New("approval: evidence does not hold")
)

// CodeError says how a typed code failed, in numbers.
type CodeError struct {
	Err       error         // ErrUserCode, ErrCodeLocked or ErrCodeWait
	TriesLeft int           // for this request
	Wait      time.Duration // before the next try is taken
}

// Error implements error.
func (e *CodeError) Error() string { return e.Err.Error() }

// Unwrap returns the sentinel.
func (e *CodeError) Unwrap() error { return e.Err }
