package main

import (
	"fmt"
	"strings"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/op"
	"github.com/mitome-ciba/mitome/approval/policy"
)

// opPages are the pages of docs/ops/README.md; path is from there.
var opPages = []struct{ title, path, seen string }{
	{"Keycloak", "keycloak.md", "the real one"},
	{"Any OP, by Mitome's own API", "../any-op.md", "the commands of the page"},
	{"node-oidc-provider, by Mitome's own API", "node-oidc-provider.md", "the real library"},
	{"go-oidc, by Mitome's own API", "go-oidc.md", "the real library"},
	{"Gravitee Access Management", "gravitee.md", "a stand-in, written from the contract"},
	{"OPs made for Authlete's simulator", "authlete.md", "a stand-in, written from the contract"},
	{"Duende IdentityServer, by Mitome's own API", "duende.md", "nothing: written from its documentation, not run"},
	{"SimpleIdServer, by Mitome's own API", "simpleidserver.md", "nothing: written from its sources, not run"},
}

// carried are the columns of op.Carries, in the words of the table and of doctor.
var carried = []struct {
	hither bool // from the OP to Mitome
	words  string
	does   func(op.Carries) bool
}{
	{true, "name of the client", func(c op.Carries) bool { return c.ClientName }},
	{true, "acr_values", func(c op.Carries) bool { return c.ACRValues }},
	{true, "authorization_details", func(c op.Carries) bool { return c.Details }},
	{true, "user_code", func(c op.Carries) bool { return c.UserCode }},
	{true, "auth_req_id", func(c op.Carries) bool { return c.AuthReqID }},
	{true, "that the client gave up", func(c op.Carries) bool { return c.Cancel }},
	{false, "cause of an early refusal", func(c op.Carries) bool { return c.Refusal }},
	{false, "acr", func(c op.Carries) bool { return c.ACR == op.ACRReached }},
	{false, "amr", func(c op.Carries) bool { return c.AMR }},
	{false, "why it was denied", func(c op.Carries) bool { return c.Reason }},
}

// acrWords says what the ID token says of the acr.
var acrWords = map[op.ACRWord]string{
	op.ACRReached:  "what was reached",
	op.ACRNothing:  "nothing of Mitome's",
	op.ACRAsserted: "what was asked for",
}

const contractsHead = `# OPs

Written by ` + "`mitome config kinds`" + ` from the program itself; do not edit by hand.

| page | checked against |
|---|---|
`

const contractsCarry = `
## What each kind of connection carries

`

const contractsAfter = `
What an OP does not carry is kept all the same: ` + "`mitome request show`" + ` and the evidence have the acr, the amr and the
reason of each decision. Where it would matter, Mitome denies instead:

- An acr that was asked for and not reached is a denial, whatever the OP can be told. An OP that asserts *what was asked
  for* must get all of it: there an approval that reaches only one of two acr values is a denial.
- A ` + "`user_code`" + ` that comes among the client's own parameters, though the contract has no place for one, is a denial
  (` + "`invalid_user_code`" + `): the client trusts that somebody verifies it, and nobody would.
- With ` + "`rules.require_user_code`" + ` a request that brings nothing to type is a denial. Over an OP that forwards no
  ` + "`user_code`" + `, only ` + "`binding_message: type`" + ` brings something.

Before anybody is asked, Mitome looks whether what is asked for can be reached at all: by this request, which may bring nothing
to type, and by the passkeys that this user has. ` + "`mitome doctor`" + ` says of each connection what it carries and which acr
values it can reach.

## acr and amr

` + "`acr_values`" + ` stand in order of preference. Reported is the first that the approval *reached*, and none if none was asked for.
Without ` + "`rules.acr`" + ` these are known:

`

const contractsACR = `
The first entry of ` + "`rules.acr`" + ` replaces that table. ` + "`phr`" + ` and ` + "`phrh`" + ` need a typed code even in a table of one's own,
unless ` + "`rules.phr_without_code`" + ` is set: nobody can steal a passkey by phishing, but a user can be talked into approving what
somebody else has started. ` + "`phrh`" + ` needs a key that is proved to be in hardware even there, and that is reached only with
` + "`rules.attestation: direct`" + ` ([attestation](../attestation.md)).

` + "```yaml" + `
rules:
  acr:
    - {value: "urn:example:loa3", user_verified: true, device_bound: true, user_code: true}
    - {value: "urn:example:loa2", user_verified: true}
` + "```" + `

`

// contractsDoc is the text of docs/ops/README.md.
func contractsDoc() (string, error) {
	var b strings.Builder
	b.WriteString(contractsHead)
	for _, p := range opPages {
		fmt.Fprintf(&b, "| [%s](%s) | %s |\n", p.title, p.path, p.seen)
	}
	b.WriteString(contractsCarry)
	writeContracts(&b)
	b.WriteString(contractsAfter)
	b.WriteString("| acr | verified by PIN or biometry | not synced | proved to be in hardware | a code was typed |\n|---|---|---|---|---|\n")
	for _, l := range policy.DefaultLevels() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", l.Value, mark(l.UserVerified), mark(l.DeviceBound || l.NeedsHardware()), mark(l.NeedsHardware()), mark(l.NeedsCode(false)))
	}
	b.WriteString(contractsACR)
	book, err := policy.New(policy.Rules{}, nil)
	if err != nil {
		return "", err
	}
	amr := book.Grade(approval.Request{}, approval.Ceremony{UserVerified: true}).AMR
	fmt.Fprintf(&b, "`amr` (RFC 8176) says what the passkey's signature shows: `%s`. `hwk` or `swk` stands before it where\n"+
		"an attestation proved where the key is and it cannot leave; never `pin`, `fpt` or `face`, because no signature says by which\n"+
		"of them the user was verified.\n", strings.Join(amr, " "))
	return b.String(), nil
}

// writeContracts writes op.Contracts as a table with a column a kind.
func writeContracts(b *strings.Builder) {
	row := func(head string, cell func(op.Carries) string) {
		b.WriteString("| " + head)
		for _, c := range op.Contracts {
			b.WriteString(" | " + cell(c))
		}
		b.WriteString(" |\n")
	}
	row("", func(c op.Carries) string { return "`" + c.Kind + "`" })
	b.WriteString("|---" + strings.Repeat("|---", len(op.Contracts)) + "|\n")
	for _, f := range carried {
		head := "to the OP: " + f.words
		if f.hither {
			head = "from the OP: " + f.words
		}
		row(head, func(c op.Carries) string { return mark(f.does(c)) })
	}
	row("the ID token's acr", func(c op.Carries) string { return acrWords[c.ACR] })
	b.WriteString("\n")
	for _, c := range op.Contracts {
		fmt.Fprintf(b, "- `%s`, %s: %s\n", c.Kind, c.Title, c.Note)
	}
}

func mark(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
