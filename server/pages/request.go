package pages

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/rivo/uniseg"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/show"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/webui"
)

// What request.html shows: the question, or one of the ways in which it ended.
const (
	stageAsk               = "ask"
	stageApproved          = "approved"
	stageApprovedElsewhere = "approved_elsewhere"
	stageDenied            = "denied"
	stageDeniedElsewhere   = "denied_elsewhere"
	stageNotMe             = "not_me"      // its client is frozen
	stageNotMeOnly         = "not_me_only" // said without the passkey: nothing follows
	stageStopped           = "stopped"     // everything is
	stageLocked            = "locked"
	stageWeak              = "weak"
	stageExpired           = "expired"
	stageWithdrawn         = "withdrawn"
	stageGone              = "gone"       // not this session's any more
	stageSignedOut         = "signed_out" // no session any more
)

// ends are those that a page which still asks may come to while it is open.
var ends = []string{
	stageApproved, stageApprovedElsewhere, stageDenied, stageDeniedElsewhere, stageNotMe, stageNotMeOnly, stageStopped, stageLocked,
	stageWeak, stageExpired, stageWithdrawn, stageGone, stageSignedOut,
}

// request shows one request, or how it ended.
func (h *Handler) request(c *gin.Context) error {
	s, ok, err := h.who(c)
	if !ok {
		return err
	}
	in := h.speaker(c)
	shown, err := h.Approvals.Show(c.Request.Context(), approval.RequestID(c.Param("id")), whoOf(c, s), in.Lang())
	if err != nil {
		return err
	}
	page, err := h.requestPage(c, s, shown)
	if err != nil {
		return err
	}
	return h.send(c, screen{name: "request", page: page})
}

// requestPage lays out the very bytes that the device will be asked to sign; the
// page's script compares their hash before it lets a passkey sign.
func (h *Handler) requestPage(c *gin.Context, s session.Session, shown approval.Shown) (webui.Page, error) {
	v, r := viewOf(shown), shown.Request
	if v.Request == "" {
		return webui.Page{}, fmt.Errorf("view of %s cannot be read", r.ID)
	}
	sum := sha256.Sum256(shown.View)
	out := layout(v)
	out.ViewHash, out.Now = hex.EncodeToString(sum[:]), stamp(h.Now())
	out.Left = clock(r.ExpiresAt.Sub(h.Now()))
	var by device.DeviceID
	if r.Decision != nil {
		by = r.Decision.Device
	}
	here := standsFor(s, by)
	out.Stage = stageOf(r, here)
	if out.Ends = []string{out.Stage}; out.Stage == stageAsk {
		out.Ends = ends
	}
	if !here {
		var err error
		if out.Device, err = h.nameOf(c, by); err != nil {
			return webui.Page{}, err
		}
	}
	page := webui.Page{Title: v.Title, Kind: string(v.Kind)}
	if out.Stage == stageAsk {
		pause, err := h.Approvals.Pause(c.Request.Context(), whoOf(c, s), r)
		if err != nil {
			return webui.Page{}, err
		}
		out.Pause, page.Scripts = int(pause.Milliseconds()), []string{"request"}
	}
	page.View = out
	return page, nil
}

func standsFor(s session.Session, id device.DeviceID) bool {
	for _, d := range s.Devices {
		if d.ID == id {
			return true
		}
	}
	return false
}

// stageOf is what to show of r.
func stageOf(r approval.Request, here bool) string {
	var reason approval.Reason
	if r.Decision != nil {
		reason = r.Decision.Reason
	}
	switch r.State {
	case approval.Pending:
		return stageAsk
	case approval.Expired:
		return stageExpired
	case approval.Withdrawn:
		return stageWithdrawn
	case approval.Approved:
		if !here {
			return stageApprovedElsewhere
		}
		return stageApproved
	}
	switch {
	case reason == approval.ReasonUserCode:
		return stageLocked
	case reason == approval.ReasonACR:
		return stageWeak
	case !here && r.Decision != nil && r.Decision.Device != "":
		return stageDeniedElsewhere
	case reason == approval.ReasonNotMe && r.Decision.Device != "" && r.Decision.FrozenUntil.IsZero():
		return stageNotMeOnly
	case reason == approval.ReasonNotMe: // of this request, or of another of its client's
		return stageNotMe
	case reason == approval.ReasonLocked:
		return stageStopped
	}
	return stageDenied
}

func viewOf(s approval.Shown) show.View {
	var v show.View
	if json.Unmarshal(s.View, &v) != nil {
		return show.View{}
	}
	return v
}

// layout is the view's own words, each in its place.
func layout(v show.View) webui.Request {
	out := webui.Request{
		ID: string(v.Request), Kind: string(v.Kind), Title: v.Title, Headline: v.Headline,
		Client: v.Client.Label, Initials: initials(v.Client.Label), OP: v.OP,
		Message: v.BindingMessage, MessageLabel: v.Words.Message, ScopesLabel: v.Words.Scopes,
		Omitted: v.Omitted, Refused: v.Refused, Prompt: v.Prompt, Warning: v.Words.Warning,
		Approve: v.Words.Approve, Deny: v.Words.Deny, NotMe: v.Words.NotMe,
		RequestedAt: stamp(v.RequestedAt), ExpiresAt: stamp(v.ExpiresAt),
	}
	if v.Place != nil {
		out.Place, out.Far = v.Place.Text, v.Place.Warning
	}
	for _, s := range v.Scopes {
		out.Scopes = append(out.Scopes, webui.Scope{Text: s.Text, Known: s.Known})
	}
	for _, d := range v.Details {
		f := webui.Fact{Label: d.Label, Value: d.Value, Known: d.Known}
		switch {
		case strings.HasPrefix(d.Name, "request_context"):
			out.Started = append(out.Started, f)
		case v.Kind == show.Payment && d.Known && strings.HasSuffix(d.Name, ".type"): // the chip says that it is a payment
		case v.Headline == "" || !d.Known || d.Value != v.Headline: // else it is said already
			out.Facts = append(out.Facts, f)
		}
	}
	return out
}

// initials are what stands for a name: the first letters of its first two words,
// or one character where characters are as wide as two letters.
func initials(name string) string {
	var out string
	for _, word := range strings.Fields(name) {
		first, _, width, _ := uniseg.FirstGraphemeClusterInString(word, -1)
		if uniseg.StringWidth(out)+width > 2 {
			break
		}
		out += strings.ToUpper(first)
	}
	return out
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// clock is a time as it runs down: 1:22.
func clock(left time.Duration) string {
	s := int(max(0, left+time.Second-1) / time.Second)
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
