package pages_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/show"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/pages"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/web"
	"github.com/mitome-ciba/mitome/webui"
)

var now = time.Date(2026, 7, 1, 9, 0, 0, 0, time.UTC)

// world is what the pages are made of: who looks, what was asked, and who has
// which devices. What is shown of a request is rendered by the real thing.
type world struct {
	hours    approval.Hours
	session  session.Session
	known    bool // the browser has that session
	desk     *session.Desk
	name     string // of the user
	requests []approval.Request
	where    *approval.Where // they are from
	devices  map[device.DeviceID]device.Device
	shower   *show.Shower
	engine   *gin.Engine
	reports  []string
	codeSet  time.Time // when the user's own code was set
	locked   time.Time // since when everything is stopped
	pause    time.Duration
	synced   map[device.DeviceID]bool // whose passkey can be copied
	attested map[device.DeviceID]device.Attested
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ui, err := webui.Load()
	if err != nil {
		t.Fatal(err)
	}
	words, err := show.Load()
	if err != nil {
		t.Fatal(err)
	}
	mine := device.Device{ID: "D1", User: "U1", Name: "Pixel 8", State: device.Active}
	w := &world{
		known: true, name: "Alice", session: session.Session{ID: "S1", Devices: []device.Device{mine}},
		devices: map[device.DeviceID]device.Device{"D1": mine, "D2": {ID: "D2", User: "U1", Name: "Tablet", State: device.Active}},
		shower:  &show.Shower{Catalogue: words, Connections: map[string]show.Connection{"bank": {Title: "Example Bank"}}},
	}
	if w.engine, err = web.NewEngine(slog.New(slog.DiscardHandler), nil); err != nil {
		t.Fatal(err)
	}
	(&pages.Handler{
		UI: ui, Sessions: w, Desks: w, Approvals: w, People: w, Own: w, Codes: w, Locks: w, Quiet: w, OPs: []pages.OP{{Name: "bank", Title: "Example Bank", SignIn: true, Codes: true, Bound: true, Attests: true}},
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
		Violation: func(d string) { w.reports = append(w.reports, d) },
	}).Mount(w.engine)
	return w
}

// Peek implements pages.Sessions.
func (w *world) Peek(*http.Request) (session.Session, bool) { return w.session, w.known }

// PeekDesk implements pages.Desks.
func (w *world) PeekDesk(*http.Request) (session.Desk, bool) {
	if w.desk == nil {
		return session.Desk{}, false
	}
	return *w.desk, true
}

// Pending implements pages.Approvals.
func (w *world) Pending(context.Context, approval.Who) (out []approval.Request, err error) {
	for _, r := range w.requests {
		if r.StateAt(now) == approval.Pending {
			out = append(out, r)
		}
	}
	return out, nil
}

// Show implements pages.Approvals.
func (w *world) Show(_ context.Context, id approval.RequestID, _ approval.Who, locale string) (approval.Shown, error) {
	for _, r := range w.requests {
		if r.ID == id {
			r.State = r.StateAt(now)
			view, err := w.shower.View(r, show.Viewer{Locale: locale, Where: w.where})
			return approval.Shown{Request: r, View: view}, err
		}
	}
	return approval.Shown{}, approval.ErrNotFound
}

// History implements pages.Approvals.
func (w *world) History(ctx context.Context, who approval.Who, _ int, locale string) (out []approval.Shown, err error) {
	for _, r := range w.requests {
		if r.StateAt(now).Final() {
			s, err := w.Show(ctx, r.ID, who, locale)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// Pause implements pages.Approvals.
func (w *world) Pause(context.Context, approval.Who, approval.Request) (time.Duration, error) {
	return w.pause, nil
}

// Device implements pages.People.
func (w *world) Device(_ context.Context, id device.DeviceID) (device.Device, error) {
	d, ok := w.devices[id]
	if !ok {
		return d, device.ErrDeviceNotFound
	}
	return d, nil
}

// User implements pages.Own.
func (w *world) User(_ context.Context, id device.UserID) (device.User, error) {
	u := device.User{ID: id, OP: "bank", Subject: "sub", Name: w.name}
	if id == "U9" {
		u.OP, u.Name = "mall", "Beth"
	}
	return u, nil
}

// OwnDevices implements pages.Own.
func (w *world) OwnDevices(context.Context, device.Caller) ([]device.Device, error) {
	return []device.Device{w.devices["D1"], w.devices["D2"]}, nil
}

// CredentialsOf implements pages.Own.
func (w *world) CredentialsOf(_ context.Context, d device.DeviceID) ([]device.Credential, error) {
	return []device.Credential{{Device: d, BackupEligible: w.synced[d], Attested: w.attested[d]}}, nil
}

// get asks for a page as a browser does; header is pairs of name and value.
func (w *world) get(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
	r.Header.Set("Accept", "text/html")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.engine.ServeHTTP(rec, r)
	return rec
}

// ask adds a request that waits, as change has it.
func (w *world) ask(change func(*approval.Request)) {
	r := approval.Request{
		ID: "R1", OP: "bank", UserID: "U1", ClientID: "corner-books", ClientName: "Corner Books",
		Scope: []string{"openid", "books:lend"}, BindingMessage: "Pay 12400 JPY order 88-1047",
		State: approval.Pending, CreatedAt: now.Add(-time.Minute), ExpiresAt: now.Add(82 * time.Second),
		Context: map[string]json.RawMessage{
			"request_context": json.RawMessage(`{"city":"Osaka","device_type":"Shop terminal"}`),
		},
	}
	if change != nil {
		change(&r)
	}
	w.requests = append(w.requests, r)
}

// payment makes r one of 12400 yen.
func payment(r *approval.Request) {
	r.Context["authorization_details"] = json.RawMessage(`[{"type":"payment_initiation",
		"instructedAmount":{"amount":"12400","currency":"JPY"},"creditorName":"Corner Books Ltd.",
		"remittanceInformationUnstructured":"Order 88-1047"}]`)
	r.Code.Source = approval.CodeUserCode
}
