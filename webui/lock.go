package webui

import "time"

// Locks is what lock.html shows: one part for each user of this browser.
type Locks struct{ Users []Lock }

// Lock is whether everything is stopped for a user.
type Lock struct {
	Device  string // the browser's own of this user
	Name    string
	OP      string
	At      time.Time // since when; zero: nothing is
	Cooling bool      // the device may not stop anything
}
