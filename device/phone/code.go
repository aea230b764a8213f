package phone

import (
	"encoding/json"
	"fmt"
	"net/url"
)

// Code says at a till who stands there: twenty digits that are good once, and
// for a minute.
type Code struct {
	Digits    string // to be shown as they are, also as a QR code or a bar code
	ExpiresAt string // RFC 3339
	NextIn    int    // seconds after which to show the next one
}

// String implements fmt.Stringer; it keeps the digits out of a careless %v.
func (c *Code) String() string { return "[code]" }

// GoString implements fmt.GoStringer.
func (c *Code) GoString() string { return c.String() }

// UnlockCodes has the passkey of one of this phone's devices sign that codes may
// be shown, and returns until when (RFC 3339) [Phone.NextCode] gives them. It is
// for the press of a button: the passkey asks for the user.
func (p *Phone) UnlockCodes(device string) (string, error) {
	assertion, err := p.sign(codePath(device, "/challenge"), func(s statementWire) bool {
		return s.Action == "code.show" && s.Device.ID == device
	})
	if err != nil {
		return "", err
	}
	var out struct {
		ExpiresAt string `json:"expires_at"`
	}
	in := map[string]json.RawMessage{"assertion": assertion}
	if err := p.post(codePath(device, "/unlock"), in, &out); err != nil {
		return "", fmt.Errorf("unlock codes: %w", err)
	}
	return out.ExpiresAt, nil
}

// NextCode returns the next code of a device. The one before stays good to its
// end. Take it off the screen when the app is no longer in front.
func (p *Phone) NextCode(device string) (*Code, error) {
	var out struct {
		Digits    string `json:"login_hint_token"`
		ExpiresAt string `json:"expires_at"`
		NextIn    int    `json:"next_in"`
	}
	if err := p.post(codePath(device, ""), nil, &out); err != nil {
		return nil, fmt.Errorf("ask for code: %w", err)
	}
	return &Code{out.Digits, out.ExpiresAt, out.NextIn}, nil
}

func codePath(device, rest string) string {
	return "/v1/devices/" + url.PathEscape(device) + "/hint-tokens" + rest
}
