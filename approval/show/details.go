package show

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mitome-ciba/mitome/approval"
)

const (
	maxDetails = 40
	maxValue   = 300 // characters
	maxPath    = 100 // characters
)

// labels are the words for facts whose meaning a standard fixes, by the path at
// which it puts them: RFC 9396 with its payment example, the 3-D Secure profile
// of ConnectID, and what FAPI-CIBA suggests for request_context.
var labels = map[string]string{
	"authorization_details.type":                              "detail.type",
	"authorization_details.actions":                           "detail.actions",
	"authorization_details.locations":                         "detail.locations",
	"authorization_details.datatypes":                         "detail.datatypes",
	"authorization_details.identifier":                        "detail.identifier",
	"authorization_details.privileges":                        "detail.privileges",
	"authorization_details.instructedAmount":                  "detail.amount",
	"authorization_details.instructed_amount":                 "detail.amount",
	"authorization_details.creditorName":                      "detail.payee",
	"authorization_details.beneficiary_name":                  "detail.payee",
	"authorization_details.creditorAccount.iban":              "detail.payee_account",
	"authorization_details.creditorAccount.bic":               "detail.payee_bank",
	"authorization_details.debtorAccount.iban":                "detail.account",
	"authorization_details.source_account":                    "detail.account",
	"authorization_details.remittanceInformationUnstructured": "detail.reference",
	"authorization_details.payment_desc":                      "detail.reference",
	"request_context.ip":                                      "detail.ip",
	"request_context.ip_address":                              "detail.ip",
	"request_context.user_agent":                              "detail.user_agent",
	"request_context.device":                                  "detail.device",
	"request_context.device_type":                             "detail.device",
	"request_context.os":                                      "detail.os",
	"request_context.city":                                    "detail.city",
	"request_context.country":                                 "detail.country",
	"request_context.geolocation":                             "detail.place",
	"request_context.location":                                "detail.place",
}

// details lays out everything that came with the request, and says how many
// facts it had to leave out.
func details(w *speaker, context map[string]json.RawMessage) ([]Detail, int) {
	l := layout{w: w}
	for _, name := range slices.Sorted(maps.Keys(context)) {
		if !approval.Withheld(name) {
			l.add(place{}.member(name), parse(context[name]))
		}
	}
	return l.out, l.omitted
}

// place is where a fact stood: name with the indices of lists, path without.
type place struct{ name, path string }

// member is the place of an object's member. A key that looks like a path is
// none: a client must not reach a known label with a name of its own making.
func (p place) member(key string) place {
	if strings.Contains(key, ".") {
		return place{strings.TrimPrefix(p.name+"."+key, "."), unlabelled}
	}
	return place{strings.TrimPrefix(p.name+"."+key, "."), strings.TrimPrefix(p.path+"."+key, ".")}
}

// unlabelled is a path that leads to no label.
const unlabelled = "?"

func (p place) item(i int) place {
	return place{fmt.Sprintf("%s[%d]", p.name, i), p.path}
}

// layout collects details in the order in which they stood.
type layout struct {
	w       *speaker
	out     []Detail
	omitted int
}

// add lays out n and all that is in it.
func (l *layout) add(p place, n node) {
	if text, ok := n.inline(l.w); ok {
		l.put(p, text)
		return
	}
	if n.deep {
		l.omitted++
		return
	}
	for i, kid := range n.kids {
		if n.object {
			l.add(p.member(kid.key), kid)
		} else {
			l.add(p.item(i), kid)
		}
	}
}

// put adds one fact, or counts it where there is no room.
func (l *layout) put(p place, value string) {
	name := approval.Spelled(p.name)
	if len(l.out) == maxDetails {
		l.omitted++
		return
	}
	d := Detail{
		Name: bounded(l.w, name, maxPath), Value: bounded(l.w, approval.Spelled(value), maxValue),
	}
	if d.Label = d.Name; labels[p.path] != "" {
		d.Label, d.Known = l.w.say(labels[p.path]), true
	}
	l.out = append(l.out, d)
}

// The shapes by which a headline is known and written.
var (
	amountName = regexp.MustCompile(`^authorization_details(\[0\])?\.(instructedAmount|instructed_amount)$`)
	money      = regexp.MustCompile(`^(\d{1,15})(\.\d{1,4})? ([A-Z]{3})$`)
)

// headline is what is to be paid, its digits in groups so that a nought too many
// is seen. Of several amounts, or several things to approve, none is it, or the
// others would be overlooked.
func headline(details []Detail) string {
	var found []string
	for _, d := range details {
		if strings.HasPrefix(d.Name, "authorization_details[1]") {
			return ""
		}
		if d.Known && amountName.MatchString(d.Name) {
			found = append(found, d.Value)
		}
	}
	if len(found) != 1 {
		return ""
	}
	m := money.FindStringSubmatch(found[0])
	if m == nil {
		return found[0]
	}
	digits := m[1]
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + m[2] + " " + m[3]
}

// kindOf reads off r what sort of thing it asks for. It goes by the type that
// authorization_details must have (RFC 9396 §2) and by nothing that people wrote.
func kindOf(r approval.Request) Kind {
	list := parse(r.Context["authorization_details"])
	items := list.kids
	if list.object {
		items = []node{list}
	}
	kind := SignIn
	for _, item := range items {
		kind = Action
		for _, kid := range item.kids {
			if kid.key == "type" && strings.Contains(strings.ToLower(kid.text), "payment") {
				return Payment
			}
		}
	}
	return kind
}
