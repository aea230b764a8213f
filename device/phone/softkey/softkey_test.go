package softkey_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/phone"
	"github.com/mitome-ciba/mitome/device/phone/softkey"
)

var _ phone.KeyStore = (*softkey.Store)(nil)

const server = "https://mitome.example:8443"

var rp = device.RelyingParty{RPID: "mitome.example", RPName: "Mitome", Origins: []string{server}}

func open(t *testing.T, path string) *softkey.Store {
	t.Helper()
	s, err := softkey.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keyFile(t *testing.T) string { return filepath.Join(t.TempDir(), "sub", "keys.json") }

// inner is options as a key store gets them: without {"publicKey": …} around.
func inner(t *testing.T, options json.RawMessage) string {
	t.Helper()
	var o struct {
		PublicKey json.RawMessage `json:"publicKey"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	return string(o.PublicKey)
}

func register(t *testing.T, s *softkey.Store, e device.EnrollmentID) device.Credential {
	t.Helper()
	options, ceremony, err := rp.BeginRegistration(device.User{Name: "Aiko", OP: "corp"}, e)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.CreatePasskey(server, inner(t, options))
	if err != nil {
		t.Fatal(err)
	}
	cred, err := rp.FinishRegistration(ceremony, []byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

func approve(t *testing.T, s *softkey.Store, cred device.Credential) (device.Assertion, error) {
	t.Helper()
	challenge := make([]byte, 64)
	rand.Read(challenge)
	options, err := rp.AssertionOptions([]device.Credential{cred}, challenge)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.UsePasskey(server, inner(t, options))
	if err != nil {
		return device.Assertion{}, err
	}
	return rp.VerifyAssertion([]device.Credential{cred}, challenge, []byte(answer))
}

func TestPasskeyPassesARelyingParty(t *testing.T) {
	path := keyFile(t)
	cred := register(t, open(t, path), "e1")
	if cred.BackupEligible || cred.BackedUp || cred.Attestation != "none" || cred.SignCount != 0 {
		t.Errorf("registered as %+v", cred)
	}
	for count := uint32(1); count <= 3; count++ {
		a, err := approve(t, open(t, path), cred) // as a process of its own each time
		if err != nil {
			t.Fatal(err)
		}
		if a.SignCount != count || !a.UserVerified || a.Origin != server {
			t.Errorf("got count %d, verified %v, origin %s; want count %d", a.SignCount, a.UserVerified, a.Origin, count)
		}
		cred.SignCount = a.SignCount
	}
}

func TestCopiedFileIsFoundOut(t *testing.T) {
	path := keyFile(t)
	cred := register(t, open(t, path), "e1")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := approve(t, open(t, path), cred)
	if err != nil {
		t.Fatal(err)
	}
	cred.SignCount = a.SignCount
	stolen := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(stolen, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := approve(t, open(t, stolen), cred); !errors.Is(err, device.ErrPasskey) {
		t.Errorf("got %v, want %v", err, device.ErrPasskey)
	}
}

func TestNoSignatureLeavesBeforeItsCountIsKept(t *testing.T) {
	path := keyFile(t)
	s := open(t, path)
	cred := register(t, s, "e1")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	s.FailWrites(full)
	if _, err := approve(t, s, cred); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("a failed write changed the file: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".softkey-*")); err != nil || len(left) > 0 {
		t.Errorf("a failed write left %q behind", left)
	}
}

func TestCountsAreUniqueAmongProcesses(t *testing.T) {
	path := keyFile(t)
	cred := register(t, open(t, path), "e1")
	const each = 8
	counts := make(chan uint32, 4*each)
	var g sync.WaitGroup
	for range 4 {
		s := open(t, path)
		g.Go(func() {
			for range each {
				a, err := approve(t, s, cred) // the same stored count throughout, so all pass that check
				if err != nil {
					t.Error(err)
				}
				counts <- a.SignCount
			}
		})
	}
	g.Wait()
	close(counts)
	seen := map[uint32]bool{}
	for n := range counts {
		if seen[n] {
			t.Errorf("count %d was signed twice", n)
		}
		seen[n] = true
	}
}

func TestWhatIsAskedWronglyIsRefused(t *testing.T) {
	s := open(t, keyFile(t))
	cred := register(t, s, "e1")
	const user = `"user":{"id":"AAAA"},"challenge":"AAAA"`
	const es256 = `"pubKeyCredParams":[{"type":"public-key","alg":-7}]`
	tests := []struct {
		name   string
		create bool
		opts   string
		want   error
	}{
		{"not JSON", true, `{`, softkey.ErrOptions},
		{"RP ID of another site", true, `{"rp":{"id":"evil.example"},` + user + `,` + es256 + `}`, softkey.ErrOptions},
		{"RP ID of a whole domain", true, `{"rp":{"id":"example"},` + user + `,` + es256 + `}`, softkey.ErrOptions},
		{"RP ID that only ends alike", true, `{"rp":{"id":"me.example"},` + user + `,` + es256 + `}`, softkey.ErrOptions},
		{"no algorithm of ours", true, `{"rp":{"id":"mitome.example"},` + user + `,"pubKeyCredParams":[{"alg":-8}]}`, softkey.ErrOptions},
		{"no challenge", true, `{"rp":{"id":"mitome.example"},"user":{"id":"AAAA"},` + es256 + `}`, softkey.ErrOptions},
		{"excluded", true, `{"rp":{"id":"mitome.example"},` + user + `,` + es256 + `,"excludeCredentials":[{"id":"` + b64(cred.WebAuthnID) + `"}]}`, softkey.ErrExists},
		{"use: not JSON", false, `[]`, softkey.ErrOptions},
		{"use: no challenge", false, `{"rpId":"mitome.example"}`, softkey.ErrOptions},
		{"use: RP ID of another site", false, `{"challenge":"AAAA","rpId":"evil.example"}`, softkey.ErrOptions},
		{"use: another's passkey", false, `{"challenge":"AAAA","rpId":"mitome.example","allowCredentials":[{"id":"AAAA"}]}`, softkey.ErrNoPasskey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			do := s.UsePasskey
			if tt.create {
				do = s.CreatePasskey
			}
			if answer, err := do(server, tt.opts); !errors.Is(err, tt.want) || answer != "" {
				t.Errorf("got %q, %v; want %v", answer, err, tt.want)
			}
		})
	}
	if _, err := s.UsePasskey("https://other.example", `{"challenge":"AAAA"}`); !errors.Is(err, softkey.ErrNoPasskey) {
		t.Errorf("another server: got %v, want %v", err, softkey.ErrNoPasskey)
	}
}

func TestProofKeysAreOnePerServerAndLast(t *testing.T) {
	path := keyFile(t)
	here, err := open(t, path).ProofKey(server)
	if err != nil {
		t.Fatal(err)
	}
	again, err := open(t, path).ProofKey(server)
	if err != nil {
		t.Fatal(err)
	}
	there, err := open(t, path).ProofKey("https://other.example")
	if err != nil {
		t.Fatal(err)
	}
	if string(here) != string(again) || string(here) == string(there) {
		t.Errorf("got %x, again %x, for another server %x", here, again, there)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), here)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := open(t, path).SignProof(server, []byte("data"))
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256([]byte("data")); !ecdsa.VerifyASN1(key, sum[:], sig) {
		t.Error("the proof does not verify")
	}
}

func TestProcessesAgreeOnANewProofKey(t *testing.T) {
	path := keyFile(t)
	keys := make([]string, 8)
	var g sync.WaitGroup
	for i := range keys {
		s := open(t, path)
		g.Go(func() {
			key, err := s.ProofKey(server)
			if err != nil {
				t.Error(err)
			}
			keys[i] = string(key)
		})
	}
	g.Wait()
	for _, key := range keys {
		if key != keys[0] {
			t.Errorf("got %x and %x", key, keys[0])
		}
	}
}

func TestStateIsKeptForEachServer(t *testing.T) {
	path := keyFile(t)
	if err := open(t, path).Save(server, []byte("state")); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, path).Load(server)
	if err != nil || string(got) != "state" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := open(t, path).Load("https://other.example"); err != nil || len(got) != 0 {
		t.Errorf("another server: got %q, %v", got, err)
	}
	if got, err := open(t, path).Servers(); err != nil || len(got) != 1 || got[0] != server {
		t.Errorf("servers: got %q, %v", got, err)
	}
}

func TestFileIsForItsOwnerOnly(t *testing.T) {
	path := keyFile(t)
	s := open(t, path)
	if _, err := s.ProofKey(server); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v; want 0600", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := softkey.Open(path); !errors.Is(err, softkey.ErrExposed) {
		t.Errorf("open: got %v, want %v", err, softkey.ErrExposed)
	}
	if _, err := s.SignProof(server, nil); !errors.Is(err, softkey.ErrExposed) {
		t.Errorf("sign: got %v, want %v", err, softkey.ErrExposed)
	}
}

func TestBrokenFileIsNotOverwritten(t *testing.T) {
	for name, text := range map[string]string{
		"cut off": `{"version":1,"servers":{"https://a":{"proof_key":"c2VjcmV0`, "newer": `{"version":2,"servers":{}}`, "null": `null`, "empty": ``,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := softkey.Open(path)
			if err == nil || strings.Contains(err.Error(), "c2Vj") {
				t.Errorf("got %v", err)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != text {
				t.Errorf("the file is now %q, %v", after, err)
			}
		})
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
