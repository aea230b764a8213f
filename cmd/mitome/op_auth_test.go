package main_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestOPProvesItself goes the whole way for each way in which an OP of our own
// API may prove itself, through mitome serve with TLS of its own.
func TestOPProvesItself(t *testing.T) {
	s := newAuthStage(t)
	alice := s.pair(t, "s-1", "alice")
	key, signed := func() string { return s.key }, func() string { return s.jwt(t) }
	for name, c := range map[string]caller{
		"API key": s.caller(t, key), "private_key_jwt": s.caller(t, signed),
		"pinned certificate": s.caller(t, nil, s.pinned), "named certificate": s.caller(t, nil, s.named),
		"API key, and a certificate for somebody else": s.caller(t, key, newPKI(t).issue(t, func(*x509.Certificate) {})),
	} {
		t.Run(name, func(t *testing.T) { walk(t, c, alice) })
	}
	t.Run("refused", func(t *testing.T) { forged(t, s) })
	t.Run("a JWT is spent for good", func(t *testing.T) { spentForGood(t, s) })
	s.keepsSecret(t, s.key)
}

// walk asks, has alice approve, and hears of it.
func walk(t *testing.T, c caller, alice *phone) {
	status, body := c.call(t, "corp/v1/requests", `{"sub":"s-1","client_id":"till","binding_message":"Order 4711"}`)
	var r struct{ ID, State string }
	if err := json.Unmarshal(body, &r); err != nil || status != http.StatusCreated {
		t.Fatalf("asked: got %d %s", status, body)
	}
	alice.do(t, "approve", r.ID)
	status, body = c.call(t, "corp/v1/requests/"+r.ID+"?wait=25", "")
	if err := json.Unmarshal(body, &r); err != nil || status != http.StatusOK || r.State != "approved" {
		t.Errorf("heard: got %d %s", status, body)
	}
}

// forged: whoever is not the OP hears the same, whatever is wrong, and the
// operator reads what it was.
func forged(t *testing.T, s *authStage) {
	key, signed := func() string { return s.key }, func() string { return s.jwt(t) }
	theirs := newPKI(t)
	once := s.jwt(t)
	s.caller(t, func() string { return once }).call(t, "corp/v1/requests/x", "")
	var first []byte
	for name, f := range map[string]struct {
		c    caller
		path string
		log  string
	}{
		"nothing":                  {s.caller(t, nil), "corp", "neither a bearer nor a client certificate"},
		"a wrong key":              {s.caller(t, func() string { return s.key + "x" }), "corp", "neither an API key nor a JWT"},
		"a spent JWT":              {s.caller(t, func() string { return once }), "corp", "jti was used before"},
		"a JWT for corp":           {s.caller(t, signed), "far", "not from a network"},
		"from elsewhere":           {s.caller(t, key), "far", "not from a network"},
		"another CA":               {s.caller(t, nil, theirs.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"op.example"} })), "corp", "not of tls.ops.client_ca_file"},
		"right CA, wrong hash":     {s.caller(t, nil, s.ours.issue(t, func(*x509.Certificate) {})), "corp", "not one of this connection"},
		"a certificate of no name": {s.caller(t, nil, s.pinned), "far", "not from a network"},
		"no such connection":       {s.caller(t, key), "nobody", ""},
	} {
		status, body := f.c.call(t, f.path+"/v1/requests", `{"sub":"s-1","client_id":"till"}`)
		if first == nil {
			first = body
		}
		if status != http.StatusUnauthorized || !bytes.Equal(body, first) {
			t.Errorf("%s: got %d %s, want 401 %s", name, status, body, first)
		}
		if log := s.logged(t); !strings.Contains(log, f.log) {
			t.Errorf("%s: the log does not say %q", name, f.log)
		}
	}
	// Who proves nothing by a key of his own has not even shaken hands.
	stolen := tls.Certificate{Certificate: s.pinned.Certificate, PrivateKey: theirs.key}
	if resp, err := s.caller(t, nil, stolen).client.Get(s.url + "/op/corp/v1/requests/x"); err == nil {
		resp.Body.Close()
		t.Errorf("a certificate without its key: got %d, want a broken handshake", resp.StatusCode)
	}
	if n := strings.Count(s.logged(t), "eyJ"); n != 0 {
		t.Errorf("the log holds %d JWTs", n)
	}
}

// spentForGood: a JWT that was used is refused by the process that comes after.
func spentForGood(t *testing.T, s *authStage) {
	once := s.jwt(t)
	c := s.caller(t, func() string { return once })
	if status, _ := c.call(t, "corp/v1/requests/x", ""); status != http.StatusNotFound {
		t.Fatalf("first: got %d, want 404", status)
	}
	s.kill()
	s.start(t)
	c.client.CloseIdleConnections()
	if status, _ := c.call(t, "corp/v1/requests/x", ""); status != http.StatusUnauthorized {
		t.Errorf("after a restart: got %d, want 401", status)
	}
	if status, _ := s.caller(t, func() string { return s.jwt(t) }).call(t, "corp/v1/requests/x", ""); status != http.StatusNotFound {
		t.Errorf("a new one: got %d, want 404", status)
	}
}

// logged is all that Mitome has said.
func (s *authStage) logged(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(s.log())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
