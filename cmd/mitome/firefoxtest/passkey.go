package firefoxtest

import (
	"encoding/json"
	"path/filepath"

	"github.com/mitome-ciba/mitome/device/phone/softkey"
)

// passkeyScript has the page's ceremonies answered from outside: it leaves the
// options where the test finds them, as the JSON that the server sent.
const passkeyScript = `
	if (!window.PublicKeyCredential || !navigator.credentials) return;
	PublicKeyCredential.parseCreationOptionsFromJSON = (json) => json;
	PublicKeyCredential.parseRequestOptionsFromJSON = (json) => json;
	const ceremony = ({ publicKey }) => new Promise((resolve) => {
		window.passkey = { options: publicKey, answer: (json) => resolve({ toJSON: () => json }) };
	});
	navigator.credentials.create = ceremony;
	navigator.credentials.get = ceremony;
`

// Passkey is an authenticator for the pages that are opened from now on.
type Passkey struct {
	f      *Firefox
	store  *softkey.Store
	origin string
}

// Passkey gives the pages of origin one.
func (f *Firefox) Passkey(origin string) *Passkey {
	f.t.Helper()
	store, err := softkey.Open(filepath.Join(f.t.TempDir(), "keys.json"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.Before(passkeyScript)
	return &Passkey{f, store, origin}
}

// Create makes the passkey that the page asks for.
func (p *Passkey) Create() { p.f.t.Helper(); p.answer(p.store.CreatePasskey) }

// Use signs what the page asks to be signed.
func (p *Passkey) Use() { p.f.t.Helper(); p.answer(p.store.UsePasskey) }

func (p *Passkey) answer(ceremony func(server, options string) (string, error)) {
	p.f.t.Helper()
	p.f.UntilTrue("a ceremony", `!!window.passkey`)
	options := Eval[json.RawMessage](p.f, `window.passkey.options`)
	answer, err := ceremony(p.origin, string(options))
	if err != nil {
		p.f.t.Fatal(err)
	}
	Eval[bool](p.f, `(window.passkey.answer(`+answer+`), delete window.passkey, true)`)
}
