package webui

// Code is what code.html shows: a code that says at a till who stands there.
type Code struct {
	Devices []CodeDevice // of this browser, active, one a user; the page asks where there are several
	Waits   bool         // there is none yet, because this browser's device is not active
}

// CodeDevice is for whom a code may be shown.
type CodeDevice struct{ ID, OP, User string }
