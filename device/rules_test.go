package device_test

import (
	"errors"
	"testing"

	"github.com/mitome-ciba/mitome/device"
)

// TestMay enumerates: every actor, every state of the target, every act. A row
// that the table forgets fails.
func TestMay(t *testing.T) {
	const (
		ok      = "ok"
		nothing = "not found"
		never   = "not allowed"
		cooling = "cooling"
	)
	sentinel := map[string]error{
		ok: nil, nothing: device.ErrDeviceNotFound, never: device.ErrNotAllowed, cooling: device.ErrCooling,
	}
	acts := []device.Act{device.ActRename, device.ActRevoke, device.ActLose, device.ActConfirm, device.ActCancel, device.ActReach, device.ActUserCode, device.ActLock}
	want := map[string][]string{ // in the order of acts
		//                                   rename   revoke   lose     confirm  cancel   reach    user_code lock
		"active → itself, active":         {ok, ok, never, never, never, ok, ok, ok},
		"active → its other, active":      {ok, never, ok, never, never, never, never, never},
		"active → its other, cooling":     {ok, ok, ok, ok, ok, never, never, never},
		"active → its other, revoked":     {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"cooling → itself, cooling":       {ok, ok, never, never, never, ok, cooling, cooling},
		"cooling → its other, active":     {cooling, cooling, cooling, cooling, cooling, cooling, cooling, cooling},
		"cooling → its other, cooling":    {cooling, cooling, cooling, cooling, cooling, cooling, cooling, cooling},
		"cooling → its other, revoked":    {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"revoked → itself, revoked":       {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"revoked → its other, active":     {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"revoked → its other, cooling":    {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"revoked → its other, revoked":    {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"active → a stranger's, active":   {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"active → a stranger's, cooling":  {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"active → a stranger's, revoked":  {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"cooling → a stranger's, active":  {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"cooling → a stranger's, cooling": {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"cooling → a stranger's, revoked": {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"revoked → a stranger's, active":  {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"revoked → a stranger's, cooling": {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
		"revoked → a stranger's, revoked": {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
	}
	states := []device.State{device.Active, device.Cooling, device.Revoked}
	seen := 0
	for _, byState := range states {
		for _, whose := range []string{"itself", "its other", "a stranger's"} {
			for _, state := range states {
				if whose == "itself" && state != byState {
					continue
				}
				name := string(byState) + " → " + whose + ", " + string(state)
				row, there := want[name]
				if !there {
					t.Fatalf("the table forgets %q", name)
				}
				seen++
				by := device.Device{ID: "me", User: "u1", State: byState}
				d := map[string]device.Device{
					"itself": {ID: "me", User: "u1"}, "its other": {ID: "other", User: "u1"}, "a stranger's": {ID: "other", User: "u2"},
				}[whose]
				d.State = state
				for i, act := range acts {
					if got := device.May(by, act, d); !errors.Is(got, sentinel[row[i]]) || (got == nil) != (row[i] == ok) {
						t.Errorf("%s, %s: got %v, want %s", name, act, got, row[i])
					}
				}
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d of %d rows were tried", seen, len(want))
	}
}

func TestMayNothingUnknown(t *testing.T) {
	by, other := device.Device{ID: "a", User: "u", State: device.Active}, device.Device{ID: "b", User: "u", State: device.Cooling}
	for _, d := range []device.Device{by, other} {
		if err := device.May(by, "unheard of", d); !errors.Is(err, device.ErrNotAllowed) {
			t.Errorf("got %v, want %v", err, device.ErrNotAllowed)
		}
	}
}
