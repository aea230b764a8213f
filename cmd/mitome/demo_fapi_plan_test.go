package main_test

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	cibaGrant     = "urn:openid:params:grant-type:ciba"
	formType      = "application/x-www-form-urlencoded"
	privateKeyJWT = "private_key_jwt"
	selfSignedTLS = "self_signed_tls_client_auth"
	tlsClientAuth = "tls_client_auth"
	fapiPatience  = 30 * time.Second
)

// variant is what the plan is played for.
type variant struct{ auth, mode string }

// fapiPlan is a conformance run against `mitome demo --fapi-ciba`, which is a
// process of its own, pointed at by nothing but what that prints.
type fapiPlan struct {
	meta    fapiMetadata
	plain   *http.Client // shows no certificate
	roots   *x509.CertPool
	answers string // URL template
	phone   string // URL of Mitome
	files   []string
	keys    [2]fapiKey
	calls   *httptest.Server // the clients' notification endpoint

	mu    sync.Mutex
	ears  map[string]*notified // by path
	moved int                  // notifications that followed a redirect
}

// fapiMetadata is what is read of the OP's.
type fapiMetadata struct {
	Issuer       string   `json:"issuer"`
	Token        string   `json:"token_endpoint"`
	Backchannel  string   `json:"backchannel_authentication_endpoint"`
	Registration string   `json:"registration_endpoint"`
	JWKS         string   `json:"jwks_uri"`
	Modes        []string `json:"backchannel_token_delivery_modes_supported"`
	RequestAlgs  []string `json:"backchannel_authentication_request_signing_alg_values_supported"`
	AuthMethods  []string `json:"token_endpoint_auth_methods_supported"`
	AuthAlgs     []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IDTokenAlgs  []string `json:"id_token_signing_alg_values_supported"`
	Grants       []string `json:"grant_types_supported"`
	ACRs         []string `json:"acr_values_supported"`
	Bound        bool     `json:"tls_client_certificate_bound_access_tokens"`
	MTLS         struct {
		Token       string `json:"token_endpoint"`
		Backchannel string `json:"backchannel_authentication_endpoint"`
		UserInfo    string `json:"userinfo_endpoint"`
	} `json:"mtls_endpoint_aliases"`
}

// printed is what the demo says of itself.
var printed = regexp.MustCompile(`(?s)Discovery: +(\S+)\nCA: +(\S+)\nCertificates: +([^\n]+)\n.*, at (\S+)\n.*POST (\S+), which`)

// runFAPI starts the demo on ports of its own choice.
func runFAPI(t *testing.T) *fapiPlan {
	t.Helper()
	cmd := exec.Command("mitome", "demo", "--fapi-ciba", "--listen", "127.0.0.1:0", "--fapi-listen", "127.0.0.1:0", "--fapi-mtls", "127.0.0.1:0")
	said := &strings.Builder{}
	cmd.Stderr, cmd.WaitDelay = said, fapiPatience
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("mitome demo: %v\n%s", err, said)
		}
	})
	text := ""
	for in := bufio.NewScanner(out); !strings.HasPrefix(text[strings.LastIndexByte(strings.TrimSuffix(text, "\n"), '\n')+1:], "Ctrl-C") && in.Scan(); {
		text += in.Text() + "\n"
	}
	found := printed.FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("mitome demo says:\n%s", text)
	}
	p := &fapiPlan{roots: x509.NewCertPool(), answers: found[5], phone: found[4], files: strings.Split(found[3], ", "), ears: map[string]*notified{}}
	ca, err := os.ReadFile(found[2])
	if err != nil || !p.roots.AppendCertsFromPEM(ca) {
		t.Fatalf("CA: %v", err)
	}
	p.plain = p.client()
	p.calls = httptest.NewTLSServer(http.HandlerFunc(p.notified))
	t.Cleanup(p.calls.Close)
	p.keys = [2]fapiKey{newFAPIKey(t), newFAPIKey(t)}
	resp, err := p.plain.Get(found[1])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&p.meta); err != nil {
		t.Fatal(err)
	}
	return p
}

// client is an HTTP client that believes the demo's CA alone.
func (p *fapiPlan) client(certs ...tls.Certificate) *http.Client {
	return &http.Client{Timeout: fapiPatience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: p.roots, Certificates: certs}, MaxIdleConnsPerHost: 2,
	}}
}

// backchannel is the endpoint for a variant: only who is known by a certificate
// needs the one that asks for it.
func (p *fapiPlan) backchannel(v variant) string {
	if v.auth == privateKeyJWT {
		return p.meta.Backchannel
	}
	return p.meta.MTLS.Backchannel
}

// act has the user answer, as CallAutomatedCibaApprovalEndpoint does.
func (p *fapiPlan) act(t *testing.T, authReqID, action string) (status int) {
	t.Helper()
	to := strings.NewReplacer("{auth_req_id}", authReqID, "{action}", action).Replace(p.answers)
	return p.send(t, p.plain, http.MethodPost, to, "", nil, "Accept", "application/json").status
}

// notified is where one client is pinged.
type notified struct {
	url, bearer string
	reply       func(http.ResponseWriter)

	mu    sync.Mutex
	heard map[string]int // pings by auth_req_id
	wrong []string
	came  chan struct{} // closed and replaced at each
}

// endpoint is a notification endpoint of its own.
func (p *fapiPlan) endpoint(t *testing.T) *notified {
	n := &notified{
		bearer: rand.Text() + rand.Text(), heard: map[string]int{}, came: make(chan struct{}),
		reply: func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
	}
	path := "/ciba/" + rand.Text()
	n.url = p.calls.URL + path
	p.mu.Lock()
	p.ears[path] = n
	p.mu.Unlock()
	t.Cleanup(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, w := range n.wrong {
			t.Error(w)
		}
	})
	return n
}

// notified serves every client's endpoint.
func (p *fapiPlan) notified(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	n := p.ears[r.URL.Path]
	if r.URL.Path == "/moved" {
		p.moved++
	}
	p.mu.Unlock()
	if n == nil {
		http.NotFound(w, r)
		return
	}
	n.take(r)
	n.reply(w)
}

// take writes down a ping, and whatever is not right about it.
func (n *notified) take(r *http.Request) {
	var body map[string]any
	err := json.NewDecoder(r.Body).Decode(&body)
	n.mu.Lock()
	defer n.mu.Unlock()
	id, _ := body["auth_req_id"].(string)
	if err != nil || len(body) != 1 || id == "" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != "Bearer "+n.bearer {
		n.wrong = append(n.wrong, "a ping is not as CIBA has it")
	}
	n.heard[id]++
	close(n.came)
	n.came = make(chan struct{})
}

// wait waits for the ping about a request.
func (n *notified) wait(t *testing.T, authReqID string) {
	t.Helper()
	late := time.After(fapiPatience)
	for {
		n.mu.Lock()
		heard, came := n.heard[authReqID], n.came
		n.mu.Unlock()
		if heard > 0 {
			return
		}
		select {
		case <-came:
		case <-late:
			t.Fatal("no ping came")
		}
	}
}

// times is how often a client was pinged about a request.
func (n *notified) times(authReqID string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.heard[authReqID]
}
