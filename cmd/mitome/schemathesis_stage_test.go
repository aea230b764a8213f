package main_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
	"github.com/mitome-ciba/mitome/server/adminapi"
	"github.com/mitome-ciba/mitome/server/seal"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
)

// apiStage is a Mitome with one of everything that a JSON API can be asked about,
// and a way to each API that has its credentials.
type apiStage struct {
	*gateway
	ops, key, admin, phone, token, desk string

	user, device, other, request string // what there is
}

func newAPIStage(t *testing.T) *apiStage {
	t.Helper()
	s := &apiStage{}
	var hash string
	s.key, hash = opCredentials(t, t.TempDir())
	s.gateway, s.ops = newStandalone(t, "kind: webhook", `keys: [{name: test, sha256: "`+hash+`"}]`)
	p := s.pair(t, "s-1", "aiko")
	s.another(t, "aiko")
	var users []adminapi.User
	s.json(t, &users, "user", "list")
	s.user = users[0].ID
	s.proves(t, p)
	s.opensDesk(t)
	s.admin = through(t, "http://admin", filepath.Join(s.dir, "admin.sock"), nil)
	s.asks(t)
	return s
}

// through is a proxy to a server, at a Unix socket if one is named.
func through(t *testing.T, to, socket string, edit func(*http.Request)) string {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	if socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	srv := httptest.NewServer(&httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, target.Host
		if edit != nil {
			edit(r.Out)
		}
	}})
	t.Cleanup(func() { srv.Close(); transport.CloseIdleConnections() })
	return srv.URL
}

// proves reads what p keeps, and puts a proof of its key beside each token: what
// sends the calls can write no proofs.
func (s *apiStage) proves(t *testing.T, p *phone) {
	t.Helper()
	keys, err := softkey.Open(filepath.Join(p.dir, "device.json"))
	if err != nil {
		t.Fatal(err)
	}
	var kept struct {
		Token   string `json:"access_token"`
		Devices []struct{ ID string }
	}
	raw, err := keys.Load(s.devices)
	if err != nil || json.Unmarshal(raw, &kept) != nil || kept.Token == "" || len(kept.Devices) == 0 {
		t.Fatalf("the phone keeps nothing of use, %v", err)
	}
	s.token, s.device = kept.Token, kept.Devices[0].ID
	s.phone = through(t, s.devices, "", func(r *http.Request) {
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if proof, err := dpop(keys, s.devices, r, token); err == nil && len(r.Header.Values("DPoP")) == 0 {
			r.Header.Set("DPoP", proof)
		}
	})
}

// dpop is a proof (RFC 9449) for one call.
func dpop(keys *softkey.Store, server string, r *http.Request, token string) (string, error) {
	point, err := keys.ProofKey(server)
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding.EncodeToString
	ath := sha256.Sum256([]byte(token))
	claims := map[string]any{"jti": rand.Text(), "htm": r.Method, "htu": server + r.URL.EscapedPath(), "iat": time.Now().Unix()}
	if token != "" {
		claims["ath"] = enc(ath[:])
	}
	header, err := json.Marshal(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": map[string]string{"kty": "EC", "crv": "P-256", "x": enc(point[1:33]), "y": enc(point[33:])}})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := enc(header) + "." + enc(payload)
	der, err := keys.SignProof(server, []byte(input))
	if err != nil {
		return "", err
	}
	var of struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &of); err != nil {
		return "", err
	}
	sig := make([]byte, 64)
	of.R.FillBytes(sig[:32])
	of.S.FillBytes(sig[32:])
	return input + "." + enc(sig), nil
}

// opensDesk signs the user in, past an OP: what is held against its description is
// what comes after.
func (s *apiStage) opensDesk(t *testing.T) {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(s.dir, "mitome.db"), store.Options{Ring: seal.New()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	keeper := &session.Keeper{Store: db, Desks: db, PublicURL: s.devices, Now: time.Now}
	c, _, err := keeper.OpenDesk(t.Context(), session.Desk{User: device.UserID(s.user), OP: "corp", AuthTime: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	s.desk = c.Name + "=" + c.Value
}

// asks makes a request that waits, and finds the other device.
func (s *apiStage) asks(t *testing.T) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.ops+"/op/corp/v1/requests",
		strings.NewReader(`{"sub":"s-1","client_id":"shop","scope":"openid","binding_message":"Order 4711","expires_in":3600}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + s.key}, "Content-Type": {"application/json"}, "Idempotency-Key": {rand.Text()}}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var made struct{ ID string }
	if err := json.NewDecoder(resp.Body).Decode(&made); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("asked: %d, %v", resp.StatusCode, err)
	}
	s.request = made.ID
	var devices []adminapi.Device
	s.json(t, &devices, "user", "device", "list", "aiko")
	for _, d := range devices {
		if d.ID != s.device {
			s.other = d.ID
		}
	}
}
