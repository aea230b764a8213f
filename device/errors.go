package device

import "errors"

// The refusals a caller can tell apart. Anything else is a fault.
var (
	ErrUnknownUser        = errors.New("device: no such user")
	ErrUserExists         = errors.New("device: user exists already")
	ErrHintTaken          = errors.New("device: hint names another user")
	ErrDeviceNotFound     = errors.New("device: no such device")
	ErrEnrollmentNotFound = errors.New("device: no such enrollment")
	ErrEnrollmentOver     = errors.New("device: enrollment is over")
	ErrEnrollmentStep     = errors.New("device: enrollment is not at that step")
	ErrEnrollmentChanged  = errors.New("device: enrollment changed meanwhile")
	ErrPasskey            = errors.New("device: passkey did not verify")
	ErrMatchCode          = errors.New("device: match codes differ, pairing cancelled")
	ErrName               = errors.New("device: name is not fit to be shown")
	ErrSubject            = errors.New("device: not a subject")
	ErrHint               = errors.New("device: not a hint")
	ErrGesture            = errors.New("device: no such challenge, or it is over")
	ErrNotAllowed         = errors.New("device: not for this device to do")
	ErrDeviceChanged      = errors.New("device: device changed meanwhile")
	ErrCooling            = errors.New("device: device is cooling off")
	ErrAddress            = errors.New("device: address cannot be used")
	ErrAddressNotFound    = errors.New("device: no such address")
	ErrHintGrant          = errors.New("device: unlock before a code is shown")
	ErrHintSpent          = errors.New("device: hint token is over or spent")
	ErrUserCode           = errors.New("device: invalid_user_code")
	ErrNoUserCode         = errors.New("device: missing_user_code")
	ErrUserCodeShape      = errors.New("device: code cannot be typed or is guessed at once")
	ErrCodeConflict       = errors.New("device: code was tried meanwhile")
	ErrCodeBusy           = errors.New("device: too many codes to verify at once")
	ErrTooManyDevices     = errors.New("device: user has as many devices as she may")
)
