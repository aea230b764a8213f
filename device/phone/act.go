package phone

import (
	"encoding/json"
	"fmt"
	"net/url"
)

// statementWire is what the server says will be done, as far as this side looks
// at it.
type statementWire struct {
	Action  string  `json:"action"`
	Request string  `json:"request"`
	Device  namedBy `json:"device"`
	By      namedBy `json:"by"`
}

// namedBy is a device in a statement. Some statements name it by its id alone.
type namedBy struct {
	ID string
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *namedBy) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &n.ID) == nil {
		return nil
	}
	var long struct {
		ID string `json:"id"`
	}
	err := json.Unmarshal(b, &long)
	n.ID = long.ID
	return err
}

// sign asks the server for what a passkey is to sign, and has it signed if it is
// what this phone wants. A server might have something else signed: then it is
// ErrChallenge.
func (p *Phone) sign(path string, wants func(statementWire) bool) (json.RawMessage, error) {
	var ch struct {
		Statement string           `json:"statement"`
		Options   publicKeyOptions `json:"options"`
	}
	if err := p.post(path, nil, &ch); err != nil {
		return nil, fmt.Errorf("ask for challenge: %w", err)
	}
	var said statementWire
	if err := json.Unmarshal([]byte(ch.Statement), &said); err != nil || !wants(said) {
		return nil, ErrChallenge
	}
	if err := checkChallenge(ch.Options.PublicKey, "mitome/act/v1\x00"+ch.Statement); err != nil {
		return nil, err
	}
	assertion, err := p.keys.UsePasskey(p.server, string(ch.Options.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("use passkey: %w", err)
	}
	return json.RawMessage(assertion), nil
}

// Lock has everything stopped for the user of one of this phone's devices: what
// waits is denied, and nobody can ask her until an administrator unlocks her. Ask
// her before whether she means it.
func (p *Phone) Lock(device string) error {
	path := "/v1/devices/" + url.PathEscape(device) + "/lock"
	assertion, err := p.sign(path+"/challenge", func(s statementWire) bool {
		return s.Action == "user.lock" && s.By.ID == device
	})
	if err != nil {
		return err
	}
	if err := p.post(path, map[string]json.RawMessage{"assertion": assertion}, nil); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}
