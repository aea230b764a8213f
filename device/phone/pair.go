package phone

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The states of a pairing that matter to a phone.
const (
	pairingClaimed   = "claimed"
	pairingConfirmed = "confirmed"
)

// maxMisses is how many looks at a pairing may fail in a row.
const maxMisses = 10

// ServerOf returns the server that a pairing link belongs to, for [Open]. A link
// is https://host/pair#secret; the secret stands in the fragment, so that no
// server log ever holds it.
func ServerOf(link string) (string, error) {
	server, _, err := parseLink(link)
	return server, err
}

// parseLink takes a link apart. Its errors never repeat the link.
func parseLink(link string) (server, secret string, err error) {
	u, err := url.Parse(strings.TrimSpace(link))
	if err != nil || u.Fragment == "" || !strings.HasSuffix(u.Path, "/pair") {
		return "", "", ErrLink
	}
	secret, u.Fragment, u.RawFragment = u.Fragment, "", ""
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/pair"), ""
	if server, err = normalizeServer(u.String()); err != nil {
		return "", "", err
	}
	return server, secret, nil
}

// Pairing is one pairing of this phone, from the claim on.
type Pairing struct {
	ID        string
	MatchCode string // six digits, to be shown next to those on the other screen
	ExpiresAt string // RFC 3339

	phone *Phone
}

// Claim trades the secret of a pairing link for a place in the pairing. Next the
// match code is shown; whoever offered the pairing compares and confirms it.
// deviceName is what the user will know this phone by.
func (p *Phone) Claim(link, deviceName string) (*Pairing, error) {
	server, code, err := parseLink(link)
	if err != nil {
		return nil, err
	}
	if server != p.server {
		return nil, ErrLink
	}
	var out struct {
		ID          string `json:"id"`
		MatchCode   string `json:"match_code"`
		AccessToken secret `json:"access_token"`
		ExpiresAt   string `json:"expires_at"`
	}
	in := map[string]string{"secret": code, "device_name": deviceName}
	token := p.token()
	err = p.callAs(token, http.MethodPost, "/v1/pairings/claim", in, &out)
	// A session of an earlier pairing goes along, so that it keeps its devices.
	// One that is over must not stand in the way of a new beginning.
	if problem := ProblemOf(err); token != "" && problem != nil && problem.Status == http.StatusUnauthorized {
		err = p.callAs("", http.MethodPost, "/v1/pairings/claim", in, &out)
	}
	if err != nil {
		return nil, fmt.Errorf("claim pairing: %w", err)
	}
	if out.AccessToken != "" {
		if err := p.update(func(s *state) { s.Token = out.AccessToken }); err != nil {
			return nil, err
		}
	}
	return &Pairing{ID: out.ID, MatchCode: out.MatchCode, ExpiresAt: out.ExpiresAt, phone: p}, nil
}

func (g *Pairing) path(rest string) string { return "/v1/pairings/" + url.PathEscape(g.ID) + rest }

// State returns where the pairing stands: "claimed", "confirmed", "completed",
// "cancelled" or "expired".
func (g *Pairing) State() (string, error) {
	var out struct {
		State string `json:"state"`
	}
	if err := g.phone.get(g.path(""), &out); err != nil {
		return "", fmt.Errorf("look at pairing: %w", err)
	}
	return out.State, nil
}

// Wait returns when the other screen has confirmed the match code. It returns
// [ErrPairingOver] if it was refused there, or took too long.
func (g *Pairing) Wait() error {
	for misses := 0; ; {
		state, err := g.State()
		switch {
		case err == nil && state == pairingConfirmed:
			return nil
		case err == nil && state == pairingClaimed:
			misses = 0
		case err == nil:
			return ErrPairingOver
		case g.phone.ctx.Err() != nil || !retryable(err) || misses == maxMisses:
			return err
		default:
			misses++
		}
		if !g.phone.pause(g.phone.poll) {
			return g.phone.ctx.Err()
		}
	}
}

