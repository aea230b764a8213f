package userapi_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/device/devicetest"
)

// setCode does what an honest phone does to set its user's code, or to take it
// away.
func (p *phone) setCode(code string, lies ...devicetest.Lie) answer {
	p.w.t.Helper()
	var o struct {
		Statement string          `json:"statement"`
		Options   json.RawMessage `json:"options"`
	}
	body := map[string]any{}
	if code != "" {
		body["user_code"] = code
	}
	begun := p.do("POST", p.path("/user-code/challenge"), body)
	if begun.status != 200 {
		return begun
	}
	begun.want(p.w.t, 200, &o)
	body["assertion"] = json.RawMessage(p.passkeys["corp"].Get(p.w.t, o.Options, lies...))
	return p.do("POST", p.path("/user-code"), body)
}

type userCodes struct {
	UserCodes []struct {
		OP       string     `json:"op"`
		UserName string     `json:"user_name"`
		DeviceID string     `json:"device_id"`
		SetAt    *time.Time `json:"set_at"`
	} `json:"user_codes"`
}

// hasCode checks what the API says of it.
func (p *phone) hasCode(want bool) {
	p.w.t.Helper()
	var out userCodes
	p.do("GET", "/v1/user-codes", nil).want(p.w.t, 200, &out)
	if len(out.UserCodes) != 1 || out.UserCodes[0].DeviceID != string(p.device.ID) || (out.UserCodes[0].SetAt != nil) != want {
		p.w.t.Errorf("got %+v, want a code: %v", out, want)
	}
}

func (w *world) verifies(sub, code string) bool {
	w.t.Helper()
	return w.devices.VerifyUserCode(w.t.Context(), device.CodeTry{
		Subject: device.Subject{OP: "corp", Sub: sub}, Client: "till", Code: code,
	}, device.Actor{Kind: device.ActorOP, ID: "corp"}) == nil
}

func TestUserCode(t *testing.T) {
	w := newWorld(t)
	p := w.newPhone()
	p.pair("corp", "aiko")
	w.secrets = append(w.secrets, "KTPX7731", "WDJB4711")
	p.hasCode(false)
	p.setCode("KTPX7731").want(t, 204, nil)
	p.hasCode(true)
	if !w.verifies("aiko", "KTPX7731") {
		t.Error("the code is not hers")
	}
	p.setCode("1234").wantProblem(t, 400, "weak_user_code")
	p.setCode("WDJB4711", devicetest.WithoutUV()).wantProblem(t, 403, "passkey_failed")
	assertion := map[string]any{"user_code": "WDJB4711", "assertion": map[string]any{}}
	p.do("POST", p.path("/user-code"), assertion).wantProblem(t, 409, "gesture_missing")
	other := w.newPhone()
	other.pair("corp", "ben")
	other.do("POST", p.path("/user-code/challenge"), map[string]any{}).wantProblem(t, 404, "device_not_found")
	other.do("POST", p.path("/user-code"), assertion).wantProblem(t, 404, "device_not_found")
	other.hasCode(false)
	if !w.verifies("aiko", "KTPX7731") {
		t.Error("what was refused changed the code")
	}
	p.setCode("").want(t, 204, nil)
	p.hasCode(false)
	if w.verifies("aiko", "KTPX7731") {
		t.Error("the code is still hers")
	}
}
