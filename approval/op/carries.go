package op

import "slices"

// Carries is what the contract of one kind of connection carries, each way. It
// describes the wire, not what Mitome does about it: what cannot be carried and
// would matter is denied instead, by package approval/policy.
type Carries struct {
	Kind  string // as configured
	Title string // what speaks it

	// What we hear of the OP.
	ClientName bool // the client's name for people, beside its id
	ACRValues  bool // which acr its client asked for
	Details    bool // authorization_details, request_context and other parameters
	UserCode   bool // the code that its client shows
	AuthReqID  bool // its own name of the request
	Cancel     bool // that it has given the request up

	// What the OP hears of us.
	Refusal bool // in its answer, why a request is put to nobody
	ACR     ACRWord
	AMR     bool
	Reason  bool // why a request was denied

	Note string // in one sentence, what a mark in a table does not say
}

// ACRWord is what an OP's ID token says of the acr.
type ACRWord string

// What an ID token says of the acr.
const (
	ACRReached  ACRWord = "reached"  // what we report
	ACRNothing  ACRWord = "nothing"  // nothing of ours
	ACRAsserted ACRWord = "asserted" // whatever the client asked for, reached or not
)

// Contracts is every kind of connection, in the order of their names. A new kind
// has a row here; a test compares it with the kinds that can be configured, and
// optest with what the adapter does.
var Contracts = []Carries{
	{
		Kind: "authlete", Title: "OPs made for Authlete's simulator",
		ClientName: true, AuthReqID: true, ACR: ACRAsserted,
		Note: "What every approval must reach is this connection's acr_values, because the OP does not say what its client asked for.",
	},
	{
		Kind: "gravitee", Title: "Gravitee Access Management",
		ClientName: true, ACRValues: true, ACR: ACRAsserted,
		Note: "The client's name comes only with client_name_header.",
	},
	{
		Kind: "keycloak", Title: "Keycloak",
		ACRValues: true, Details: true, ACR: ACRNothing,
		Note: "Keycloak passes on five further parameters of 200 characters at most, and drops the others in silence.",
	},
	{
		Kind: "webhook", Title: "Any OP, by Mitome's own API",
		ClientName: true, ACRValues: true, Details: true, UserCode: true, AuthReqID: true, Cancel: true,
		Refusal: true, ACR: ACRReached, AMR: true, Reason: true,
		Note: "The auth_req_id comes as the Idempotency-Key, if the OP does as docs/any-op.md says.",
	},
}

// ContractOf returns the row of a kind.
func ContractOf(kind string) (Carries, bool) {
	i := slices.IndexFunc(Contracts, func(c Carries) bool { return c.Kind == kind })
	if i < 0 {
		return Carries{}, false
	}
	return Contracts[i], true
}
