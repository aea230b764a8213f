// Package phone is the device's side of Mitome as a library: pair, list, show,
// approve, deny, listen. Native apps and `mitome device` are built on it. It
// speaks the device API over HTTPS and a WebSocket, and imports nothing of
// Mitome's own.
//
// # Why
//
// The exported signatures are such that gomobile can bind them: text, numbers,
// bytes, pointers to structs, interfaces; lists are types with Len and Get;
// times are RFC 3339 text. There is no context for the same reason: [Phone.Close]
// ends every call under way.
//
// The phone does not trust the server to say what is signed. It remembers the
// bytes of the view that it handed to the screen, and signs only a challenge
// whose second half is the hash of exactly those bytes.
package phone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// KeyStore keeps what must not leave the phone. Every method is told the server
// that it is for, as [Open] normalized it, because two servers must not learn
// from equal keys that they know the same phone. It is used from several
// goroutines at once.
type KeyStore interface {
	// ProofKey returns the public half of the P-256 key that proves that calls
	// come from this phone, as an uncompressed point (65 bytes). It is made when
	// first asked for.
	ProofKey(server string) ([]byte, error)
	// SignProof signs the SHA-256 of data with that key: ECDSA, ASN.1 DER.
	SignProof(server string, data []byte) ([]byte, error)
	// CreatePasskey and UsePasskey are WebAuthn's two ceremonies: options and
	// answer are the JSON forms of WebAuthn Level 3 §5.1.8 and §5.1.9. The origin
	// that they sign is the server's, or the platform's word for the app.
	CreatePasskey(server, options string) (string, error)
	UsePasskey(server, options string) (string, error)
	// Load returns what Save kept for server; nothing if it never did.
	Load(server string) ([]byte, error)
	// Save keeps data, which holds a token, as safely as the keys.
	Save(server string, data []byte) error
}

// The refusals of this side. The server's own are of type [Problem].
var (
	ErrServer      = errors.New("phone: server must be https, or http on this machine")
	ErrLink        = errors.New("phone: not a pairing link of this server")
	ErrNotPaired   = errors.New("phone: not paired with this server")
	ErrPairingOver = errors.New("phone: pairing is over")
	ErrNotShown    = errors.New("phone: request was not shown")
	ErrViewChanged = errors.New("phone: request is not as it was shown, show it again")
	ErrChallenge   = errors.New("phone: challenge is not over what was shown")
	ErrRevoked     = errors.New("phone: device was revoked")
	ErrDeniedOnly  = errors.New("phone: the request is denied, and no more: the passkey did not say that the user did not start it")
)

// Phone is one phone's standing with one server. It is safe for concurrent use.
type Phone struct {
	keys   KeyStore
	server string // scheme, host and path, without a slash at the end
	client *http.Client
	ctx    context.Context // ended by Close; see the package's Why
	cancel context.CancelFunc
	poll   time.Duration           // between looks at a pairing
	wait   func(int) time.Duration // before the nth reconnect in a row
	steady time.Duration           // a connection that lived so long begins the row anew

	mu     sync.Mutex
	locale string
	shown  map[string]string // request id → the view last handed out
	state  state
	ticket secret // for the next connect

	watcher DeviceWatcher // may be nil
}

// state is what a Phone keeps in its KeyStore.
type state struct {
	Token   secret       `json:"access_token"`
	Devices []deviceWire `json:"devices"`
}

// secret is a token. It prints as [secret].
type secret string

func (secret) String() string   { return "[secret]" }
func (secret) GoString() string { return "[secret]" }

// Open readies a phone to talk to server, whether it is paired with it or not.
func Open(keys KeyStore, server string) (*Phone, error) {
	base, err := normalizeServer(server)
	if err != nil {
		return nil, err
	}
	p := &Phone{
		keys: keys, server: base, client: newClient(), locale: "en", shown: map[string]string{},
		poll: time.Second, steady: steady, wait: func(n int) time.Duration { return backoff(n, rand.Float64()) },
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	kept, err := keys.Load(base)
	if err != nil {
		return nil, fmt.Errorf("load state: %w", err)
	}
	if len(kept) > 0 {
		if err := json.Unmarshal(kept, &p.state); err != nil {
			return nil, fmt.Errorf("decode state: %w", err)
		}
	}
	return p, nil
}

// Close ends every call under way, [Phone.Listen] among them. A closed Phone is
// of no more use.
func (p *Phone) Close() {
	p.cancel()
	p.client.CloseIdleConnections()
}

// Server returns the server's URL.
func (p *Phone) Server() string { return p.server }

// Paired reports whether there is a session with the server. Whether it still
// holds only the server can say.
func (p *Phone) Paired() bool { return p.token() != "" }

// SetLocale says in which language requests are to be shown (BCP 47). What was
// shown before must be shown again before it can be approved.
func (p *Phone) SetLocale(tag string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.locale = tag
}

func (p *Phone) token() secret {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.Token
}

// update changes what is kept, and keeps it.
func (p *Phone) update(change func(*state)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.state
	change(&next)
	data, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	if err := p.keys.Save(p.server, data); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	p.state = next
	return nil
}

// pause waits for d and reports whether it was left to.
func (p *Phone) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.ctx.Done():
		return false
	}
}

// normalizeServer returns server in the one form that keys are kept under.
func normalizeServer(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", ErrServer
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLocal(u.Hostname())) {
		return "", ErrServer
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host + strings.TrimRight(u.EscapedPath(), "/"), nil
}
