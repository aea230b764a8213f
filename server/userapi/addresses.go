package userapi

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/server/web"
)

// Addresses is what this API needs of device.Service so that a device can say
// where it is reached. Each method returns device.ErrDeviceNotFound for what is
// another user's.
type Addresses interface {
	Register(ctx context.Context, c device.Caller, id device.DeviceID, a push.Address) (push.AddressID, error)
	Unregister(ctx context.Context, c device.Caller, id device.DeviceID, address push.AddressID) error
	Test(ctx context.Context, c device.Caller, id device.DeviceID) (int, error)
}

// Channels is by what channels devices can be reached here, beside the socket.
type Channels struct {
	WebPushKey string   // the public key for whoever subscribes (RFC 8292 §4.1), in base64url; empty: no Web Push
	Names      []string // of all that there are, in the order of the alphabet
}

func (h *Handler) mountAddresses(api huma.API) {
	const one = "/v1/devices/{id}"
	web.Register(api, read("/v1/push", "get-push", "By what channels a device can be reached"), h.channels)
	web.Register(api, created(one+"/addresses", "add-address", "Say where this device can be reached"), h.addAddress)
	web.Register(api, nothing(operation(http.MethodDelete, one+"/addresses/{aid}", "drop-address",
		"Forget an address of this device")), h.dropAddress)
	test := act(one+"/test", "test-device", "Send a test message to each address of this device")
	test.DefaultStatus = http.StatusAccepted
	web.Register(api, test, h.testDevice)
}

type channelsOut struct {
	Body struct {
		Channels []string    `json:"channels" doc:"The channels by which a device may say that it is reached"`
		WebPush  *webPushOut `json:"webpush,omitempty" doc:"Left out where there is no Web Push"`
	}
}

type webPushOut struct {
	PublicKey string `json:"public_key" doc:"The applicationServerKey to subscribe with, in base64url"`
}

func (h *Handler) channels(context.Context, *struct{}) (*channelsOut, error) {
	var out channelsOut
	if key := h.Channels.WebPushKey; key != "" {
		out.Body.WebPush = &webPushOut{key}
	}
	out.Body.Channels = append([]string{}, h.Channels.Names...) // [] and not null
	return &out, nil
}

type addAddressIn struct {
	ByID
	InLocale
	Body struct {
		Channel string `json:"channel" minLength:"1" maxLength:"32" doc:"One of the channels of GET /v1/push"`
		Target  string `json:"target" minLength:"1" maxLength:"2048" doc:"The endpoint of a Web Push subscription, or the vendor's token; of APNs with its environment before it, as in production:<hex> or sandbox:<hex>"`
		P256DH  string `json:"p256dh,omitempty" maxLength:"128" doc:"The device's public key (RFC 8291), in base64url; without it messages say nothing"`
		Auth    string `json:"auth,omitempty" maxLength:"64" doc:"The secret that goes with it, in base64url"`
		Locale  string `json:"locale,omitempty" maxLength:"64" doc:"The language of messages, as a BCP 47 tag; Accept-Language if it is left out"`
	}
}

// address is what came, in the words of package push.
func (in *addAddressIn) address() (push.Address, error) {
	b := &in.Body
	a := push.Address{Channel: push.Channel(b.Channel), Target: push.Target(b.Target), Locale: b.Locale}
	if a.Locale == "" {
		a.Locale = in.AcceptLanguage
	}
	var err error
	if a.Key.P256DH, err = bytesOf(b.P256DH); err != nil {
		return push.Address{}, err
	}
	a.Key.Auth, err = bytesOf(b.Auth)
	return a, err
}

// bytesOf reads base64url, padded or not: libraries differ.
func bytesOf(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return nil, fmt.Errorf("%w: key is not base64url", device.ErrAddress)
	}
	return b, nil
}

type addressOut struct {
	Body struct {
		ID      string `json:"id"`
		Channel string `json:"channel"`
	}
}

// addAddress is called at each start of an app, because subscriptions change
// behind its back. What it says is never said back: whoever has the target can
// send to the device.
func (h *Handler) addAddress(ctx context.Context, in *addAddressIn) (*addressOut, error) {
	a, err := in.address()
	if err != nil {
		return nil, err
	}
	id, err := h.Addresses.Register(ctx, caller(ctx), device.DeviceID(in.ID), a)
	if err != nil {
		return nil, err
	}
	var out addressOut
	out.Body.ID, out.Body.Channel = string(id), string(a.Channel)
	return &out, nil
}

type dropAddressIn struct {
	ByID
	Address string `path:"aid" maxLength:"64"`
}

func (h *Handler) dropAddress(ctx context.Context, in *dropAddressIn) (*struct{}, error) {
	return nil, h.Addresses.Unregister(ctx, caller(ctx), device.DeviceID(in.ID), push.AddressID(in.Address))
}

type testOut struct {
	Body struct {
		Addresses int `json:"addresses" doc:"To how many addresses it goes, the socket among them"`
	}
}

// testDevice is limited, because each call costs a push service several.
func (h *Handler) testDevice(ctx context.Context, in *ByID) (*testOut, error) {
	if err := h.tests.Take(web.IP(ctx), h.Sessions.Now()); err != nil {
		return nil, err
	}
	n, err := h.Addresses.Test(ctx, caller(ctx), device.DeviceID(in.ID))
	if err != nil {
		return nil, err
	}
	var out testOut
	out.Body.Addresses = n
	return &out, nil
}
