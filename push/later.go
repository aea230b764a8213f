package push

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter is the longest wait that is believed. No request lives longer
// than a few minutes, and a service that says "in a year" has a broken clock.
const maxRetryAfter = time.Hour

// laterError is ErrLater with the wait that the service asked for.
type laterError struct {
	after time.Duration
	cause error
}

// Error implements error.
func (e *laterError) Error() string {
	if e.cause == nil {
		return ErrLater.Error()
	}
	return fmt.Sprintf("%v: %v", ErrLater, e.cause)
}

// Unwrap makes the error one of ErrLater and of its cause.
func (e *laterError) Unwrap() []error {
	if e.cause == nil {
		return []error{ErrLater}
	}
	return []error{ErrLater, e.cause}
}

// Later returns an ErrLater that carries how long the service asks us to wait;
// zero if it did not say. Cause, which may be nil, must hold no target.
func Later(after time.Duration, cause error) error {
	return &laterError{min(max(after, 0), maxRetryAfter), cause}
}

// RetryAfter returns the wait that err carries, or zero if it carries none.
func RetryAfter(err error) time.Duration {
	var later *laterError
	if errors.As(err, &later) {
		return later.after
	}
	return 0
}

// ParseRetryAfter reads a Retry-After header (RFC 9110 §10.2.3): seconds or a
// date. What it cannot read is zero, and what is too long is cut short.
func ParseRetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(v, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
