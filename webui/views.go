package webui

// Error is what error.html shows: what went wrong, and what a person can do.
type Error struct {
	Glyph   string // one character, for the eye only
	Heading string
	Text    string
	Link    *Link
}

// Link is a way on.
type Link struct{ Href, Text string }

// Bounce is what bounce.html shows: the address that was asked for, to be opened
// once more from a page of ours.
type Bounce struct{ Href string }

// Request is what request.html shows: one request, word for word as it will be
// signed, or how it ended. Texts from outside stand each in its own <bdi>.
type Request struct {
	ID       string
	Stage    string   // ask, or one of Ends
	Ends     []string // the ends that a template is wanted for
	ViewHash string   // hex SHA-256 of the bytes that are shown
	Device   string   // the device that decided, if another

	Kind, Title   string
	Headline      string // the amount of a payment
	Client        string
	Initials      string // of Client, for the eye only
	OP            string
	Message       string // the requester's own words
	MessageLabel  string
	Scopes        []Scope
	ScopesLabel   string
	Facts         []Fact // what is asked for
	Started       []Fact // where it was started, as the OP says
	Place         string // where that is, and where the user is, as far as it is known
	Far           string // that it is another country
	Omitted       string // that something could not be shown
	Refused       string // set if it cannot be approved, and says why
	Prompt        string // set if a code must be typed
	Warning       string
	Approve, Deny string
	NotMe         string

	RequestedAt, ExpiresAt, Now string // RFC 3339
	Left                        string // as in 1:22
	Pause                       int    // for how many ms Approve does nothing yet
}

// Scope is one thing that the client may do.
type Scope struct {
	Text  string
	Known bool
}

// Fact is one line of a list of facts.
type Fact struct {
	Label, Value string
	Known        bool
}

// Home is what home.html shows. The script keeps it true while the page is open.
type Home struct {
	Now     string // RFC 3339
	Waiting []Card
	Past    []Past    // newest first
	Cooling []Cooling // devices of this browser that may not answer yet
	New     bool      // another device was paired, and may be confirmed or cancelled here
	Code    bool      // a code can be shown at a till
}

// Card is a request that waits.
type Card struct {
	ID, Kind  string
	Title     string // or the amount of a payment
	Client    string
	Message   string
	ExpiresAt string // RFC 3339
	Left      string // as in 1:22
}

// Past is a request that is over.
type Past struct {
	Client string
	State  string // approved, denied, expired or withdrawn
	At     string // RFC 3339
	Device string // that decided, if one did
}

// Cooling is a device that becomes active by itself.
type Cooling struct {
	Name  string
	Until string // RFC 3339
}

// Welcome is what welcome.html shows to a browser that stands for nobody.
type Welcome struct {
	SignIn bool // there is an OP at which users can sign in to pair a device
}
