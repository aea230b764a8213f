package v1_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-jose/go-jose/v4"

	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/op/webhook"
	v1 "github.com/mitome-ciba/mitome/server/opapi/v1"
	"github.com/mitome-ciba/mitome/server/web"
)

const opIssuer = "https://op.example"

// signer is an OP that signs its calls.
type signer struct {
	t   *testing.T
	key *ecdsa.PrivateKey
}

func newSigner(t *testing.T) signer {
	return signer{t, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)}
}

// connection is one whose OP signs with s, or brings the shop's key.
func (s signer) connection(name string) *webhook.Adapter {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "jwks.json")
	b := must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key.Public(), KeyID: "k"}}}))(s.t)
	must(0, os.WriteFile(path, b, 0o600))(s.t)
	cfg := webhook.Config{
		LoginHint: "auto", Keys: keysOf(shopKey),
		Assertion: webhook.Assertion{Issuer: opIssuer, JWKSFile: path},
	}
	a, err := webhook.Open(func(v any) error { *v.(*webhook.Config) = cfg; return nil }, op.Deps{Name: name, Now: time.Now, PublicURL: origin})
	return must(a, err)(s.t).(*webhook.Adapter)
}

// keysOf admits the bearer of a key.
func keysOf(key string) []webhook.Key {
	hash := sha256.Sum256([]byte(key))
	return []webhook.Key{{Name: "k1", SHA256: hex.EncodeToString(hash[:])}}
}

// jwt is one for a connection; an empty jti is a new one.
func (s signer) jwt(name, jti string, life time.Duration) string {
	s.t.Helper()
	if jti == "" {
		jti = rand.Text()
	}
	claims := must(json.Marshal(m{"iss": opIssuer, "sub": opIssuer, "aud": origin + "/op/" + name, "jti": jti, "exp": time.Now().Add(life).Unix()}))(s.t)
	by := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: "k"}}, nil))(s.t)
	return must(must(by.Sign(claims))(s.t).CompactSerialize())(s.t)
}

// node is the API with other connections on the world's database; what it logs
// is in log.
type node struct {
	*gin.Engine
	handler *v1.Handler
	log     *bytes.Buffer
}

func (w *world) node(connections map[string]*webhook.Adapter, networks web.Networks, trusted ...string) node {
	w.t.Helper()
	n := node{must(web.NewEngine(slog.New(slog.DiscardHandler), trusted))(w.t), nil, new(bytes.Buffer)}
	n.handler = &v1.Handler{
		Connections: connections, Networks: networks, Assertions: w.db, Requests: w.requests, Hints: w.requests, About: w.about,
		Delivered: w.db.DeliveredTo, Acks: w.acks, Now: w.now, Version: "test", Log: slog.New(slog.NewTextHandler(n.log, nil)),
		Observe: func(op, result string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.observed = append(w.observed, op+" "+result)
		},
	}
	n.handler.Mount(n.Engine, &n.RouterGroup)
	return n
}

// cancel takes back a request that is not there; 404 is for the connection's OP alone.
func (n node) cancel(connection, bearer string) answer {
	r := httptest.NewRequest(http.MethodPost, "/op/"+connection+"/v1/requests/nothing/cancel", nil)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	rec := httptest.NewRecorder()
	n.ServeHTTP(rec, r)
	return answer{rec.Code, rec.Header(), rec.Body.Bytes()}
}

