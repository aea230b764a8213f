package op_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/op"
)

var modes = []rp.Mode{rp.Poll, rp.Ping, rp.Push}

// order is a request with everything in it.
var order = rp.Request{
	LoginHint: "alice", Scope: "openid payments", BindingMessage: "Pay 480 JPY, coffee", UserCode: "123456",
	ACRValues: "phr", RequestContext: map[string]any{"device": "till 4"},
	AuthorizationDetails: []map[string]any{{"type": "payment_initiation", "amount": "480"}},
}

func TestApproved(t *testing.T) {
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.start(w.client(mode), order)
			got := w.mitome.last()
			if got.Sub != "sub-alice" || got.ClientID != "shop-"+string(mode) || got.ClientName != "Coffee shop" ||
				got.Scope != order.Scope || got.BindingMessage != order.BindingMessage || got.UserCode != "123456" ||
				got.ACRValues != "phr" || got.Context["device"] != "till 4" || got.Details[0]["amount"] != "480" || got.ExpiresIn < 110 {
				t.Errorf("mitome was asked %+v", got)
			}
			if status := w.mitome.tell(w.mitome.of(p), "approved"); status != 204 {
				t.Fatalf("webhook: got %d, want 204", status)
			}
			tokens, err := p.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c := tokens.Claims
			if c.Subject != "sub-alice" || c.ACR != "phr" || !slices.Equal(c.AMR, []string{"pop", "user", "mfa"}) ||
				time.Since(c.AuthTime) > time.Minute || tokens.RefreshToken == "" || tokens.Scope != order.Scope {
				t.Errorf("got %+v", c)
			}
			bound := mode == rp.Push
			if strings.Contains(string(c.Raw), "urn:openid:params:jwt:claim:rt_hash") != bound {
				t.Errorf("rt_hash: %s", c.Raw)
			}
		})
	}
}

func TestNotApproved(t *testing.T) {
	tests := []struct {
		state        string
		pulled, push error
	}{
		{"denied", rp.ErrAccessDenied, rp.ErrAccessDenied},
		{"expired", rp.ErrExpiredToken, rp.ErrExpiredToken},
		{"withdrawn", rp.ErrAccessDenied, rp.ErrTransactionFailed},
	}
	for _, tt := range tests {
		for _, mode := range modes {
			t.Run(tt.state+"/"+string(mode), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				p := w.start(w.client(mode), rp.Request{LoginHint: "alice"})
				if status := w.mitome.tell(w.mitome.of(p), tt.state); status != 204 {
					t.Fatalf("webhook: got %d, want 204", status)
				}
				want := tt.pulled
				if mode == rp.Push {
					want = tt.push
				}
				if _, err := p.Wait(t.Context()); !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
			})
		}
	}
}

