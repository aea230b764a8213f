package devicetest

import (
	"errors"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
)

func (s Stores) setCode(t *testing.T, u device.UserID, hash string) {
	t.Helper()
	if err := s.UserCodes.SetUserCode(t.Context(), device.UserCodeChange{User: u, Hash: hash}, Admin); err != nil {
		t.Fatal(err)
	}
}

func (s Stores) wantUserCode(t *testing.T, u device.UserID, hash string) {
	t.Helper()
	got, err := s.UserCodes.UserCode(t.Context(), u)
	if err != nil || got.Hash != hash || got.SetAt.IsZero() != (hash == "") {
		t.Errorf("got %+v, %v, want %q", got, err, hash)
	}
}

func userCodeKept(t *testing.T, s Stores) {
	a, b := s.NewUser(t, "corp", "A"), s.NewUser(t, "corp", "B")
	s.wantUserCode(t, a.ID, "")
	s.wantUserCode(t, "nobody", "")
	s.setCode(t, a.ID, "first")
	s.setCode(t, a.ID, "second")
	s.wantUserCode(t, a.ID, "second")
	s.wantUserCode(t, b.ID, "")
	s.setCode(t, a.ID, "")
	s.wantUserCode(t, a.ID, "")
	s.setCode(t, a.ID, "") // there is none
	err := s.UserCodes.SetUserCode(t.Context(), device.UserCodeChange{User: "nobody", Hash: "x"}, Admin)
	if !errors.Is(err, device.ErrUnknownUser) {
		t.Errorf("of nobody: got %v, want %v", err, device.ErrUnknownUser)
	}
}

// userCodeMovesPasskey: a signature that was counted already changes no code.
func userCodeMovesPasskey(t *testing.T, s Stores) {
	u := s.NewUser(t, "corp", "A")
	d := s.NewDevice(t, u, s.Session(t), Start)
	passkeys, err := s.Devices.CredentialsOf(t.Context(), d.ID)
	if err != nil || len(passkeys) != 1 {
		t.Fatal(passkeys, err)
	}
	p := passkeys[0]
	used := device.CredentialUse{ID: p.ID, Before: p.SignCount, SignCount: p.SignCount + 1}
	c := device.UserCodeChange{User: u.ID, Hash: "first", Device: d.ID, Used: &used}
	if err := s.UserCodes.SetUserCode(t.Context(), c, bys(d)); err != nil {
		t.Fatal(err)
	}
	for _, hash := range []string{"second", ""} {
		c.Hash = hash
		if err := s.UserCodes.SetUserCode(t.Context(), c, bys(d)); !errors.Is(err, device.ErrDeviceChanged) {
			t.Errorf("%q: got %v, want %v", hash, err, device.ErrDeviceChanged)
		}
	}
	s.wantUserCode(t, u.ID, "first")
}

func (s Stores) wantTries(t *testing.T, what string, tried device.Tried, want device.CodeTries) {
	t.Helper()
	got, err := s.UserCodes.CodeTries(t.Context(), tried)
	if err != nil || got.Failures != want.Failures || !got.LockedUntil.Equal(want.LockedUntil) || got.Version != want.Version {
		t.Errorf("%s: got %+v, %v, want %+v", what, got, err, want)
	}
}

func codeTriesKept(t *testing.T, s Stores) {
	ctx, u := t.Context(), s.NewUser(t, "corp", "A")
	mine, nobody := device.Tried{User: u.ID, Client: "till"}, device.Tried{Nobody: "nobody 7"}
	for _, tried := range []device.Tried{mine, nobody} {
		s.wantTries(t, "nothing yet", tried, device.CodeTries{})
		next := device.CodeTries{Failures: 3, LockedUntil: Start.Add(time.Minute)}
		if err := s.UserCodes.ChargeUserCode(ctx, tried, next); err != nil {
			t.Fatal(err)
		}
		if err := s.UserCodes.ChargeUserCode(ctx, tried, next); !errors.Is(err, device.ErrCodeConflict) {
			t.Errorf("charged from nothing twice: got %v, want %v", err, device.ErrCodeConflict)
		}
		next.Version = 1
		s.wantTries(t, "charged", tried, next)
		s.setCode(t, u.ID, "another")
		s.wantTries(t, "a new code", tried, next)
		if err := s.UserCodes.LockedUserCode(ctx, tried, 3, Admin); err != nil {
			t.Error(err)
		}
		if err := s.UserCodes.ForgiveUserCode(ctx, tried); err != nil {
			t.Fatal(err)
		}
		s.wantTries(t, "forgiven", tried, device.CodeTries{Version: 2})
		if err := s.UserCodes.ChargeUserCode(ctx, tried, next); !errors.Is(err, device.ErrCodeConflict) {
			t.Errorf("charged from before: got %v, want %v", err, device.ErrCodeConflict)
		}
	}
	s.wantTries(t, "another client", device.Tried{User: u.ID, Client: "kiosk"}, device.CodeTries{})
	if err := s.UserCodes.ForgiveUserCode(ctx, device.Tried{Nobody: "nobody 8"}); err != nil {
		t.Errorf("nothing to forgive: %v", err)
	}
}

func codeChargedByOne(t *testing.T, s Stores) {
	tried := device.Tried{User: s.NewUser(t, "corp", "A").ID, Client: "till"}
	for version := range int64(2) {
		OneWins(t, Race(8, func(int) error {
			return s.UserCodes.ChargeUserCode(t.Context(), tried, device.CodeTries{Failures: int(version) + 1, Version: version})
		}), device.ErrCodeConflict)
	}
}