// Finish makes the passkey and ends the pairing. It is possible once the match
// code is confirmed; after a failure it may be tried again.
func (g *Pairing) Finish() (*Device, error) {
	var begin struct {
		Options publicKeyOptions `json:"options"`
	}
	if err := g.phone.post(g.path("/passkey/options"), nil, &begin); err != nil {
		return nil, fmt.Errorf("begin passkey: %w", err)
	}
	credential, err := g.phone.keys.CreatePasskey(g.phone.server, string(begin.Options.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("make passkey: %w", err)
	}
	var out struct {
		Device deviceWire `json:"device"`
	}
	in := map[string]json.RawMessage{"credential": json.RawMessage(credential)}
	if err := g.phone.post(g.path("/passkey"), in, &out); err != nil {
		return nil, fmt.Errorf("finish pairing: %w", err)
	}
	if out.Device.ID == "" {
		return nil, errors.New("phone: server made no device")
	}
	err = g.phone.update(func(s *state) { s.Devices = append(s.Devices[:len(s.Devices):len(s.Devices)], out.Device) })
	if err != nil {
		return nil, err
	}
	return out.Device.device(), nil
}

// publicKeyOptions is WebAuthn options as the browser's API takes them. Key
// stores get the inner object.
type publicKeyOptions struct {
	PublicKey json.RawMessage `json:"publicKey"`
}

// Device is this phone as one user's device.
type Device struct {
	ID        string
	Name      string
	OP        string
	UserName  string
	State     string // [Active], or [Cooling]: it gets no requests until then
	CreatedAt string // RFC 3339; empty where the server did not say
	ActiveAt  string // RFC 3339; when a cooling one becomes active, empty for others
	UsedAt    string // RFC 3339, to the minute; when it last decided or signed in, empty for never
}

// The states of a device.
const (
	Active  = "active"
	Cooling = "cooling" // another device of the user may confirm or cancel it
)

type deviceWire struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	OP        string `json:"op"`
	UserName  string `json:"user_name"`
	State     string `json:"state,omitempty"`
	CreatedAt string `json:"created_at,omitempty"`
	ActiveAt  string `json:"active_at,omitempty"`
	UsedAt    string `json:"used_at,omitempty"`
	This      bool   `json:"this,omitempty"`
}

func (d deviceWire) device() *Device {
	return &Device{
		ID: d.ID, Name: d.Name, OP: d.OP, UserName: d.UserName,
		State: d.State, CreatedAt: d.CreatedAt, ActiveAt: d.ActiveAt, UsedAt: d.UsedAt,
	}
}

// DeviceList is a list of devices.
type DeviceList struct{ all []*Device }

// Len returns how many there are.
func (l *DeviceList) Len() int { return len(l.all) }

// Get returns the ith, from 0.
func (l *DeviceList) Get(i int) *Device { return l.all[i] }

// Devices asks the server for the devices that this phone stands for: one a user
// that it is paired with.
func (p *Phone) Devices() (*DeviceList, error) {
	var out struct {
		Devices []deviceWire `json:"devices"`
	}
	if err := p.get("/v1/devices", &out); err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	// The server lists the users' other devices too.
	out.Devices = slices.DeleteFunc(out.Devices, func(d deviceWire) bool { return !d.This })
	if err := p.update(func(s *state) { s.Devices = out.Devices }); err != nil {
		return nil, err
	}
	return listDevices(out.Devices), nil
}

// KnownDevices is what the server said when it was last asked; it asks nobody.
func (p *Phone) KnownDevices() *DeviceList {
	p.mu.Lock()
	defer p.mu.Unlock()
	return listDevices(p.state.Devices)
}

func listDevices(wire []deviceWire) *DeviceList {
	l := &DeviceList{}
	for _, d := range wire {
		l.all = append(l.all, d.device())
	}
	return l
}
