package webui

import "time"

// SignIn is what signin.html shows: where a user may sign in to pair by herself.
type SignIn struct {
	OPs []SignInOP
}

// SignInOP is one OP to choose.
type SignInOP struct{ Title, Href string }

// Offer is what offer.html shows: for whom a phone is paired.
type Offer struct {
	Name string // of the user
	OP   string // its title
}

// Unlock is what unlock.html shows.
type Unlock struct {
	To string // the path of ours that was asked for
}

// Devices is what devices.html shows.
type Devices struct {
	Devices []Device
	New     []Device // others that cool, which this browser may confirm or cancel
	Waiting *Device  // this browser's own device, if it cools
}

// Device is one device in a list.
type Device struct {
	ID, Name           string
	OP, User           string // whose device it is
	This               bool   // it is the one that asks
	Cooling            bool
	Synced             bool // some requests cannot be approved on it, because its passkey can be copied
	Unattested         bool // the same, because nobody knows what keeps it
	MayRename, MayLose bool // what the device that asks may do to it
	Paired             time.Time
	ActiveAt           time.Time
	Used               time.Time // zero: not since it was paired
	Doubtful           time.Time // since when notifications may not arrive; zero: they do
}

// CodeWords is what codeword.html shows: one part for each user of this browser.
type CodeWords struct{ Users []CodeWord }

// CodeWord is whether a user has a code of her own.
type CodeWord struct {
	Device   string // this browser's, whose passkey signs for a change
	Name, OP string
	SetAt    time.Time // zero: she has none
	Cooling  bool      // the device may not change it yet
}

// ISO is a time as <time datetime> wants it.
func (s sheet) ISO(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// UTC is a time for browsers whose script did not write it in the local way.
func (s sheet) UTC(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
