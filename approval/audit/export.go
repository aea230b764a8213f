package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Format is how an exported row is written.
type Format string

// The formats.
const (
	JSON Format = "json"
	CEF  Format = "cef"  // ArcSight Common Event Format, version 0
	OCSF Format = "ocsf" // Open Cybersecurity Schema Framework 1.3
)

// Export writes r as one line.
func Export(r Row, f Format) (string, error) {
	detail := map[string]string{}
	if r.Detail != "" {
		if err := json.Unmarshal([]byte(r.Detail), &detail); err != nil {
			return "", fmt.Errorf("read detail of %s: %w", r.ID, err)
		}
	}
	switch f {
	case CEF:
		return cef(r, detail), nil
	case OCSF:
		return line(ocsf(r, detail))
	}
	return line(plain{
		ID: r.ID, At: r.At.UTC(), Word: r.Word, ActorKind: r.ActorKind, ActorID: r.ActorID, ActorIP: r.ActorIP,
		Request: r.Request, User: r.User, Device: r.Device, Detail: detail, Erased: len(r.Salt) == 0,
	})
}

func line(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write event: %w", err)
	}
	return string(b), nil
}

// plain is a row in our own words.
type plain struct {
	ID        string            `json:"id"`
	At        time.Time         `json:"at"`
	Word      Word              `json:"word"`
	ActorKind string            `json:"actor_kind,omitempty"`
	ActorID   string            `json:"actor_id,omitempty"`
	ActorIP   string            `json:"actor_ip,omitempty"`
	Request   string            `json:"request,omitempty"`
	User      string            `json:"user,omitempty"`
	Device    string            `json:"device,omitempty"`
	Detail    map[string]string `json:"detail,omitempty"`
	Erased    bool              `json:"erased,omitempty"`
}

// failures are the words after which somebody did not get what was tried. Their
// severity is higher, because a burst of them is what an attack looks like.
var failures = []Word{
	RequestRefused, RequestDenied, CodeTried, UserCodeLocked, SignInRefused, PasskeyRefused, CodeRefused, PairingCancelled, DeviceCancelled, DeviceLost,
}

var (
	inHeader = strings.NewReplacer(`\`, `\\`, `|`, `\|`, "\r", " ", "\n", " ")
	inValue  = strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\r", `\r`, "\n", `\n`)
)

// cef writes r in CEF, whose header and whose values are escaped differently.
func cef(r Row, detail map[string]string) string {
	severity := 3
	if slices.Contains(failures, r.Word) {
		severity = 6
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CEF:0|Mitome|mitome|1|%s|%s|%d|", inHeader.Replace(string(r.Word)), inHeader.Replace(title(r.Word)), severity)
	fmt.Fprintf(&b, "rt=%d externalId=%s", r.At.UnixMilli(), inValue.Replace(r.ID))
	for _, x := range [][2]string{
		{"src", r.ActorIP}, {"suser", r.ActorID}, {"spriv", r.ActorKind}, {"duid", r.User}, {"deviceExternalId", r.Device},
		{"cs1", r.Request}, {"outcome", outcome(r.Word)}, {"reason", detail["reason"]}, {"cs2", detailText(detail)},
	} {
		if x[1] == "" {
			continue
		}
		fmt.Fprintf(&b, " %s=%s", x[0], inValue.Replace(x[1]))
		switch x[0] {
		case "cs1":
			b.WriteString(" cs1Label=request")
		case "cs2":
			b.WriteString(" cs2Label=detail")
		}
	}
	return b.String()
}

// title is a word for people: "request.code_tried" is "Request code tried".
func title(w Word) string {
	s := strings.NewReplacer(".", " ", "_", " ").Replace(string(w))
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func outcome(w Word) string {
	if slices.Contains(failures, w) {
		return "failure"
	}
	return "success"
}

// detailText is detail in the order of its keys.
func detailText(detail map[string]string) string {
	if len(detail) == 0 {
		return ""
	}
	b, _ := json.Marshal(detail) // sorts; strings can always be written
	return string(b)
}

// class is an OCSF class and the activity in it.
type class struct {
	uid, category, activity int
	name                    string
}

// classOf says which class of OCSF tells of w: 3001 account change, 3002
// authentication, 6003 API activity.
func classOf(w Word) class {
	switch w {
	case RequestApproved, RequestDenied, SignedIn, DeskOpened, SignInRefused, PasskeyRefused, CodeTried:
		return class{3002, 3, 1, "Authentication"} // logon
	case SignedOut:
		return class{3002, 3, 2, "Authentication"} // logoff
	case UserCreated:
		return class{3001, 3, 1, "Account Change"} // create
	case UserCodeSet, UserCodeCleared:
		return class{3001, 3, 3, "Account Change"} // password change
	case UserCodeLocked:
		return class{3001, 3, 9, "Account Change"} // lock
	case PairingCompleted, DeviceActivated, DeviceConfirmed:
		return class{3001, 3, 10, "Account Change"} // a factor more
	case DeviceRevoked, DeviceLost, DeviceCancelled:
		return class{3001, 3, 11, "Account Change"} // a factor less
	}
	return class{6003, 6, 99, "API Activity"} // other
}

// ocsf is r as an event of OCSF.
func ocsf(r Row, detail map[string]string) map[string]any {
	c := classOf(r.Word)
	status, severity := 1, 1
	if outcome(r.Word) == "failure" {
		status, severity = 2, 3
	}
	e := map[string]any{
		"class_uid": c.uid, "class_name": c.name, "category_uid": c.category, "activity_id": c.activity, "activity_name": string(r.Word),
		"type_uid": c.uid*100 + c.activity, "time": r.At.UnixMilli(), "severity_id": severity, "status_id": status, "message": title(r.Word),
		"metadata": map[string]any{
			"version": "1.3.0", "uid": r.ID, "event_code": string(r.Word),
			"product": map[string]string{"name": "mitome", "vendor_name": "Mitome"},
		},
		"actor":    map[string]any{"user": map[string]string{"uid": r.ActorID, "type": r.ActorKind}},
		"unmapped": map[string]any{"request": r.Request, "detail": detail},
	}
	if r.User != "" {
		e["user"] = map[string]string{"uid": r.User}
	}
	if r.Device != "" {
		e["device"] = map[string]any{"uid": r.Device, "type_id": 5} // mobile
	}
	if r.ActorIP != "" {
		e["src_endpoint"] = map[string]string{"ip": r.ActorIP}
	}
	return e
}
