// Package approval is the heart of Mitome: a CIBA authentication request, the
// states it goes through, and the rules for moving between them.
//
//	                 ┌─ Answered(approve) ─────▶ approved  ─▶ Report, Clear
//	                 ├─ Answered(deny) ────────▶ denied    ─▶ Report, Clear
//	                 ├─ CodeTried, tries spent ▶ denied    ─▶ Report, Clear
//	New ─▶ pending ──┼─ CodeWrong, the last ───▶ denied    ─▶ Report, Clear
//	  └▶ Notify      ├─ Refused ───────────────▶ denied    ─▶ Report, Clear
//	                 ├─ Lapsed ────────────────▶ expired   ─▶ Report, Clear
//	                 └─ Recalled ──────────────▶ withdrawn ─▶ Report unless by the OP, Clear
//
// The rules are one pure function, [Step]. [Service] surrounds it with what it
// must not know: the store, the clock and the passkey check. What the outside
// world has to be told comes out of Step as an [Effect]; the store queues
// effects in the transaction that stores the change, and package server/outbox
// has them carried out by package approval/deliver. Nothing is sent from here.
//
// # Why
//
// A request that Mitome itself cannot admit (an unknown user, a binding message
// that must not be shown) is still stored, denied from the start, where its OP
// can only be told by a report. An unknown user and a user without a device
// thus take the same path, and nobody can tell them apart by the answer or by
// its time.
//
// This package imports neither net/http nor database/sql. The architecture test
// in cmd/mitome keeps it so.
package approval
