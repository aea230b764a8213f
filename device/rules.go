package device

// Act is what somebody would do to a device.
type Act string

// The acts that a user's own devices may be capable of.
const (
	ActRename  Act = "rename"
	ActRevoke  Act = "revoke"  // for good, with a session alone
	ActLose    Act = "lose"    // the same to another device, with a passkey as well
	ActConfirm Act = "confirm" // let a cooling device be active
	ActCancel  Act = "cancel"  // let it never be
	ActReach   Act = "reach"   // say where it is reached, or try whether it is

	ActLock     Act = "lock"      // have everything stopped for its user, with its passkey as well
	ActUserCode Act = "user_code" // change the user's code, with its passkey as well
)

// May says whether by, a device that somebody holds, may do act to d: nil,
// ErrDeviceNotFound if there is nothing for it there, ErrCooling or
// ErrNotAllowed. Administrators are not asked.
//
// A device does as it likes with itself. A cooling one does nothing to others,
// because all that it has shown is a sign-in at the OP, which may be somebody
// else's by now. And a session alone takes out no other active device: whoever
// stole it could silence all that would have told on him.
func May(by Device, act Act, d Device) error {
	switch {
	case by.User != d.User || by.State == Revoked || d.State == Revoked:
		return ErrDeviceNotFound
	case by.ID == d.ID:
		return mayToItself(by, act)
	case by.State == Cooling:
		return ErrCooling
	}
	switch act {
	case ActRename, ActLose:
		return nil
	case ActRevoke, ActConfirm, ActCancel:
		if d.State == Cooling {
			return nil
		}
	}
	return ErrNotAllowed
}

func mayToItself(d Device, act Act) error {
	switch act {
	case ActRename, ActRevoke, ActReach:
		return nil
	case ActUserCode, ActLock: // which are more than the device's own
		if d.State == Cooling {
			return ErrCooling
		}
		return nil
	}
	return ErrNotAllowed
}

// beginning is the state in which a new device begins. What an administrator
// offers is active at once. What a user offers herself is so if it is her first,
// or takes the place of the active device that this session stood for, which
// could have confirmed it. Otherwise it cools, also where the others cool
// themselves: else a second pairing would jump the wait of the first.
func beginning(offered Actor, had []Device, replaced Device) State {
	if offered.Kind == ActorUser && len(had) > 0 && replaced.State != Active {
		return Cooling
	}
	return Active
}
