package approval

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/mitome-ciba/mitome/device"
)

// capabilitySize is how much of the MAC is given out: 128 bits.
const capabilitySize = 16

// Capability is the right to deny request r as device d, and to nothing else. It
// goes to the device inside ciphertext alone, so that Deny works from a
// notification where there is no session: in an app's extension, on a watch, in a
// browser that has signed out.
//
// # Why
//
// It is made of its request, its device and a key of ours, and is not kept. A
// random one would be kept as a hash, by one commit more for every push, and a
// retry could not say again what only its hash is left of. A stolen database
// holds no capability this way either. It serves once, because a denied request
// takes no second answer; and it is judged before anything is read, so that
// guesses cost us one MAC each.
func (s *Service) Capability(r RequestID, d device.DeviceID) (Secret, error) {
	key, mac, err := s.Codes.CodeMAC("", capabilityData(r, d))
	if err != nil {
		return "", fmt.Errorf("make capability: %w", err)
	}
	return Secret(string(d) + "." + key + "." + base64.RawURLEncoding.EncodeToString(mac[:capabilitySize])), nil
}

// capabilityData is apart from whatever else the key makes a MAC of: a code's
// begins with the id of a request, which has no slash.
func capabilityData(r RequestID, d device.DeviceID) []byte {
	return []byte("mitome/deny/v1\x00" + string(r) + "\x00" + string(d))
}

// holder is the device that c was made for; false if c is not of request r, or
// none at all.
func (s *Service) holder(r RequestID, c Secret) (device.DeviceID, bool) {
	parts := strings.Split(string(c), ".")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" { // an empty key id would mean the current key
		return "", false
	}
	d := device.DeviceID(parts[0])
	said, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return "", false
	}
	_, mac, err := s.Codes.CodeMAC(parts[1], capabilityData(r, d))
	if err != nil { // under a key that there is not, or not any more
		return "", false
	}
	return d, hmac.Equal(said, mac[:capabilitySize])
}

// DenyBy denies request id by a capability, as the device that it was made for.
// It returns ErrNotFound where the capability is not of this request, and where
// its device may decide nothing any more. Who gives no more than the address of
// the call.
func (s *Service) DenyBy(ctx context.Context, id RequestID, c Secret, who device.Actor) (Request, error) {
	holder, ok := s.holder(id, c)
	if !ok {
		return Request{}, ErrNotFound
	}
	r, err := s.Store.Request(ctx, id)
	if err != nil {
		return Request{}, err
	}
	w := Who{Actor: who}
	devices, err := s.People.DevicesOf(ctx, r.UserID)
	if err != nil {
		return Request{}, fmt.Errorf("find devices: %w", err)
	}
	for _, d := range devices {
		if d.ID == holder {
			w.Devices = append(w.Devices, d)
		}
	}
	d, ok := w.deviceOf(r)
	if !ok {
		return Request{}, ErrNotFound
	}
	if err := r.open(s.Now()); err != nil {
		return r, err
	}
	return s.deny(ctx, r, d, Answer{Request: id, Who: w, Verdict: Deny, capable: true})
}
