package rp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/mitome-ciba/mitome/approval/rp"
)

// A till asks for a payment and waits until the customer has answered on her
// phone.
func Example() {
	op := exampleOP() // an OP at which alice approves at once
	defer op.Close()
	ctx := context.Background()

	provider, err := rp.Discover(ctx, op.Client(), op.URL)
	if err != nil {
		fmt.Println("no CIBA there:", err)
		return
	}
	till := &rp.Client{Provider: provider, ID: "till", Auth: rp.SecretBasic("secret"), HTTP: op.Client()}
	pending, err := till.Start(ctx, rp.Request{
		LoginHint:       "alice",
		BindingMessage:  "Pay 480 JPY, coffee",
		RequestedExpiry: 2 * time.Minute,
	})
	if errors.Is(err, rp.ErrUnknownUserID) {
		fmt.Println("please pay in cash")
		return
	} else if err != nil {
		fmt.Println(err)
		return
	}
	tokens, err := pending.Wait(ctx)
	switch {
	case errors.Is(err, rp.ErrAccessDenied):
		fmt.Println("she said no")
	case errors.Is(err, rp.ErrExpiredToken):
		fmt.Println("she did not answer in time")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("paid by", tokens.Claims.Subject)
	}
	// Output: paid by alice
}

// A ping or push client serves the endpoint that it has registered with the OP,
// and otherwise does as a poll client does.
func ExampleNotifications() {
	notifications := &rp.Notifications{}
	http.Handle("/ciba/callback", notifications)
	shop := &rp.Client{
		Provider: &rp.Provider{}, // from Discover
		ID:       "shop", Auth: rp.SecretBasic(os.Getenv("CLIENT_SECRET")),
		Mode: rp.Push, Notifications: notifications,
	}
	_ = shop // Start, then Wait
}
