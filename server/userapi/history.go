package userapi

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// historyLength is how many decisions are listed: enough to recognize what one
// did, and what one did not.
const historyLength = 20

// pastOut is a request that is over, in a line.
type pastOut struct {
	ID         string    `json:"id"`
	OP         string    `json:"op"`
	ClientName string    `json:"client_name"`
	Kind       string    `json:"kind"`
	State      string    `json:"state"`
	Verdict    string    `json:"verdict,omitempty"`
	At         time.Time `json:"at" doc:"When it was decided, or lapsed"`
	DeviceName string    `json:"device_name,omitempty"`
}

type historyOut struct {
	Body struct {
		Requests []pastOut `json:"requests"`
	}
}

// history lists the last requests of the caller that are over, newest first.
func (h *Handler) history(ctx context.Context, in *InLocale) (*historyOut, error) {
	past, err := h.Approvals.History(ctx, who(ctx), historyLength, in.AcceptLanguage)
	if err != nil {
		return nil, err
	}
	var out historyOut
	out.Body.Requests = make([]pastOut, len(past))
	for i, p := range past {
		var view struct {
			Kind   string                 `json:"kind"`
			Client struct{ Label string } `json:"client"`
		}
		if err := json.Unmarshal(p.View, &view); err != nil {
			return nil, fmt.Errorf("read view of %s: %w", p.Request.ID, err)
		}
		r := p.Request
		one := pastOut{
			ID: string(r.ID), OP: r.OP, ClientName: view.Client.Label, Kind: view.Kind,
			State: string(r.State), At: r.ExpiresAt.UTC(),
		}
		if r.Decision != nil {
			d, err := h.decisionOut(ctx, *r.Decision)
			if err != nil {
				return nil, err
			}
			one.Verdict, one.At, one.DeviceName = d.Verdict, d.At, d.DeviceName
		}
		out.Body.Requests[i] = one
	}
	return &out, nil
}
