package phone_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
	"github.com/mitome-ciba/mitome/push"
	"github.com/mitome-ciba/mitome/push/ece"
)

// keyOf is what the server would know of k.
func keyOf(t *testing.T, k *phone.PushKey) push.DeviceKey {
	t.Helper()
	point := must(base64.RawURLEncoding.DecodeString(k.P256DH()))(t)
	return push.DeviceKey{P256DH: point, Auth: must(base64.RawURLEncoding.DecodeString(k.Auth()))(t)}
}

func sealTo(t *testing.T, k *phone.PushKey, text string) string {
	t.Helper()
	return base64.RawURLEncoding.EncodeToString(must(ece.Seal(keyOf(t, k), []byte(text), ece.Size))(t))
}

// TestOpenNotice: what the server seals is read with the key that was kept, and
// nothing of it is printed by accident.
func TestOpenNotice(t *testing.T) {
	made := must(phone.NewPushKey())(t)
	k := must(phone.LoadPushKey(made.Keep()))(t)
	n := must(k.Open(sealTo(t, made, `{"v":1,"kind":"show","key":"R1","url":"/requests/R1","title":"T","body":"B","short":"S",`+
		`"expires_at":"2026-03-01T03:02:00Z","code":true,"deny":"D","open":"O","capability":"the-right-to-deny","more":"later"}`)))(t)
	want := phone.Notice{
		Kind: "show", Key: "R1", URL: "/requests/R1", Title: "T", Body: "B", Short: "S", ExpiresAt: "2026-03-01T03:02:00Z",
		Code: true, Deny: "D", Open: "O", Capability: "the-right-to-deny",
	}
	if *n != want {
		t.Errorf("got another notice: %v", n)
	}
	if text := fmt.Sprintf("%v %+v %#v %v %#v", n, n, n, k, k); strings.Contains(text, "the-right") || strings.Contains(text, "ecdh") {
		t.Errorf("it prints as %s", text)
	}
}

func TestOpenWhatIsNoNotice(t *testing.T) {
	k, other := must(phone.NewPushKey())(t), must(phone.NewPushKey())(t)
	good := sealTo(t, k, `{"v":1,"kind":"test"}`)
	raw := must(base64.RawURLEncoding.DecodeString(good))(t)
	changed := func(at int) string {
		b := append([]byte{}, raw...)
		b[at] ^= 1
		return base64.RawURLEncoding.EncodeToString(b)
	}
	for name, m := range map[string]string{
		"nothing": "", "not base64": "****", "another's": sealTo(t, other, `{"v":1}`), "cut short": good[:200],
		"the salt": changed(0), "the length of the id": changed(20), "the sender": changed(40), "the text": changed(100), "the tag": changed(len(raw) - 1),
		"no JSON": sealTo(t, k, "hello"), "another version": sealTo(t, k, `{"v":2}`), "empty": sealTo(t, k, ""),
	} {
		if n, err := k.Open(m); n != nil || !errors.Is(err, phone.ErrNotice) {
			t.Errorf("%s: got %v, %v", name, n, err)
		}
	}
	for _, kept := range [][]byte{nil, make([]byte, 47), make([]byte, 48)} {
		if k, err := phone.LoadPushKey(kept); k != nil || err == nil {
			t.Errorf("%d bytes are a key", len(kept))
		}
	}
}

// TestDenyByCapability: an extension that knows the server and what a push
// brought says no, though it has neither session nor key.
func TestDenyByCapability(t *testing.T) {
	m := newMitome(t)
	app := must(phone.Open(must(softkey.Open(filepath.Join(t.TempDir(), "app")))(t), m.url))(t)
	extension := must(phone.Open(must(softkey.Open(filepath.Join(t.TempDir(), "extension")))(t), m.url))(t)
	t.Cleanup(app.Close)
	t.Cleanup(extension.Close)
	app.Hurry()
	u := m.pair(app, "corp")
	id := m.ask(u, "")
	devices := must(m.devices.DevicesOf(t.Context(), u.ID))(t)
	c := string(must(m.approvals.Capability(approval.RequestID(id), devices[0].ID))(t))
	if _, err := extension.DenyByCapability(m.ask(u, ""), c); phone.ProblemOf(err) == nil || phone.ProblemOf(err).Status != 404 || strings.Contains(err.Error(), c) {
		t.Errorf("for another request: %v", err)
	}
	if _, err := extension.Deny(id, false); !errors.Is(err, phone.ErrNotPaired) {
		t.Errorf("the extension has a session: %v", err)
	}
	if err := extension.Reach("fcm", "token", nil); !errors.Is(err, phone.ErrNotPaired) {
		t.Errorf("the extension has an address: %v", err)
	}
	if state, err := extension.DenyByCapability(id, c); err != nil || state != "denied" {
		t.Errorf("got %q, %v", state, err)
	}
	if r, err := app.Show(id); err != nil || r.Verdict != "deny" || r.DecidedOn != "my phone" {
		t.Errorf("the app sees %+v, %v", r, err)
	}
	if _, err := extension.DenyByCapability(id, c); phone.ProblemOf(err) == nil || phone.ProblemOf(err).Status != 409 {
		t.Errorf("twice: %v", err)
	}
}
