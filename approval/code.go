package approval

import (
	"crypto/hmac"
	"errors"
	"fmt"

	"github.com/mitome-ciba/mitome/device"
)

// MaxCodeTries is how many codes may be tried for one request (PSD2 RTS Art.
// 4(3)(b): at most five consecutive failures).
const MaxCodeTries = 5

// MaxCodeFailures is how many wrong codes in a row lock a user, over all requests
// and with all the waiting, until an administrator unlocks her (NIST SP 800-63B-4
// §3.2.2: no more than 100).
const MaxCodeFailures = 100

// CodeSource says where the code comes from that the user must type.
type CodeSource string

// The sources of a code. A user_code that is CIBA Core's own, a secret of the
// user, is verified by the OP before it asks and is none of these.
const (
	NoCode             CodeSource = ""
	CodeUserCode       CodeSource = "user_code"       // shown by the consumption device, forwarded by the OP
	CodeBindingMessage CodeSource = "binding_message" // the binding message itself, typed instead of read
)

// Code is what must be typed to approve a request: a keyed hash, because six
// digits hashed without a key are six digits plain. Neither the code nor any
// function of it enters the view, the challenge or the evidence.
type Code struct {
	Source CodeSource
	KeyID  string // the key under which MAC was made
	MAC    []byte // over the request's id and the normalized code
	Tries  int    // charged so far, right or wrong
}

// CodeKeys makes keyed hashes. Package server/seal implements it.
type CodeKeys interface {
	// CodeMAC returns the MAC of data under the key named by id, or under the
	// current key if id is empty, and the id of the key that it used.
	CodeMAC(id string, data []byte) (keyID string, mac []byte, err error)
	// Lookup returns a keyed hash of value that stays the same for ever. Kind
	// keeps equal values of different meaning apart.
	Lookup(kind, value string) []byte
}

// newCode seals code for request id; an empty code gives the zero Code.
func newCode(keys CodeKeys, id RequestID, source CodeSource, code string) (Code, error) {
	if source == NoCode {
		return Code{}, nil
	}
	if normalizeCode(code) == "" { // it would be matched by any other code that says nothing
		return Code{}, ErrCodeShape
	}
	c := Code{Source: source}
	var err error
	if c.KeyID, c.MAC, err = keys.CodeMAC("", codeData(id, code)); err != nil {
		return Code{}, fmt.Errorf("hash code: %w", err)
	}
	return c, nil
}

// matches compares in constant time. The try must have been charged before.
func (c Code) matches(keys CodeKeys, id RequestID, typed string) (bool, error) {
	if len(c.MAC) == 0 {
		return false, errors.New("approval: request has no code")
	}
	_, mac, err := keys.CodeMAC(c.KeyID, codeData(id, typed))
	if err != nil {
		return false, fmt.Errorf("hash typed code: %w", err)
	}
	return hmac.Equal(mac, c.MAC), nil
}

// codeData binds the code to its request, so that equal codes of two requests
// have different hashes.
func codeData(id RequestID, code string) []byte {
	return []byte(string(id) + "\x00" + normalizeCode(code))
}

// normalizeCode is how every code is compared, wherever it comes from.
func normalizeCode(code string) string { return device.NormalizeCode(code) }
