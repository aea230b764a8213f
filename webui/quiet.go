package webui

// QuietHours is what quiet.html shows: one part for each user of this browser.
type QuietHours struct{ Users []QuietHour }

// QuietHour is when a user is not to be woken.
type QuietHour struct {
	Device   string // this browser's
	Name, OP string
	Zone     string // empty: she has no quiet hours, and From and To are what is offered
	From, To string // hh:mm
	Cooling  bool   // the device may not change them yet
}
