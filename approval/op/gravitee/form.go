package gravitee

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mitome-ciba/mitome/approval"
)

// form is what AM sent. What has been read is taken out of it.
type form map[string][]string

// one takes out a field that must be there once.
func (f form) one(name string) (string, error) {
	v, err := f.most(name)
	if err == nil && (v == "" || name != "state" && (len(v) > maxID || !printable(v))) {
		err = fmt.Errorf("%s is missing or cannot be read", name)
	}
	return v, err
}

// most takes out a field that may be there once at most.
func (f form) most(name string) (string, error) {
	all := f[name]
	delete(f, name)
	switch len(all) {
	case 0:
		return "", nil
	case 1:
		return all[0], nil
	}
	return "", fmt.Errorf("%s is there twice", name) // whichever was shown, AM may mean the other
}

// rest puts into ask what may be missing. What AM did not say by the time of
// writing is kept as it came and shown: to drop it would have the user approve
// something that she has not seen.
func (f form) rest(ask *approval.Ask) (err error) {
	if ask.BindingMessage, err = f.most("message"); err != nil {
		return err
	}
	ask.Scope = strings.Fields(strings.Join(f["scope"], " "))
	ask.ACRValues = strings.Fields(strings.Join(f["acr"], " "))
	delete(f, "scope")
	delete(f, "acr")
	if len(ask.ACRValues) > maxACR {
		return errors.New("too many acr values")
	}
	for name := range f {
		v, err := f.most(name)
		if err != nil {
			return err
		}
		if ask.Context == nil {
			ask.Context = map[string]json.RawMessage{}
		}
		if ask.Context[name], err = shown(v); err != nil {
			return err
		}
	}
	return nil
}

// shown is v as JSON: what it holds if it is an object or a list, as
// authorization_details are, and the text itself otherwise.
func shown(v string) (json.RawMessage, error) {
	if t := strings.TrimSpace(v); strings.HasPrefix(t, "{") || strings.HasPrefix(t, "[") {
		if json.Valid([]byte(t)) {
			return json.RawMessage(t), nil
		}
	}
	return json.Marshal(v)
}
