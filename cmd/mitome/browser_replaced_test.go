package main_test

import (
	"encoding/base64"
	"encoding/json"

	"github.com/mitome-ciba/mitome/cmd/mitome/browsertest"
	"github.com/mitome-ciba/mitome/push/webpush/webpushtest"
)

// replaceKey: the operator has replaced the key of Web Push. A browser keeps its
// subscription and refuses another one beside it, so at its next start the page
// ends the old one, and its new address is told and tried.
func replaceKey(p *people) {
	phone, _, _ := p.subscribed("Pixel")
	service := webpushtest.New(p.t)
	fresh := service.Subscribe("")
	key, text := fresh.Device.Key(), base64.RawURLEncoding.EncodeToString
	said, err := json.Marshal(map[string]any{"endpoint": fresh.Endpoint, "keys": map[string]string{"p256dh": text(key.P256DH), "auth": text(key.Auth)}})
	if err != nil {
		p.t.Fatal(err)
	}
	phone.Before(`(() => {
		let current = {
			options: { applicationServerKey: new Uint8Array(65).buffer }, toJSON: () => ({ endpoint: 'https://push.example/old', keys: {} }),
			unsubscribe: async () => { current = null; return true; },
		};
		PushManager.prototype.getSubscription = async () => current;
		PushManager.prototype.subscribe = async (options) => {
			const own = (b) => new Uint8Array(b).join();
			if (current && own(current.options.applicationServerKey) !== own(options.applicationServerKey)) {
				throw new DOMException('A subscription with a different applicationServerKey already exists', 'InvalidStateError');
			}
			current ??= { options, toJSON: () => (` + string(said) + `), unsubscribe: async () => true };
			return current;
		};
	})()`)
	before := phone.Calls("/addresses")
	phone.Open(p.URL + "/")
	phone.Said("on")
	if n := phone.Calls("/addresses") - before; n != 1 {
		p.t.Errorf("%d addresses were told, want the new one", n)
	}
	browsertest.Await(p.t, "the new address to be tried", func() bool { return len(service.Pushes()) == 1 })
}
