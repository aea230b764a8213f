package kiosk

import (
	"context"
	"crypto/rand"
	"errors"
	"mime/multipart"
	"net/http"

	"github.com/mitome-ciba/mitome/approval/rp"
	"github.com/mitome-ciba/mitome/cmd/mitome/demo/counter"
)

// orderView is an order as the page sees it.
type orderView struct {
	ID    string `json:"id,omitempty"`
	Says  string `json:"says,omitempty"`  // the binding message
	State string `json:"state"`           // pending, approved, denied, expired, failed
	Error string `json:"error,omitempty"` // the OP's code where nobody approved
}

// order asks the OP to have something approved by whoever showed the code.
func (k *Kiosk) order(w http.ResponseWriter, r *http.Request) error {
	item, code, err := k.read(w, r)
	if err != nil {
		return err
	}
	says := item.Message[k.words.Speak(r).Lang]
	// A request that has left is in the world: the page that made it may go.
	pending, err := k.conf.Client.Start(context.WithoutCancel(r.Context()), rp.Request{
		LoginHintToken: code, Scope: "openid", BindingMessage: says, AuthorizationDetails: item.details(), RequestedExpiry: asked,
	})
	if err != nil {
		return counter.Refused(err)
	}
	id := rand.Text()
	k.orders.Keep(id, pending)
	counter.Send(w, http.StatusCreated, orderView{ID: id, Says: says, State: "pending"})
	return nil
}

// end answers when the order has ended, which may take minutes.
func (k *Kiosk) end(w http.ResponseWriter, r *http.Request) error {
	pending, err := k.orders.Find(r.PathValue("id"))
	if err != nil {
		return err
	}
	_, err = counter.Wait(w, r, pending) // that it was approved is all that a kiosk wants to know
	v := orderView{}
	v.State, v.Error = counter.Outcome(err)
	counter.Send(w, http.StatusOK, v)
	return nil
}

// maxFields is more than a form has beside its picture.
const maxFields = 16 << 10

// read takes what is bought, and the code from its field or from the picture.
func (k *Kiosk) read(w http.ResponseWriter, r *http.Request) (item Item, code string, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBytes+maxFields)
	if err := r.ParseMultipartForm(maxBytes + maxFields); err != nil { // all of it in memory, nothing on disk
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return item, "", refusal(ErrTooLarge)
		}
		return item, "", counter.ErrInput
	}
	item, ok := itemOf(r.PostFormValue("item"))
	if !ok {
		return item, "", counter.ErrInput
	}
	picture, head, err := r.FormFile("picture")
	if err == nil && head.Size > 0 { // a field that was left alone is sent, too
		defer picture.Close()
		code, err = k.readPicture(r.Context(), picture)
		return item, code, err
	}
	if code, ok = Digits(r.PostFormValue("code")); !ok {
		return item, "", &counter.Refusal{Status: http.StatusBadRequest, Code: "digits"}
	}
	return item, code, nil
}

// readPicture reads one picture at a time.
func (k *Kiosk) readPicture(ctx context.Context, picture multipart.File) (string, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	code, err := Read(picture)
	return code, refusal(err)
}

// refusals are what the page is told of a picture that says nothing.
var refusals = map[error]string{
	ErrNoPicture: "picture_kind", ErrTooLarge: "picture_large", ErrNoCode: "picture_none",
	ErrSeveral: "picture_several", ErrOtherCode: "picture_other",
}

func refusal(err error) error {
	for is, code := range refusals {
		if errors.Is(err, is) {
			return &counter.Refusal{Status: http.StatusBadRequest, Code: code}
		}
	}
	return err
}
