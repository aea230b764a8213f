package main

import (
	"fmt"
	"strings"

	"github.com/mitome-ciba/mitome/server/adminapi"
)

type requestCmd struct {
	List     requestList     `cmd:"" help:"List requests, newest first."`
	Show     requestShow     `cmd:"" help:"Show one request."`
	Withdraw requestWithdraw `cmd:"" help:"Take a pending request back: nobody can answer it any more."`
}

type requestList struct {
	OP     string `name:"op" help:"Those of this connection."`
	User   string `help:"Those of this user id."`
	State  string `help:"Those in this state: ${enum}." enum:"pending,approved,denied,expired,withdrawn," default:""`
	Unsure bool   `help:"Those of which nobody knows whether the OP heard the outcome."`
	Limit  int    `help:"At most so many." default:"100"`
}

// Run lists requests.
func (c requestList) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	requests, err := client.Requests(a.ctx, adminapi.RequestFilter{
		OP: c.OP, User: c.User, State: c.State, Unsure: c.Unsure, Limit: c.Limit,
	})
	if err != nil {
		return err
	}
	return a.show(requests, func() {
		var rows [][]string
		for _, r := range requests {
			report := ""
			if r.Report != nil {
				report = r.Report.State
			}
			rows = append(rows, []string{r.ID, r.OP, r.ClientID, r.User, r.State, report, when(r.CreatedAt)})
		}
		a.table([]string{"ID", "OP", "CLIENT", "USER", "STATE", "REPORT", "CREATED"}, rows)
	})
}

type requestShow struct {
	Request string `arg:"" help:"Id of the request."`
}

// Run shows one request.
func (c requestShow) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	r, err := client.Request(a.ctx, c.Request)
	if err != nil {
		return err
	}
	return a.showRequest(r)
}

type requestWithdraw struct {
	Request string `arg:"" help:"Id of the request."`
}

// Run withdraws one request.
func (c requestWithdraw) Run(a *app) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	r, err := client.Withdraw(a.ctx, c.Request)
	if err != nil {
		return err
	}
	return a.showRequest(r)
}

// showRequest writes one request, a line for each thing that is known of it.
func (a *app) showRequest(r adminapi.Request) error {
	return a.show(r, func() {
		lines := [][]string{
			{"request", r.ID}, {"state", r.State}, {"op", r.OP}, {"client", r.ClientID}, {"client name", r.ClientName},
			{"user", r.User}, {"scope", strings.Join(r.Scope, " ")}, {"binding message", r.BindingMessage},
			{"acr_values", strings.Join(r.ACRValues, " ")}, {"created", when(r.CreatedAt)}, {"expires", when(r.ExpiresAt)},
		}
		if r.Quiet != "" {
			lines = append(lines, []string{"not pushed", r.Quiet})
		}
		if d := r.Decision; d != nil {
			lines = append(lines, []string{"decision", strings.TrimSpace(string(d.Verdict) + " " + string(d.Reason))},
				[]string{"decided", when(d.At)}, []string{"device", string(d.Device)},
				[]string{"acr", d.ACR}, []string{"amr", strings.Join(d.AMR, " ")})
			if !d.FrozenUntil.IsZero() {
				lines = append(lines, []string{"client frozen", "until " + when(d.FrozenUntil)})
			}
		}
		if rep := r.Report; rep != nil {
			lines = append(lines, []string{"report", fmt.Sprintf("%s after %d attempt(s)", rep.State, rep.Attempts)},
				[]string{"cause", rep.Cause})
		}
		for _, l := range lines {
			fmt.Fprintf(a.out, "%-16s %s\n", l[0], plain(l[1]))
		}
		a.showDeliveries(r.Deliveries)
	})
}

// showDeliveries writes what became of each message to the user's devices.
func (a *app) showDeliveries(deliveries []adminapi.Delivery) {
	if len(deliveries) == 0 {
		return
	}
	var rows [][]string
	for _, d := range deliveries {
		device := d.DeviceName
		if device == "" {
			device = d.Device
		}
		at := d.EndedAt
		if at.IsZero() {
			at = d.CreatedAt
		}
		rows = append(rows, []string{d.Kind, d.Channel, device, d.Outcome, fmt.Sprint(d.Attempts), when(at), d.Cause})
	}
	fmt.Fprintln(a.out)
	a.table([]string{"DELIVERY", "CHANNEL", "DEVICE", "OUTCOME", "ATTEMPTS", "WHEN", "CAUSE"}, rows)
}
