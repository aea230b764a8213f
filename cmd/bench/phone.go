package main

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gorilla/websocket"
)

// phone is one paired device. It does what package device/phone does, call for
// call, with its keys in memory: there each use of a key reads and writes a
// file, and that would be measured.
type phone struct {
	user   string // subject at the OP
	server string // base URL
	origin string
	rpID   string
	conn   conn
	op     conn // the OP's connection on behalf of this user

	token     string
	ath       string // of the token, for proofs
	proofKey  *ecdsa.PrivateKey
	proofHead string // the proof's header, encoded
	passkey   *ecdsa.PrivateKey
	passkeyID string
	handle    string
	count     uint32

	from   net.Addr // where the socket comes from; nil: the system chooses
	socket *websocket.Conn
	shows  chan show
	lost   error // why the socket is closed, once shows is
}

// show is a frame that says that a request waits.
type show struct {
	request string
	at      time.Time
}

// frame is what goes over the socket.
type frame struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Key  string `json:"key,omitempty"`
}

// keyFile is what we read of a file of package softkey.
type keyFile struct {
	Servers map[string]struct {
		ProofKey []byte `json:"proof_key"`
		State    []byte `json:"state"`
		Passkeys []struct {
			ID         []byte `json:"id"`
			RPID       string `json:"rp_id"`
			UserHandle []byte `json:"user_handle"`
			Key        []byte `json:"key"`
			SignCount  uint32 `json:"sign_count"`
		} `json:"passkeys"`
	} `json:"servers"`
}

// newPhone takes a device over that was paired with server, from its key file.
func newPhone(path, server, user string) (*phone, error) {
	raw, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	var f keyFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	a := f.Servers[server]
	if len(a.Passkeys) != 1 {
		return nil, fmt.Errorf("%d passkeys", len(a.Passkeys))
	}
	u, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	pk := a.Passkeys[0]
	p := &phone{
		user: user, server: server, origin: u.Scheme + "://" + u.Host, rpID: pk.RPID,
		passkeyID: encode(pk.ID), handle: encode(pk.UserHandle), count: pk.SignCount, shows: make(chan show, 4),
	}
	var state struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(a.State, &state); err != nil || state.Token == "" {
		return nil, errors.New("read keys: no token")
	}
	p.token = state.Token
	hash := sha256.Sum256([]byte(p.token))
	p.ath = encode(hash[:])
	if p.passkey, err = parseKey(pk.Key); err != nil {
		return nil, err
	}
	if p.proofKey, err = parseKey(a.ProofKey); err != nil {
		return nil, err
	}
	point, err := p.proofKey.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	p.proofHead = encode(fmt.Appendf(nil, `{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"%s","y":"%s"}}`,
		encode(point[1:33]), encode(point[33:])))
	return p, nil
}

func parseKey(der []byte) (*ecdsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	k, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("read keys: not ECDSA")
	}
	return k, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// proof is a DPoP proof for one call (RFC 9449 §4.2).
func (p *phone) proof(method, path string) (string, error) {
	claims := fmt.Appendf(nil, `{"jti":"%s","htm":"%s","htu":"%s%s","iat":%d,"ath":"%s"}`,
		rand.Text(), method, p.server, path, time.Now().Unix(), p.ath)
	input := p.proofHead + "." + encode(claims)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, p.proofKey, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign proof: %w", err)
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return input + "." + encode(sig[:]), nil
}