// TestSigned has the bank ask, whose assertion and requests are JWTs.
func TestSigned(t *testing.T) {
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := order
			r.Signed, r.RequestedExpiry = true, time.Minute
			p := w.start(w.bank(mode), r)
			got := w.mitome.last()
			if got.UserCode != "123456" || got.Context["device"] != "till 4" || got.Details[0]["amount"] != "480" || got.ExpiresIn > 60 {
				t.Errorf("mitome was asked %+v", got)
			}
			w.mitome.tell(w.mitome.of(p), "approved")
			tokens, err := p.Wait(t.Context())
			if err != nil || tokens.Claims.Subject != "sub-alice" {
				t.Errorf("got %v, %v", tokens, err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	other := newWorld(t) // whose key this OP does not know
	wrong := w.client(rp.Poll)
	wrong.Auth = rp.SecretBasic("guess")
	forger := w.bank(rp.Poll)
	forger.Auth = rp.PrivateKeyJWT(rp.Key{ID: "k1", Signer: other.key})
	forged := w.bank(rp.Poll)
	forged.Key = rp.Key{ID: "k1", Signer: other.key}
	codeless := w.client(rp.Poll)
	codeless.ID, codeless.Auth = "codeless", rp.SecretBasic("s")
	tests := []struct {
		name   string
		client *rp.Client
		r      rp.Request
		want   error
	}{
		{"unknown to the OP", w.client(rp.Poll), rp.Request{LoginHint: "mallory"}, rp.ErrUnknownUserID},
		{"without a device", w.client(rp.Poll), rp.Request{LoginHint: "nobody"}, rp.ErrUnknownUserID},
		{"phishing", w.client(rp.Poll), rp.Request{LoginHint: "alice", BindingMessage: "Click here to continue"}, rp.ErrInvalidBindingMessage},
		{"code needed", w.client(rp.Poll), rp.Request{LoginHint: "alice", BindingMessage: "code needed"}, rp.ErrMissingUserCode},
		{"code of another form", w.client(rp.Poll), rp.Request{LoginHint: "alice", UserCode: "let me in"}, rp.ErrInvalidUserCode},
		{"code of a client without", codeless, rp.Request{LoginHint: "alice", UserCode: "123456"}, rp.ErrInvalidRequest},
		{"acr out of reach", w.client(rp.Poll), rp.Request{LoginHint: "alice", ACRValues: "phr"}, rp.ErrAccessDenied},
		{"acr unheard of", w.client(rp.Poll), rp.Request{LoginHint: "alice", ACRValues: "gold"}, rp.ErrInvalidRequest},
		{"scope unheard of", w.client(rp.Poll), rp.Request{LoginHint: "alice", Scope: "openid root"}, rp.ErrInvalidScope},
		{"details of an unknown type", w.client(rp.Poll), rp.Request{LoginHint: "alice", AuthorizationDetails: []map[string]any{{"type": "x"}}}, rp.ErrInvalidAuthorizationDetails},
		{"a phone's code of long ago", w.client(rp.Poll), rp.Request{LoginHintToken: "shown long ago"}, rp.ErrExpiredLoginHintToken},
		{"a phone's code of nobody", w.client(rp.Poll), rp.Request{LoginHintToken: "never shown"}, rp.ErrUnknownUserID},
		{"wrong secret", wrong, rp.Request{LoginHint: "alice"}, rp.ErrInvalidClient},
		{"assertion by another key", forger, rp.Request{LoginHint: "alice", Signed: true}, rp.ErrInvalidClient},
		{"request by another key", forged, rp.Request{LoginHint: "alice", Signed: true}, rp.ErrInvalidRequest},
		{"unsigned request of a client that signs", w.bank(rp.Poll), rp.Request{LoginHint: "alice"}, rp.ErrInvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.client.Start(t.Context(), tt.r)
			var said *rp.Error
			if !errors.Is(err, tt.want) || !errors.As(err, &said) || said.Status == 0 {
				t.Errorf("got %v, want %v from the OP", err, tt.want)
			}
			if said != nil && strings.ContainsAny(said.Description, `"\`) {
				t.Errorf("description %q", said.Description)
			}
		})
	}
	if n := len(w.mitome.made); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

// TestOwnFault keeps the OP's own troubles from its clients: they are told
// that it failed, not why.
func TestOwnFault(t *testing.T) {
	w := newWorld(t, func(c *op.Config) { c.Mitome.Key = "old" })
	_, err := w.client(rp.Poll).Start(t.Context(), rp.Request{LoginHint: "alice"})
	var said *rp.Error
	if !errors.As(err, &said) || said.Status != 500 || strings.Contains(said.Description, "unauthorized") {
		t.Errorf("got %v, want 500", err)
	}
}

func TestIDTokenHint(t *testing.T) {
	w := newWorld(t)
	c := w.client(rp.Ping)
	p := w.start(c, rp.Request{LoginHint: "alice"})
	w.mitome.tell(w.mitome.of(p), "approved")
	tokens, err := p.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.start(c, rp.Request{IDTokenHint: tokens.IDToken})
	if got := w.mitome.last(); got.Sub != "sub-alice" {
		t.Errorf("mitome was asked for %q", got.Sub)
	}
}

// TestHintHandedOn lets Mitome find the user.
func TestHintHandedOn(t *testing.T) {
	w := newWorld(t, func(c *op.Config) { c.Users = nil })
	p := w.start(w.client(rp.Ping), rp.Request{LoginHint: "bob@example.com"})
	if got := w.mitome.last(); got.LoginHint != "bob@example.com" || got.Sub != "" {
		t.Errorf("mitome was asked %+v", got)
	}
	w.mitome.tell(w.mitome.of(p), "approved")
	if tokens, err := p.Wait(t.Context()); err != nil || tokens.Claims.Subject != "sub-of-bob@example.com" {
		t.Errorf("got %v, %v", tokens, err)
	}
}

// TestHintToken is the code on a phone: the OP knows nothing of it, hands it on as
// it came, and hears from Mitome who is meant. Nobody who watches reads it.
func TestHintToken(t *testing.T) {
	const shown = "04821957360284715093"
	w := newWorld(t)
	p := w.start(w.client(rp.Poll), rp.Request{LoginHintToken: shown, BindingMessage: "Day ticket, 820 JPY"})
	if got := w.mitome.last(); got.LoginHintToken != shown || got.Sub != "" || got.LoginHint != "" {
		t.Errorf("mitome was asked %+v", got)
	}
	for _, m := range w.shown.list() {
		if strings.Contains(m.Body, shown) {
			t.Errorf("who watches reads the code: %s", m.Body)
		}
	}
	w.mitome.tell(w.mitome.of(p), "approved")
	if tokens, err := p.Wait(t.Context()); err != nil || tokens.Claims.Subject != "sub-of-a-phone" {
		t.Errorf("got %v, %v", tokens, err)
	}
}

func TestExpiryIsBounded(t *testing.T) {
	w := newWorld(t)
	p := w.start(w.client(rp.Poll), rp.Request{LoginHint: "alice", RequestedExpiry: 24 * time.Hour})
	if left := time.Until(p.ExpiresAt); left > 5*time.Minute {
		t.Errorf("got %v, want five minutes at most", left)
	}
	if got := w.mitome.last().ExpiresIn; got > 297 {
		t.Errorf("mitome has %d s, want less than the OP", got)
	}
}

func TestTokenEndpoint(t *testing.T) {
	w := newWorld(t)
	p := w.start(w.client(rp.Poll), rp.Request{LoginHint: "alice"})
	if _, err := p.Poll(t.Context()); !errors.Is(err, rp.ErrAuthorizationPending) {
		t.Errorf("first: got %v, want pending", err)
	}
	if _, err := p.Poll(t.Context()); !errors.Is(err, rp.ErrSlowDown) {
		t.Errorf("at once: got %v, want slow_down", err)
	}
	w.mitome.tell(w.mitome.of(p), "approved")
	if _, err := p.Poll(t.Context()); err != nil {
		t.Errorf("decided: got %v, want tokens", err)
	}
	if _, err := p.Poll(t.Context()); !errors.Is(err, rp.ErrInvalidGrant) {
		t.Errorf("again: got %v, want invalid_grant", err)
	}
	push := w.start(w.client(rp.Push), rp.Request{LoginHint: "alice"})
	w.mitome.tell(w.mitome.of(push), "approved")
	if _, err := push.Poll(t.Context()); !errors.Is(err, rp.ErrInvalidGrant) && !errors.Is(err, rp.ErrUnauthorizedClient) {
		t.Errorf("push client polls: got %v", err)
	}
}

// TestReplayed sends a client's own words again: the assertion in them has been
// used.
func TestReplayed(t *testing.T) {
	w := newWorld(t)
	heard := &tap{}
	c := w.bank(rp.Poll)
	c.HTTP = &http.Client{Transport: heard}
	w.start(c, rp.Request{LoginHint: "alice", Signed: true})
	resp, err := http.Post(w.issuer+"/bc-authorize", "application/x-www-form-urlencoded", bytes.NewReader(heard.body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 401 || len(w.mitome.made) != 1 {
		t.Errorf("got %d %s, %d requests were made", resp.StatusCode, body, len(w.mitome.made))
	}
}

// tap keeps what passes through it.
type tap struct{ body []byte }

func (p *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	var err error
	if p.body, err = io.ReadAll(r.Body); err != nil {
		return nil, err
	}
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(p.body))
	return http.DefaultTransport.RoundTrip(again)
}
