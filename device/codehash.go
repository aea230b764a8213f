package device

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/argon2"
)

// codeCost is what one hash costs: OWASP's first choice for argon2id.
var codeCost = cost{memory: 19 * 1024, time: 2, threads: 1}

const (
	codeSalt = 16
	codeSum  = 32

	hashesAtOnce = 2  // on one node; each holds codeCost.memory KiB
	maxHashWaits = 64 // calls that wait for one, or a second's work
)

type cost struct {
	memory, time uint32 // KiB, passes
	threads      uint8
}

// hashCode returns the argon2id of a peppered code, with what is needed to make
// it again, in the form that others write it in too (PHC).
func hashCode(peppered []byte) string {
	salt := make([]byte, codeSalt)
	rand.Read(salt) // never fails, says crypto/rand
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		codeCost.memory, codeCost.time, codeCost.threads, b64(salt), b64(codeCost.sum(peppered, salt)))
}

func (c cost) sum(peppered, salt []byte) []byte {
	return argon2.IDKey(peppered, salt, c.time, c.memory, c.threads, codeSum)
}

// matches compares in constant time. Where there is no code it hashes all the
// same, so that the time does not tell.
func (u UserCode) matches(peppered []byte) (bool, error) {
	if u.Hash == "" {
		codeCost.sum(peppered, make([]byte, codeSalt))
		return false, nil
	}
	c, salt, want, err := readHash(u.Hash)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(c.sum(peppered, salt), want) == 1, nil
}

// readHash reads what hashCode writes. The hash is not quoted in an error.
func readHash(s string) (c cost, salt, sum []byte, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, fmt.Errorf("device: user code is hashed in an unknown way")
	}
	if _, err = fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.time, &c.threads); err == nil {
		salt, err = base64.RawStdEncoding.DecodeString(parts[4])
	}
	if err == nil {
		sum, err = base64.RawStdEncoding.DecodeString(parts[5])
	}
	if err != nil || len(sum) != codeSum || c.time == 0 || c.threads == 0 {
		return c, nil, nil, fmt.Errorf("device: hash of user code cannot be read")
	}
	return c, salt, sum, nil
}

// userCode is what can be typed anywhere, and may be sent to any OP.
var userCode = regexp.MustCompile(`^[A-Z0-9]{4,12}$`)

// guessed are the first guesses of anybody that no rule below catches.
var guessed = []string{
	"2580", "0852", "1379", "147258", "159753", "QWER", "QWERTY", "QWERTZ", "ASDF", "ASDFGH", "1QAZ", "1QAZ2WSX", "1Q2W", "1Q2W3E",
	"1Q2W3E4R", "PASS", "PASSWORD", "PASSW0RD", "LETMEIN", "ADMIN", "MITOME", "CODE", "SECRET", "HIMITSU", "SAKURA", "PASSWORD1", "ABC123",
}

// fitCode returns code as it is compared, or ErrUserCodeShape.
func fitCode(code string) (string, error) {
	code = NormalizeCode(code)
	if !userCode.MatchString(code) || slices.Contains(guessed, code) || repeats(code) || runs(code, 1) || runs(code, -1) {
		return "", ErrUserCodeShape
	}
	return code, nil
}

// repeats reports whether code is one part again and again: 0000, 1212, 123123.
func repeats(code string) bool {
	for n := 1; n <= len(code)/2; n++ {
		if len(code)%n == 0 && strings.Repeat(code[:n], len(code)/n) == code {
			return true
		}
	}
	return false
}

// runs reports whether each character follows the last by step: 1234, 7890, DCBA.
func runs(code string, step int) bool {
	const digits = 10
	for i := 1; i < len(code); i++ {
		a, b := int(code[i-1]), int(code[i])
		bothDigits := a <= '9' && b <= '9'
		if b-a != step && (!bothDigits || (b-a-step)%digits != 0) {
			return false
		}
	}
	return true
}

// hashing bounds how many codes are hashed at a time: each takes memory that
// whoever sends many calls at once must not choose. The zero value is ready.
type hashing struct {
	once  sync.Once
	slots chan struct{}
	waits atomic.Int32
}

// enter waits for a place, or returns ErrCodeBusy.
func (h *hashing) enter(ctx context.Context) (leave func(), err error) {
	h.once.Do(func() { h.slots = make(chan struct{}, hashesAtOnce) })
	leave = func() { <-h.slots }
	select {
	case h.slots <- struct{}{}:
		return leave, nil
	default:
	}
	if h.waits.Add(1) > maxHashWaits {
		h.waits.Add(-1)
		return nil, ErrCodeBusy
	}
	defer h.waits.Add(-1)
	select {
	case h.slots <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to hash: %w", ctx.Err())
	}
}
