package demo

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/mitome-ciba/mitome/device/phone/softkey"
)

//go:embed static
var static embed.FS

// Paths of the demo's own on Mitome's name.
const (
	passkeyPath = "/demo/passkey"
	scriptPath  = passkeyPath + ".js"
	stylePath   = passkeyPath + ".css"
	createPath  = passkeyPath + "/create"
	usePath     = passkeyPath + "/use"
)

// head is where a page of Mitome's takes the script in. It stands before all
// other scripts, and is a plain one, so that they find it at work.
const head = "<head>"

// tags are what is put there. A browser keeps its choice for one run of the demo:
// the next has other keys.
const tags = head + "\n" + `<script src="` + scriptPath + `" data-run="%s"></script>` + "\n" + `<link rel="stylesheet" href="` + stylePath + `">`

// passkeys is an authenticator in software behind Mitome's pages, for browsers
// that have none. Nothing but the click of whoever sits there guards it, which is
// why only a demo has it.
type passkeys struct {
	store  *softkey.Store
	server string
	tags   []byte
}

func openPasskeys(path, server string) (*passkeys, error) {
	store, err := softkey.Open(path)
	return &passkeys{store, server, fmt.Appendf(nil, tags, rand.Text())}, err
}

// serveMitome is Mitome, with the demo's passkey in front of its pages.
func (d *Demo) serveMitome(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case scriptPath:
		file(w, "static/passkey.js", "text/javascript; charset=utf-8")
	case stylePath:
		file(w, "static/passkey.css", "text/css; charset=utf-8")
	case createPath:
		d.keys.serve(w, r, d.keys.store.CreatePasskey)
	case usePath:
		d.keys.serve(w, r, d.keys.store.UsePasskey)
	default:
		if r.Method == http.MethodGet && r.Header.Get("Upgrade") == "" && strings.Contains(r.Header.Get("Accept"), "text/html") {
			d.seePhone(w, r, http.HandlerFunc(d.servePage))
			return
		}
		d.seePhone(w, r, d.Mitome.Handler)
	}
}

func file(w http.ResponseWriter, name, kind string) {
	body, err := static.ReadFile(name)
	if err != nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(body)
}

// maxOptions bounds WebAuthn's options.
const maxOptions = 64 << 10

// serve answers a ceremony, for Mitome's own pages alone: they are the ones for
// whose passkeys it stands.
func (k *passkeys) serve(w http.ResponseWriter, r *http.Request, ceremony func(server, options string) (string, error)) {
	if r.Method != http.MethodPost || r.Header.Get("Origin") != k.server || r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "not for you", http.StatusForbidden)
		return
	}
	options, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOptions))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	answer, err := ceremony(k.server, string(options))
	status, body := http.StatusOK, []byte(answer)
	if err != nil {
		status, body = refusal(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// refusal is an error in the words of WebAuthn: the name of a DOMException.
func refusal(err error) (status int, body []byte) {
	status, name := http.StatusInternalServerError, "UnknownError"
	switch {
	case errors.Is(err, softkey.ErrExists):
		status, name = http.StatusConflict, "InvalidStateError"
	case errors.Is(err, softkey.ErrNoPasskey):
		status, name = http.StatusNotFound, "NotAllowedError"
	case errors.Is(err, softkey.ErrOptions):
		status, name = http.StatusBadRequest, "NotSupportedError"
	}
	body, _ = json.Marshal(map[string]string{"name": name}) // strings always marshal
	return status, body
}

// servePage serves a page of Mitome's with the script in it.
func (d *Demo) servePage(w http.ResponseWriter, r *http.Request) {
	kept := &page{header: w.Header(), status: http.StatusOK}
	d.Mitome.Handler.ServeHTTP(kept, r)
	body := kept.body.Bytes()
	if strings.HasPrefix(kept.header.Get("Content-Type"), "text/html") {
		body = bytes.Replace(body, []byte(head), d.keys.tags, 1)
		kept.header.Del("ETag")
		kept.header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(kept.status)
	_, _ = w.Write(body)
}

// page keeps what is answered until it is whole.
type page struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (p *page) Header() http.Header { return p.header }

// WriteHeader implements http.ResponseWriter.
func (p *page) WriteHeader(status int) { p.status = status }

// Write implements http.ResponseWriter.
func (p *page) Write(b []byte) (int, error) { return p.body.Write(b) }
