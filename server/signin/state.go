package signin

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/mitome-ciba/mitome/server/seal"
)

// CookieName is the cookie of a sign-in that is under way.
const CookieName = "__Host-mitome-signin"

// stateLife is how long a user may take at the OP.
const stateLife = 10 * time.Minute

// cookieAAD keeps what is sealed here from passing for anything else.
var cookieAAD = seal.AAD{Table: "cookies", Row: CookieName, Column: "state"}

// state is what must come back as it went: which sign-in this browser began.
type state struct {
	OP       string    `json:"op"`
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"` // RFC 7636
	At       time.Time `json:"at"`       // when it began; a fresh sign-in is not much older
}

func newState(op string, now time.Time) state {
	return state{OP: op, State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), At: now}
}

// cookie carries s.
func (h *Handler) cookie(s state) (*http.Cookie, error) {
	plain, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	sealed, err := h.Sealer.Seal(plain, cookieAAD)
	if err != nil {
		return nil, err
	}
	return lax(base64.RawURLEncoding.EncodeToString(sealed), int(stateLife/time.Second)), nil
}

func noCookie() *http.Cookie { return lax("", -1) }

// lax makes a cookie that comes along when the OP sends the browser back.
func lax(value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: CookieName, Value: value, Path: "/", MaxAge: age,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// stateOf reads back what cookie sealed, if it is not too old.
func (h *Handler) stateOf(r *http.Request) (s state, err error) {
	none := &failure{code: CodeNoState}
	found := r.CookiesNamed(CookieName)
	if len(found) != 1 {
		return state{}, none
	}
	sealed, err := base64.RawURLEncoding.DecodeString(found[0].Value)
	if err != nil {
		return state{}, none
	}
	plain, err := h.Sealer.Open(sealed, cookieAAD)
	if err != nil {
		return state{}, none
	}
	if err := json.Unmarshal(plain, &s); err != nil || h.Now().Sub(s.At) > stateLife {
		return state{}, none
	}
	return s, nil
}