// TestAnAssertionIsGoodOnce: on all nodes and across restarts, and however many
// come at once.
func TestAnAssertionIsGoodOnce(t *testing.T) {
	each(t, func(w *world) {
		t, s := w.t, newSigner(w.t)
		both := map[string]*webhook.Adapter{"shop": s.connection("shop"), "bank": s.connection("bank")}
		nodes := []node{w.node(both, nil), w.node(both, nil)}
		jwt := s.jwt("shop", "jti", time.Minute)
		// Who cannot sign does not use it up.
		if got := nodes[0].cancel("shop", jwt[:len(jwt)-20]+strings.Repeat("A", 20)); got.status != 401 {
			t.Fatalf("forged: got %d", got.status)
		}
		statuses := make([]int, 8)
		var wg sync.WaitGroup
		for i := range statuses {
			wg.Go(func() { statuses[i] = nodes[i%2].cancel("shop", jwt).status })
		}
		wg.Wait()
		taken := 0
		for _, status := range statuses {
			switch status {
			case 404:
				taken++
			case 401:
			default:
				t.Errorf("got %d", status)
			}
		}
		if taken != 1 {
			t.Errorf("taken %d times, want once", taken)
		}
		restarted := w.node(both, nil)
		if got := restarted.cancel("shop", jwt); got.status != 401 || !strings.Contains(restarted.log.String(), "jti was used before") {
			t.Errorf("after a restart: got %d, log %s", got.status, restarted.log)
		}
		if got := restarted.cancel("shop", s.jwt("shop", "jti", 2*time.Minute)); got.status != 401 {
			t.Errorf("another JWT of that name: got %d", got.status)
		}
		if got := restarted.cancel("bank", s.jwt("bank", "jti", time.Minute)); got.status != 404 {
			t.Errorf("that name at another connection: got %d", got.status)
		}
		if got := restarted.cancel("shop", shopKey); got.status != 404 {
			t.Errorf("by key: got %d", got.status)
		}
	})
}

// TestRefusalsLookAlike: whoever is refused learns nothing of why, or of what
// there is; the operator does.
func TestRefusalsLookAlike(t *testing.T) {
	w, s, stranger := newSQLite(t), newSigner(t), newSigner(t)
	away := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	n := w.node(map[string]*webhook.Adapter{"shop": s.connection("shop"), "far": s.connection("far")}, web.Networks{"far": away})
	spent := s.jwt("shop", "", time.Minute)
	n.cancel("shop", spent)
	var first answer
	for name, call := range map[string][2]string{
		"nothing": {"shop", ""}, "a wrong key": {"shop", "wrong"}, "a stranger's JWT": {"shop", stranger.jwt("shop", "", time.Minute)},
		"for another connection": {"shop", s.jwt("far", "", time.Minute)}, "expired": {"shop", s.jwt("shop", "", -time.Minute)},
		"too long": {"shop", s.jwt("shop", "", time.Hour)}, "spent": {"shop", spent}, "from elsewhere": {"far", s.jwt("far", "", time.Minute)},
		"from elsewhere, by key": {"far", shopKey}, "no such connection": {"nobody", shopKey},
	} {
		got := n.cancel(call[0], call[1])
		got.wantProblem(t, 401, "unauthorized", "unauthorized_client")
		got.header.Del("X-Request-Id")
		if first.status == 0 {
			first = got
		}
		if !bytes.Equal(got.body, first.body) || !maps.EqualFunc(got.header, first.header, func(a, b []string) bool { return a[0] == b[0] }) {
			t.Errorf("%s: got %v %s, want %v %s", name, got.header, got.body, first.header, first.body)
		}
	}
	log := n.log.String()
	for _, why := range []string{"signature", "aud is not", "expired", "five minutes", "used before", "network"} {
		if !strings.Contains(log, why) {
			t.Errorf("the log does not say %q: %s", why, log)
		}
	}
	if strings.Contains(log, "eyJ") || strings.Contains(log, "nobody") || strings.Contains(log, shopKey) {
		t.Errorf("the log says too much: %s", log)
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// TestNetworks: who calls from elsewhere is refused before anything is read, and
// where he is only a proxy that we trust may say.
func TestNetworks(t *testing.T) {
	w, s := newSQLite(t), newSigner(t)
	networks := web.Networks{"shop": {netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}}
	conn := map[string]*webhook.Adapter{"shop": s.connection("shop"), "bank": s.connection("bank")}
	direct, proxied := w.node(conn, networks), w.node(conn, networks, "192.0.2.1")
	jwt := s.jwt("shop", "", time.Minute)
	tests := []struct {
		name       string
		node       node
		connection string
		from       string // the connection's other end
		forwarded  string
		want       int
	}{
		{"from there", direct, "shop", "203.0.113.7:1", "", 404},
		{"from there by IPv6", direct, "shop", "[2001:db8::7]:1", "", 404},
		{"from there in IPv6 clothes", direct, "shop", "[::ffff:203.0.113.7]:1", "", 404},
		{"from elsewhere", direct, "shop", "198.51.100.7:1", "", 401},
		{"says that it is there", direct, "shop", "198.51.100.7:1", "203.0.113.7", 401},
		{"by our proxy", proxied, "shop", "192.0.2.1:1", "203.0.113.7", 404},
		{"by our proxy, from elsewhere", proxied, "shop", "192.0.2.1:1", "198.51.100.7", 401},
		{"by our proxy, and lies to it", proxied, "shop", "192.0.2.1:1", "203.0.113.7, 198.51.100.7", 401},
		{"the proxy itself", proxied, "shop", "192.0.2.1:1", "", 401},
		{"no address", direct, "shop", "@", "", 401},
		{"a connection without networks", direct, "bank", "198.51.100.7:1", "", 404},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodPost, "/op/"+tt.connection+"/v1/requests/nothing/cancel", nil)
		r.RemoteAddr = tt.from
		r.Header.Set("Authorization", "Bearer "+shopKey)
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		rec := httptest.NewRecorder()
		tt.node.ServeHTTP(rec, r)
		if rec.Code != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, rec.Code, tt.want)
		}
		if tt.want != 401 {
			continue
		}
		post := httptest.NewRequest(http.MethodPost, "/op/shop/v1/requests", unread{t})
		post.RemoteAddr, post.Header = tt.from, r.Header.Clone()
		post.Header.Set("Authorization", "Bearer "+jwt)
		tt.node.ServeHTTP(httptest.NewRecorder(), post)
	}
	r := httptest.NewRequest(http.MethodPost, "/op/shop/v1/requests/nothing/cancel", nil)
	r.RemoteAddr = "203.0.113.7:1"
	r.Header.Set("Authorization", "Bearer "+jwt)
	rec := httptest.NewRecorder()
	direct.ServeHTTP(rec, r)
	if rec.Code != 404 {
		t.Errorf("a JWT that came from elsewhere first: got %d, want 404: it was not read", rec.Code)
	}
}

