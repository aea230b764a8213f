package adminapi_test

import (
	"testing"

	"github.com/mitome-ciba/mitome/device"
)

func TestUserCode(t *testing.T) {
	w := newWorld(t)
	ctx, c, u := t.Context(), w.client, w.user("corp", "s-1", "Aiko")
	verifies := func(code string) bool {
		return w.people.VerifyUserCode(ctx, device.CodeTry{
			Subject: device.Subject{OP: "corp", Sub: "s-1"}, Client: "till", Code: code,
		}, device.Actor{Kind: device.ActorOP, ID: "corp"}) == nil
	}
	w.want(c.SetUserCode(ctx, u.ID, "1234"), "weak_user_code")
	w.want(c.SetUserCode(ctx, "nobody", "KTPX7731"), "user_not_found")
	w.want(c.ClearUserCode(ctx, "nobody"), "user_not_found")
	if err := c.SetUserCode(ctx, u.ID, "ktpx-7731"); err != nil || !verifies("KTPX7731") {
		t.Errorf("set: %v", err)
	}
	for range 2 {
		if err := c.ClearUserCode(ctx, u.ID); err != nil || verifies("KTPX7731") {
			t.Errorf("cleared: %v", err)
		}
	}
}
