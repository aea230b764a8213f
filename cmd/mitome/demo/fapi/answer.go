package fapi

import (
	"errors"
	"net/http"

	"github.com/mitome-ciba/mitome/device/phone"
)

// answerPath is where the user's answer is asked for.
const answerPath = "/answer"

// errAction is an answer that no phone can give.
var errAction = errors.New("action is neither allow nor deny")

// answer has the phone in software allow or deny the request that the OP's client
// knows as token. Who does not know its auth_req_id cannot: that is 256 bits and
// more, told to the client alone.
func (d *Demo) answer(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST only.", http.StatusMethodNotAllowed)
		return
	}
	q := r.URL.Query()
	id, ok := d.op.Asked(q.Get("token"))
	if !ok {
		http.Error(w, "There is no such request.", http.StatusNotFound)
		return
	}
	switch err := d.decide(id, q.Get("action")); {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.Is(err, errAction):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case phone.ProblemOf(err) != nil:
		p := phone.ProblemOf(err)
		http.Error(w, p.Title, p.Status)
	default:
		d.Log.ErrorContext(r.Context(), "demo phone", "error", err)
		http.Error(w, "The phone could not.", http.StatusBadGateway)
	}
}

// decide is what the user does: she looks at the request, and answers it.
func (d *Demo) decide(id, action string) error {
	d.turn.Lock()
	defer d.turn.Unlock()
	switch action {
	case "allow":
		if _, err := d.phone.Show(id); err != nil {
			return err
		}
		_, err := d.phone.Approve(id, "")
		return err
	case "deny":
		_, err := d.phone.Deny(id, false)
		return err
	}
	return errAction
}
