package phone

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// ErrNotice means that a push is not for this key, or says nothing that this
// version understands. An app then shows its generic text, and asks with
// [Phone.List].
var ErrNotice = errors.New("phone: push cannot be read")

// PushKey is what messages to this phone are sealed to (RFC 8291 §2). Where the
// app has an extension that decrypts, the key stands where both find it: the
// keychain group on iOS.
type PushKey struct {
	private *ecdh.PrivateKey
	auth    []byte
}

const (
	privateSize = 32
	publicSize  = 65
	authSize    = 16
	saltSize    = 16
	headSize    = saltSize + 4 + 1 + publicSize // salt, record size, length of the key id, key id
	tagSize     = 16
)

// NewPushKey makes a key.
func NewPushKey() (*PushKey, error) {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make push key: %w", err)
	}
	auth := make([]byte, authSize)
	rand.Read(auth) // never fails, says crypto/rand
	return &PushKey{k, auth}, nil
}

// LoadPushKey reads what [PushKey.Keep] gave.
func LoadPushKey(kept []byte) (*PushKey, error) {
	if len(kept) != privateSize+authSize {
		return nil, errors.New("phone: not a push key")
	}
	k, err := ecdh.P256().NewPrivateKey(kept[:privateSize])
	if err != nil {
		return nil, errors.New("phone: not a push key")
	}
	return &PushKey{k, kept[privateSize:]}, nil
}

// Keep is the key to be kept, as safely as any.
func (k *PushKey) Keep() []byte { return append(k.private.Bytes(), k.auth...) }

// P256DH and Auth are what the server is told, in base64url.
func (k *PushKey) P256DH() string {
	return base64.RawURLEncoding.EncodeToString(k.private.PublicKey().Bytes())
}

// Auth is the secret that goes with [PushKey.P256DH].
func (k *PushKey) Auth() string { return base64.RawURLEncoding.EncodeToString(k.auth) }

// String implements fmt.Stringer.
func (*PushKey) String() string { return "[secret]" }

// GoString implements fmt.GoStringer.
func (*PushKey) GoString() string { return "[secret]" }

// Notice is what a push says. docs/native-apps.md says what to do with it.
type Notice struct {
	Kind       string // "show", "clear", "test" or "device"
	Key        string // notices of one key replace one another; of "show" and "clear" the request's id
	URL        string // the page that it leads to, below the server's URL
	Title      string
	Body       string // at most two lines; may be empty
	Short      string // instead of both, where there is one line; may be empty
	ExpiresAt  string // RFC 3339; empty if it has no end
	Code       bool   // a code must be typed to approve
	Deny, Open string // words of the actions; empty if there are none
	Capability string // for [Phone.DenyByCapability]; empty if there is none
}

// String implements fmt.Stringer: the capability stays out of logs.
func (n *Notice) String() string { return n.Kind + " of " + n.Key }

// GoString implements fmt.GoStringer.
func (n *Notice) GoString() string { return n.String() }

// noticeVersion is the form of a notice that is understood here.
const noticeVersion = 1

// Open reads the ciphertext of a push: "m", as it stood in the message.
func (k *PushKey) Open(m string) (*Notice, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(m)
	if err != nil {
		return nil, ErrNotice
	}
	text, err := k.decrypt(sealed)
	if err != nil {
		return nil, err
	}
	var in struct {
		Version    int    `json:"v"`
		Kind       string `json:"kind"`
		Key        string `json:"key"`
		URL        string `json:"url"`
		Title      string `json:"title"`
		Body       string `json:"body"`
		Short      string `json:"short"`
		ExpiresAt  string `json:"expires_at"`
		Code       bool   `json:"code"`
		Deny       string `json:"deny"`
		Open       string `json:"open"`
		Capability string `json:"capability"`
	}
	if json.Unmarshal(text, &in) != nil || in.Version != noticeVersion {
		return nil, ErrNotice
	}
	return &Notice{
		Kind: in.Kind, Key: in.Key, URL: in.URL, Title: in.Title, Body: in.Body, Short: in.Short, ExpiresAt: in.ExpiresAt,
		Code: in.Code, Deny: in.Deny, Open: in.Open, Capability: in.Capability,
	}, nil
}

// decrypt is RFC 8291 §3.4 over RFC 8188, of the one record that there is.
func (k *PushKey) decrypt(sealed []byte) ([]byte, error) {
	if len(sealed) < headSize+tagSize+1 || sealed[saltSize+4] != publicSize {
		return nil, ErrNotice
	}
	salt, sender, record := sealed[:saltSize], sealed[headSize-publicSize:headSize], sealed[headSize:]
	pub, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, ErrNotice
	}
	shared, err := k.private.ECDH(pub)
	if err != nil {
		return nil, ErrNotice
	}
	gcm, nonce, err := k.cipher(shared, salt, sender)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nonce, record, nil)
	if err != nil {
		return nil, ErrNotice
	}
	end := len(plain) - 1 // the padding is zeros after the 2 that ends the last record
	for end > 0 && plain[end] == 0 {
		end--
	}
	if plain[end] != 2 {
		return nil, ErrNotice
	}
	return plain[:end], nil
}

func (k *PushKey) cipher(shared, salt, sender []byte) (cipher.AEAD, []byte, error) {
	var faults error
	expand := func(secret, salt []byte, info string, n int) []byte {
		b, err := hkdf.Key(sha256.New, secret, salt, info, n)
		faults = errors.Join(faults, err)
		return b
	}
	ikm := expand(shared, k.auth, "WebPush: info\x00"+string(k.private.PublicKey().Bytes())+string(sender), sha256.Size)
	key := expand(ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce := expand(ikm, salt, "Content-Encoding: nonce\x00", 12)
	if faults != nil {
		return nil, nil, fmt.Errorf("derive key: %w", faults)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, fmt.Errorf("derive key: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	return gcm, nonce, err
}

// Reach tells the server how to wake this phone: channel is "fcm" or "apns",
// target the vendor's token, of APNs with its environment before it, as in
// "production:00ab". To a phone without a key, which may be nil, pushes say
// nothing. It is called at each start: tokens change behind an app's back.
func (p *Phone) Reach(channel, target string, key *PushKey) error {
	p.mu.Lock()
	devices, locale := p.state.Devices, p.locale
	p.mu.Unlock()
	if len(devices) == 0 {
		return ErrNotPaired
	}
	in := map[string]string{"channel": channel, "target": target, "locale": locale}
	if key != nil {
		in["p256dh"], in["auth"] = key.P256DH(), key.Auth()
	}
	for _, d := range devices {
		var out struct{}
		if err := p.post("/v1/devices/"+url.PathEscape(d.ID)+"/addresses", in, &out); err != nil {
			return fmt.Errorf("register address: %w", err)
		}
	}
	return nil
}

// DenyByCapability refuses a request by what a push brought for it. It needs no
// session and no key of the phone's, so an extension that has decrypted a notice
// can make the call. It returns the request's new state.
func (p *Phone) DenyByCapability(id, capability string) (string, error) {
	var out struct {
		State string `json:"state"`
	}
	in := map[string]string{"capability": capability}
	if err := p.callWith(http.Header{}, "POST", requestPath(id, "/deny"), in, &out); err != nil {
		return "", fmt.Errorf("deny: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.shown, id)
	return out.State, nil
}
