package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/web"
)

// Request is a request, as administrators see it: without its handle, without
// its code.
type Request struct {
	ID             string             `json:"id"`
	OP             string             `json:"op"`
	User           string             `json:"user,omitempty"`
	ClientID       string             `json:"client_id"`
	ClientName     string             `json:"client_name,omitempty"`
	Scope          []string           `json:"scope,omitempty"`
	BindingMessage string             `json:"binding_message,omitempty"`
	ACRValues      []string           `json:"acr_values,omitempty"`
	State          string             `json:"state"`
	Quiet          string             `json:"quiet,omitempty" doc:"Why it was listed and not pushed: pending_limit, prompt_limit or quiet_hours"`
	CreatedAt      time.Time          `json:"created_at"`
	ExpiresAt      time.Time          `json:"expires_at"`
	Decision       *approval.Decision `json:"decision,omitempty"`
	Report         *Report            `json:"report,omitempty"`
	Deliveries     []Delivery         `json:"deliveries,omitempty" doc:"Only where one request is asked for"`
}

// Delivery is what became of one message to one address of a device. The address
// itself is nobody's business but the channel's.
type Delivery struct {
	Kind       string    `json:"kind" enum:"notify,clear" doc:"The question, or its end"`
	Channel    string    `json:"channel"`
	Device     string    `json:"device"`
	DeviceName string    `json:"device_name,omitempty" doc:"What it is called now"`
	Outcome    string    `json:"outcome" doc:"waiting; done (taken); moot (not needed any more); absent (nobody listened); gone (dead, and removed); broken (our credentials); unfit (the channel never takes it); late (not taken while it mattered)"`
	Cause      string    `json:"cause,omitempty"`
	Attempts   int       `json:"attempts"`
	CreatedAt  time.Time `json:"created_at"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
}

func deliveryOf(d approval.Delivery) Delivery {
	out := Delivery{
		Kind: d.Kind, Channel: string(d.Channel), Device: string(d.Device), DeviceName: d.DeviceName,
		Outcome: d.Outcome, Cause: d.Cause, Attempts: d.Attempts, CreatedAt: d.Created, EndedAt: d.Ended,
	}
	if d.Ended.IsZero() {
		out.Outcome = "waiting"
	}
	return out
}

// Report is what became of telling the OP.
type Report struct {
	State    string `json:"state"`
	Cause    string `json:"cause,omitempty"`
	Attempts int    `json:"attempts"`
}

func (a *API) requestOf(l approval.Listed) Request {
	r := l.Request
	out := Request{
		ID: string(r.ID), OP: r.OP, User: string(r.UserID), ClientID: r.ClientID, ClientName: r.ClientName,
		Scope: r.Scope, BindingMessage: r.BindingMessage, ACRValues: r.ACRValues,
		State: string(r.StateAt(a.Now())), Quiet: string(r.Quiet), Decision: r.Decision,
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}
	if l.Report != approval.NoReport {
		out.Report = &Report{string(l.Report), l.Cause, l.Attempts}
	}
	return out
}

type requestList struct {
	Requests []Request `json:"requests"`
}

// Evidences is where the evidence is; who reads it is written down there.
type Evidences interface {
	// ReadEvidence returns approval.ErrNotFound where there is none.
	ReadEvidence(ctx context.Context, id approval.RequestID, by device.Actor) (approval.Evidence, error)
}

// Evidence is the signed statement of one decision.
type Evidence struct {
	Request string    `json:"request"`
	JWS     string    `json:"jws"`
	At      time.Time `json:"at"`
}

type (
	requestPath struct {
		ID string `path:"id" maxLength:"64"`
	}
	requestQuery struct {
		OP     string `query:"op" maxLength:"32"`
		User   string `query:"user" maxLength:"64"`
		State  string `query:"state" enum:"pending,approved,denied,expired,withdrawn"`
		Unsure bool   `query:"unsure" doc:"Only those of which nobody knows whether the OP heard."`
		Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	}
)

func (a *API) mountRequests(api huma.API) {
	web.Register(api, get("/v1/requests", "list-requests", "List requests, newest first"), a.listRequests)
	web.Register(api, get("/v1/requests/{id}", "get-request", "One request"), a.getRequest)
	web.Register(api, post("/v1/requests/{id}/withdraw", "withdraw-request", "Take a request back", http.StatusOK), a.withdraw)
	web.Register(api, get("/v1/requests/{id}/evidence", "get-evidence", "The signed statement of its decision"), a.getEvidence)
}

func (a *API) listRequests(ctx context.Context, in *requestQuery) (*body[requestList], error) {
	listed, err := a.Listing.ListRequests(ctx, approval.Query{
		OP: in.OP, User: device.UserID(in.User), State: approval.State(in.State), Unsure: in.Unsure, Limit: in.Limit,
	})
	out := requestList{Requests: []Request{}}
	for _, l := range listed {
		out.Requests = append(out.Requests, a.requestOf(l))
	}
	return answer(out, err)
}

func (a *API) getRequest(ctx context.Context, in *requestPath) (*body[Request], error) {
	listed, err := a.Listing.ListRequests(ctx, approval.Query{Request: approval.RequestID(in.ID), Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(listed) == 0 || string(listed[0].Request.ID) != in.ID {
		return nil, approval.ErrNotFound
	}
	deliveries, err := a.Listing.Deliveries(ctx, listed[0].Request.ID)
	out := a.requestOf(listed[0])
	for _, d := range deliveries {
		out.Deliveries = append(out.Deliveries, deliveryOf(d))
	}
	return answer(out, err)
}

func (a *API) withdraw(ctx context.Context, in *requestPath) (*body[Request], error) {
	if _, err := a.Approvals.Recall(ctx, approval.RequestID(in.ID), actorOf(ctx)); err != nil {
		return nil, err
	}
	return a.getRequest(ctx, in)
}

func (a *API) getEvidence(ctx context.Context, in *requestPath) (*body[Evidence], error) {
	e, err := a.Evidence.ReadEvidence(ctx, approval.RequestID(in.ID), actorOf(ctx))
	return answer(Evidence{string(e.Request), e.JWS, e.At.UTC()}, err)
}
