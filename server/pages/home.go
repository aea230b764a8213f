package pages

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/webui"
)

// home shows what waits for the session. To a browser that stands for nobody it
// says how it comes to stand for somebody.
func (h *Handler) home(c *gin.Context) error {
	s, ok := h.Sessions.Peek(c.Request)
	if !ok && fromElsewhere(c.Request) {
		return h.bounce(c)
	}
	if ok {
		c.Request = c.Request.WithContext(session.With(c.Request.Context(), s))
	}
	if len(s.Devices) == 0 {
		return h.send(c, screen{name: "welcome", title: "welcome.title", page: webui.Page{
			View: webui.Welcome{SignIn: slices.ContainsFunc(h.OPs, func(o OP) bool { return o.SignIn })},
		}})
	}
	view, err := h.homeView(c, s)
	if err != nil {
		return err
	}
	return h.send(c, screen{name: "home", title: "home.title", page: webui.Page{
		At: "home", Scripts: []string{"home"}, View: view,
	}})
}

func (h *Handler) homeView(c *gin.Context, s session.Session) (webui.Home, error) {
	out := webui.Home{Now: stamp(h.Now())}
	for _, d := range s.Devices {
		if d.State == device.Cooling {
			out.Cooling = append(out.Cooling, webui.Cooling{Name: d.Name, Until: stamp(d.ActiveAt)})
		}
	}
	var err error
	if out.New, err = h.anyNew(c.Request.Context(), s); err != nil {
		return out, err
	}
	codes, err := h.codeView(c.Request.Context(), s)
	if err != nil {
		return out, err
	}
	out.Code = len(codes.Devices) > 0
	w, lang := whoOf(c, s), h.speaker(c).Lang()
	pending, err := h.Approvals.Pending(c.Request.Context(), w)
	if err != nil {
		return out, err
	}
	for _, r := range pending {
		shown, err := h.Approvals.Show(c.Request.Context(), r.ID, w, lang)
		if errors.Is(err, approval.ErrNotFound) || err == nil && shown.Request.State != approval.Pending {
			continue // it ended between the two reads
		}
		if err != nil {
			return out, err
		}
		v := viewOf(shown)
		card := webui.Card{
			ID: string(v.Request), Kind: string(v.Kind), Title: v.Title, Client: v.Client.Label,
			Message: v.BindingMessage, ExpiresAt: stamp(v.ExpiresAt), Left: clock(v.ExpiresAt.Sub(h.Now())),
		}
		if v.Headline != "" {
			card.Title = v.Headline
		}
		out.Waiting = append(out.Waiting, card)
	}
	out.Past, err = h.past(c, w, lang)
	return out, err
}

// pastLength is how many requests that are over are listed: as many as the
// device API lists, by which the script brings the list up to date.
const pastLength = 20

func (h *Handler) past(c *gin.Context, w approval.Who, lang string) (out []webui.Past, err error) {
	ctx := c.Request.Context()
	ended, err := h.Approvals.History(ctx, w, pastLength, lang)
	if err != nil {
		return nil, err
	}
	for _, shown := range ended {
		r := shown.Request
		p := webui.Past{Client: viewOf(shown).Client.Label, State: string(r.State), At: stamp(r.ExpiresAt)}
		if r.Decision != nil {
			p.At = stamp(r.Decision.At)
			if p.Device, err = h.nameOf(c, r.Decision.Device); err != nil {
				return nil, err
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// nameOf is the name of a device, empty if there is none.
func (h *Handler) nameOf(c *gin.Context, id device.DeviceID) (string, error) {
	if id == "" {
		return "", nil
	}
	d, err := h.People.Device(c.Request.Context(), id)
	if err != nil && !errors.Is(err, device.ErrDeviceNotFound) {
		return "", fmt.Errorf("device of decision: %w", err)
	}
	return d.Name, nil
}