// call is one call of the device API.
func (p *phone) call(method, path string, in []byte, out any) error {
	proof, err := p.proof(method, path)
	if err != nil {
		return err
	}
	body, err := p.conn.call(method, path, "Authorization: DPoP "+p.token+"\r\nDPoP: "+proof+"\r\nAccept-Language: en\r\n", in)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// connect opens the socket.
func (p *phone) connect() error {
	const path = "/v1/socket"
	proof, err := p.proof(http.MethodGet, path)
	if err != nil {
		return err
	}
	d := websocket.Dialer{
		Subprotocols: []string{"mitome.v1"}, ReadBufferSize: 1024, WriteBufferSize: 1024,
		NetDialContext: (&net.Dialer{LocalAddr: p.from}).DialContext,
	}
	p.socket, _, err = d.Dial("ws://"+p.conn.address+path, http.Header{"Authorization": {"DPoP " + p.token}, "Dpop": {proof}})
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	return nil
}

// Run hears the socket until it is closed: it acknowledges each frame, and hands
// on those that say that a request waits.
func (p *phone) Run() {
	defer close(p.shows)
	for {
		var f frame
		if p.lost = p.socket.ReadJSON(&f); p.lost != nil {
			return
		}
		at := time.Now()
		if f.ID == "" { // nothing that is acknowledged
			continue
		}
		if p.lost = p.socket.WriteJSON(frame{Type: "ack", ID: f.ID}); p.lost != nil {
			return
		}
		if f.Type == "show" {
			p.shows <- show{f.Key, at}
		}
	}
}

// close ends all that the phone has open.
func (p *phone) close() error {
	err := errors.Join(p.conn.close(), p.op.close())
	if p.socket != nil {
		err = errors.Join(err, p.socket.Close())
	}
	return err
}

// approve reads the request, has the passkey sign what was shown, and says yes.
func (p *phone) approve(request string) error {
	path := "/v1/requests/" + request
	var shown struct{ State, View string }
	if err := p.call(http.MethodGet, path, nil, &shown); err != nil {
		return err
	}
	var ch struct {
		View    string
		Options struct {
			PublicKey struct {
				Challenge        string
				AllowCredentials []struct{ ID string }
			}
		}
	}
	if err := p.call(http.MethodPost, path+"/challenge", nil, &ch); err != nil {
		return err
	}
	public := ch.Options.PublicKey
	hash := sha256.Sum256([]byte("mitome/tx/v1\x00" + shown.View))
	challenge, err := base64.RawURLEncoding.DecodeString(public.Challenge)
	switch {
	case err != nil, len(challenge) != 64, !slices.Equal(challenge[32:], hash[:]), ch.View != shown.View:
		return errors.New("challenge is not over what was shown")
	case len(public.AllowCredentials) != 1, public.AllowCredentials[0].ID != p.passkeyID:
		return errors.New("another passkey was asked for")
	}
	assertion, err := p.assert(public.Challenge)
	if err != nil {
		return err
	}
	var said struct{ State string }
	err = p.call(http.MethodPost, path+"/decision", fmt.Appendf(nil, `{"verdict":"approve","assertion":%s}`, assertion), &said)
	if err == nil && said.State != approved {
		err = fmt.Errorf("request is %s", said.State)
	}
	return err
}

// assert is the passkey's answer to a challenge (WebAuthn §5.1.9).
func (p *phone) assert(challenge string) ([]byte, error) {
	p.count++
	client := fmt.Appendf(nil, `{"type":"webauthn.get","challenge":"%s","origin":"%s","crossOrigin":false}`, challenge, p.origin)
	rp, hash := sha256.Sum256([]byte(p.rpID)), sha256.Sum256(client)
	const present, verified = 1 << 0, 1 << 2
	data := binary.BigEndian.AppendUint32(append(rp[:], present|verified), p.count)
	sum := sha256.Sum256(slices.Concat(data, hash[:]))
	sig, err := ecdsa.SignASN1(rand.Reader, p.passkey, sum[:])
	if err != nil {
		return nil, fmt.Errorf("sign assertion: %w", err)
	}
	return fmt.Appendf(nil, `{"id":"%[1]s","rawId":"%[1]s","type":"public-key","authenticatorAttachment":"platform","clientExtensionResults":{},`+
		`"response":{"clientDataJSON":"%[2]s","authenticatorData":"%[3]s","signature":"%[4]s","userHandle":"%[5]s"}}`,
		p.passkeyID, encode(client), encode(data), encode(sig), p.handle), nil
}
