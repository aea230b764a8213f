package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
)

// decided is the one type of event.
const decided = "request.decided"

// Event is what is posted.
type Event struct {
	Type      string         `json:"type" enum:"request.decided"`
	Timestamp time.Time      `json:"timestamp" doc:"When the request came to its end"`
	Data      Representation `json:"data"`
}

// Report implements op.Adapter by one Standard Webhook.
func (a *Adapter) Report(ctx context.Context, r approval.Request) error {
	if a.post == nil || !r.State.Final() {
		return nil // the OP asks
	}
	about, err := a.about(ctx, r)
	if err != nil {
		return fmt.Errorf("%w: %w", op.ErrNotSent, err)
	}
	now := a.now()
	body, err := json.Marshal(Event{decided, endOf(r, now), Represent(r, about)})
	if err != nil {
		return fmt.Errorf("%w: %w", op.ErrNotSent, err)
	}
	header, err := a.sign(messageID(r), now, body)
	if err != nil {
		return fmt.Errorf("%w: %w", op.ErrNotSent, err)
	}
	answer, err := a.post.Post(ctx, op.Call{URL: a.cfg.Webhook.URL, Header: header, Body: body})
	if err != nil {
		return err
	}
	if err = answer.Err(); errors.Is(err, op.ErrUnsure) && answer.After > 0 {
		err = &op.Later{Err: err, After: answer.After}
	}
	return err
}

// messageID is the same for every repetition of one report.
func messageID(r approval.Request) string { return "msg_" + string(r.ID) + "_" + string(r.State) }

// endOf is when r came to its end, as far as that is known.
func endOf(r approval.Request, now time.Time) time.Time {
	switch {
	case r.Decision != nil:
		return moment(r.Decision.At)
	case r.State == approval.Expired:
		return moment(r.ExpiresAt)
	}
	return moment(now)
}

// sign makes the headers of Standard Webhooks. Every secret signs: while secrets
// change the OP may know the old one, the new one, or both.
func (a *Adapter) sign(id string, now time.Time, body []byte) (http.Header, error) {
	signatures := make([]string, len(a.signs))
	for i, s := range a.signs {
		var err error
		if signatures[i], err = s.Sign(id, now, body); err != nil {
			return nil, fmt.Errorf("sign webhook: %w", err)
		}
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return h, nil
}