// away is a memory that cannot be asked.
type away struct{}

func (away) SpendAssertion(context.Context, string, string, time.Time) (bool, error) {
	return false, errors.New("database is away")
}

// TestAnAssertionThatCannotBeSpentIsNotTaken: a fault of ours is no proof.
func TestAnAssertionThatCannotBeSpentIsNotTaken(t *testing.T) {
	w, s := newSQLite(t), newSigner(t)
	n := w.node(map[string]*webhook.Adapter{"shop": s.connection("shop")}, nil)
	n.handler.Assertions = away{}
	got := n.cancel("shop", s.jwt("shop", "", time.Minute))
	if seen := w.seen(); got.status != 500 || strings.Contains(string(got.body), "database") || len(seen) != 1 || seen[0] != "shop fault" {
		t.Errorf("got %d %s, observed %v", got.status, got.body, seen)
	}
}

// TestWhoCalledIsWrittenDown: the audit log has the name of the key that signed.
func TestWhoCalledIsWrittenDown(t *testing.T) {
	w, s := newSQLite(t), newSigner(t)
	w.pair(w.user("shop", "s-1"))
	n := w.node(map[string]*webhook.Adapter{"shop": s.connection("shop")}, nil)
	body := must(json.Marshal(of("s-1")))(t)
	r := httptest.NewRequest(http.MethodPost, "/op/shop/v1/requests", bytes.NewReader(body))
	r.Header = http.Header{"Authorization": {"Bearer " + s.jwt("shop", "", time.Minute)}, "Content-Type": {"application/json"}, "Idempotency-Key": {"ref"}}
	rec := httptest.NewRecorder()
	n.ServeHTTP(rec, r)
	if rec.Code != http.StatusCreated {
		t.Fatalf("got %d %s", rec.Code, rec.Body)
	}
	if by := w.requests.callers(); len(by) != 1 || by[0].ID != "shop/jwt:k" {
		t.Errorf("got %+v", by)
	}
}
