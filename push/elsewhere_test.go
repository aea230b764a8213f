package push_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/push"
)

// TestFollower: where a channel says that the device may be elsewhere it is tried
// there once, and remembered there if that worked.
func TestFollower(t *testing.T) {
	gone := fmt.Errorf("%w: no such token", push.ErrGone)
	moved := func(to push.Target) error { return push.Elsewhere(gone, to) }
	for _, tt := range []struct {
		name    string
		answers map[push.Target]error
		unkept  error
		want    error
		asked   []push.Target
		kept    push.Target
	}{
		{"taken at once", nil, nil, nil, []push.Target{"a"}, ""},
		{"gone for good", map[push.Target]error{"a": gone}, nil, push.ErrGone, []push.Target{"a"}, ""},
		{"elsewhere", map[push.Target]error{"a": moved("b")}, nil, nil, []push.Target{"a", "b"}, "b"},
		{"in neither place", map[push.Target]error{"a": moved("b"), "b": moved("a")}, nil, push.ErrGone, []push.Target{"a", "b"}, ""},
		{"not now", map[push.Target]error{"a": moved("b"), "b": push.Later(0, nil)}, nil, push.ErrLater, []push.Target{"a", "b"}, ""},
		{"our credentials", map[push.Target]error{"a": moved("b"), "b": push.ErrBroken}, nil, push.ErrBroken, []push.Target{"a", "b"}, ""},
		{"not remembered", map[push.Target]error{"a": moved("b")}, errors.New("database is down"), nil, []push.Target{"a", "b"}, "b"},
	} {
		var asked []push.Target
		var kept push.Target
		var warned error
		f := push.Follower{
			Send: func(_ context.Context, a push.Address, m push.Message) error {
				if asked = append(asked, a.Target); a.ID != "id" || m.Key != "key" {
					t.Errorf("%s: sent %+v to %+v", tt.name, m, a)
				}
				return tt.answers[a.Target]
			},
			Moved: func(_ context.Context, a push.Address, to push.Target) error {
				if kept = to; a.Target != "a" {
					t.Errorf("%s: moved from %q", tt.name, string(a.Target))
				}
				return tt.unkept
			},
			Warn: func(_ push.AddressID, err error) { warned = err },
		}
		err := f.Deliver(t.Context(), push.Address{ID: "id", Target: "a"}, push.Message{Key: "key"})
		if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if !slices.Equal(asked, tt.asked) || kept != tt.kept || !errors.Is(warned, tt.unkept) {
			t.Errorf("%s: asked %q, kept %q, warned of %v", tt.name, asked, string(kept), warned)
		}
	}
}

// TestElsewhereIsGone: whoever does not follow sees an address that is dead, and
// no error names a target.
func TestElsewhereIsGone(t *testing.T) {
	err := fmt.Errorf("send: %w", push.Elsewhere(push.ErrGone, "the-target"))
	if target, ok := push.ElsewhereOf(err); !ok || target != "the-target" || !errors.Is(err, push.ErrGone) {
		t.Errorf("got %v", err)
	}
	if text := fmt.Sprintf("%v %+v %s", err, err, err); strings.Contains(text, "the-target") {
		t.Errorf("it prints as %s", text)
	}
	if _, ok := push.ElsewhereOf(push.ErrGone); ok {
		t.Error("an address that is gone is elsewhere")
	}
}
