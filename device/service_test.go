package device_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mitome-ciba/mitome/device"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/store"
	"github.com/mitome-ciba/mitome/server/store/storetest"
)

var admin = device.Actor{Kind: device.ActorAdmin, ID: "root"}

// world is a service on a real store, with a clock that tests move.
type world struct {
	*device.Service
	db  *store.DB
	now time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := storetest.SQLite(t)
	w := &world{db: db, now: time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)}
	w.Service = &device.Service{
		Users: db, Devices: db, Enrollments: db, Ceremonies: db, Lifecycle: db, Gestures: db, Passkeys: db, HintTokens: db, RP: relyingParty(),
		Now: func() time.Time { return w.now },
	}
	return w
}

func (w *world) user(t *testing.T, subject string) device.User {
	t.Helper()
	u, err := w.AddUser(t.Context(), device.User{OP: "corp", Subject: subject, Name: "Aiko"}, admin)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// session stores a session for phones to claim with.
func (w *world) session(t *testing.T, id string) string {
	t.Helper()
	err := w.db.CreateSession(t.Context(), session.Session{
		ID: session.ID(id), JKT: "jkt", CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour), // by the store's clock
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestAddUser(t *testing.T) {
	w := newWorld(t)
	u := w.user(t, "s-1")
	if got, err := w.User(t.Context(), u.ID); err != nil || got != u {
		t.Errorf("got %+v, %v; want %+v", got, err, u)
	}
	tests := []struct {
		name string
		user device.User
		want error
	}{
		{"again", device.User{OP: "corp", Subject: "s-1"}, device.ErrUserExists},
		{"same subject at another OP", device.User{OP: "shop", Subject: "s-1"}, nil},
		{"no subject", device.User{OP: "corp"}, device.ErrSubject},
		{"no OP", device.User{Subject: "s-2"}, device.ErrSubject},
		{"subject too long", device.User{OP: "corp", Subject: strings.Repeat("s", 256)}, device.ErrSubject},
		{"name that turns lines about", device.User{OP: "corp", Subject: "s-3", Name: "a\u202eb"}, device.ErrName},
	}
	for _, tt := range tests {
		if _, err := w.AddUser(t.Context(), tt.user, admin); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	if all, err := w.ListUsers(t.Context(), "corp"); err != nil || len(all) != 1 {
		t.Errorf("got %d users of corp, %v; want 1", len(all), err)
	}
}

func TestHintFindsItsUserInEveryForm(t *testing.T) {
	w := newWorld(t)
	u, other := w.user(t, "s-1"), w.user(t, "s-2")
	for _, h := range []device.Hint{
		{Kind: "email", Value: "Aiko@Example.org"}, {Kind: "phone", Value: "+81 90-1234-5678"},
		{Kind: "username", Value: "Aiko"}, {Kind: "custom:employee", Value: "E-17"},
	} {
		if err := w.AddHint(t.Context(), u.ID, h, admin); err != nil {
			t.Fatalf("%s: %v", h.Kind, err)
		}
	}
	tests := []struct {
		name string
		sub  device.Subject
		want device.UserID
	}{
		{"subject", device.Subject{OP: "corp", Sub: "s-2"}, other.ID},
		{"subject wins", device.Subject{OP: "corp", Sub: "s-2", Hint: device.Hint{Kind: "username", Value: "Aiko"}}, other.ID},
		{"e-mail in other case", device.Subject{OP: "corp", Hint: device.Hint{Kind: "email", Value: " aiko@example.ORG"}}, u.ID},
		{"phone in other groups", device.Subject{OP: "corp", Hint: device.Hint{Kind: "phone", Value: "+81 (90) 12345678"}}, u.ID},
		{"user name", device.Subject{OP: "corp", Hint: device.Hint{Kind: "username", Value: "Aiko"}}, u.ID},
		{"user name in other case", device.Subject{OP: "corp", Hint: device.Hint{Kind: "username", Value: "aiko"}}, ""},
		{"custom", device.Subject{OP: "corp", Hint: device.Hint{Kind: "custom:employee", Value: "E-17"}}, u.ID},
		{"other kind", device.Subject{OP: "corp", Hint: device.Hint{Kind: "custom:badge", Value: "E-17"}}, ""},
		{"other OP", device.Subject{OP: "shop", Hint: device.Hint{Kind: "username", Value: "Aiko"}}, ""},
		{"unknown kind", device.Subject{OP: "corp", Hint: device.Hint{Kind: "shoe size", Value: "42"}}, ""},
		{"nothing", device.Subject{OP: "corp"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := w.FindUser(t.Context(), tt.sub)
			if got.ID != tt.want || (tt.want == "") != errors.Is(err, device.ErrUnknownUser) {
				t.Errorf("got %q, %v; want %q", got.ID, err, tt.want)
			}
		})
	}
	if err := w.AddHint(t.Context(), other.ID, device.Hint{Kind: "email", Value: "AIKO@example.org"}, admin); !errors.Is(err, device.ErrHintTaken) {
		t.Errorf("hint of another: got %v, want %v", err, device.ErrHintTaken)
	}
	for _, h := range []device.Hint{{Kind: "email"}, {Kind: "custom:", Value: "x"}, {Kind: "shoe size", Value: "42"}} {
		if err := w.AddHint(t.Context(), u.ID, h, admin); !errors.Is(err, device.ErrHint) {
			t.Errorf("%+v: got %v, want %v", h, err, device.ErrHint)
		}
	}
	if err := w.AddHint(t.Context(), "nobody", device.Hint{Kind: "username", Value: "x"}, admin); !errors.Is(err, device.ErrUnknownUser) {
		t.Errorf("hint of nobody: got %v, want %v", err, device.ErrUnknownUser)
	}
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	d, _ := w.paired(t, w.user(t, "s-1"), "phone")
	tests := []struct {
		name, in, want string // want is empty for a refusal
	}{
		{"plain", "Aiko's phone", "Aiko's phone"},
		{"space around", "  phone ", "phone"},
		{"Japanese", "愛子のスマホ　予備", "愛子のスマホ　予備"},
		{"composed", "cafe\u0301", "caf\u00e9"},
		{"emoji family is one", strings.Repeat("👨‍👩‍👧‍👦", 20), strings.Repeat("👨‍👩‍👧‍👦", 20)},
		{"64 graphemes", strings.Repeat("é", 64), strings.Repeat("é", 64)},
		{"65 graphemes", strings.Repeat("é", 65), ""},
		{"one grapheme of a thousand marks", "e" + strings.Repeat("\u0301", 1000), ""},
		{"empty", "", ""},
		{"blank", " \u3000 ", ""},
		{"only a joiner", "\u200d", ""},
		{"line break", "a\nb", ""},
		{"escape", "a\x1b[31mb", ""},
		{"bidi override", "phone\u202e", ""},
		{"bidi isolate", "a\u2066b", ""},
		{"zero width space", "a\u200bb", ""},
		{"line separator", "a\u2028b", ""},
		{"private use", "a\ue000b", ""},
		{"unassigned", "a\u0378b", ""},
		{"not UTF-8", "a\xffb", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, err := w.Device(t.Context(), d.ID)
			if err != nil {
				t.Fatal(err)
			}
			want, wantErr := tt.want, error(nil)
			if tt.want == "" {
				want, wantErr = before.Name, device.ErrName
			}
			if err := w.Rename(t.Context(), d.ID, tt.in, admin); !errors.Is(err, wantErr) {
				t.Errorf("got %v, want %v", err, wantErr)
			}
			if after, err := w.Device(t.Context(), d.ID); err != nil || after.Name != want {
				t.Errorf("name is %q, %v; want %q", after.Name, err, want)
			}
		})
	}
}

func TestRevokedDeviceApprovesNothing(t *testing.T) {
	w := newWorld(t)
	u := w.user(t, "s-1")
	d, _ := w.paired(t, u, "phone")
	for range 2 { // twice is no error
		if err := w.Revoke(t.Context(), d.ID, admin); err != nil {
			t.Fatal(err)
		}
	}
	all, err := w.DevicesOf(t.Context(), u.ID)
	if err != nil || len(all) != 1 || all[0].MayApprove() || len(all[0].Addresses) != 0 {
		t.Errorf("got %+v, %v", all, err)
	}
	if s, err := w.db.Session(t.Context(), "phone"); err != nil || len(s.Devices) != 0 {
		t.Errorf("the session still stands for %+v, %v", s.Devices, err)
	}
	unknown := map[string]func(context.Context) error{
		"revoke": func(ctx context.Context) error { return w.Revoke(ctx, "nothing", admin) },
		"rename": func(ctx context.Context) error { return w.Rename(ctx, "nothing", "name", admin) },
	}
	for name, call := range unknown {
		if err := call(t.Context()); !errors.Is(err, device.ErrDeviceNotFound) {
			t.Errorf("%s of nothing: got %v, want %v", name, err, device.ErrDeviceNotFound)
		}
	}
}

func TestAssertionIsOfOneDevice(t *testing.T) {
	w := newWorld(t)
	u := w.user(t, "s-1")
	mine, key := w.paired(t, u, "phone")
	other, _ := w.paired(t, u, "tablet")
	ch := challenge()
	options, err := w.AssertionOptions(t.Context(), mine.ID, ch)
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.VerifyAssertion(t.Context(), mine.ID, ch, key.Get(t, options))
	if err != nil || got.Credential.Device != mine.ID {
		t.Errorf("got %+v, %v", got.Credential, err)
	}
	if _, err := w.VerifyAssertion(t.Context(), other.ID, ch, key.Get(t, options)); !errors.Is(err, device.ErrPasskey) {
		t.Errorf("for the other device: got %v, want %v", err, device.ErrPasskey)
	}
	if _, err := w.VerifyAssertion(t.Context(), "nothing", ch, key.Get(t, options)); !errors.Is(err, device.ErrPasskey) {
		t.Errorf("for no device: got %v, want %v", err, device.ErrPasskey)
	}
}
