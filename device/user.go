package device

import (
	"net/netip"
	"strings"
	"time"
)

// UserID names a user inside Mitome.
type UserID string

// User is one subject of one OP. Only pairing or an administrator makes users.
type User struct {
	ID        UserID
	OP        string // configured name of the OP
	Subject   string // the OP's own name for the user: the sub claim
	Name      string // for people to read; no rule depends on it
	CreatedAt time.Time
}

// Actor is who is doing this, for the audit log.
type Actor struct {
	Kind ActorKind
	ID   string     // device id, administrator's name or OP's name, with /key if it has several keys; empty for Mitome
	IP   netip.Addr // where the call came from; zero if it came from nowhere
}

// OP is the configured name of the OP that acts, whichever of its keys it used;
// empty if it is not one.
func (a Actor) OP() string {
	if a.Kind != ActorOP {
		return ""
	}
	name, _, _ := strings.Cut(a.ID, "/")
	return name
}

// ActorKind says what sort of actor it is.
type ActorKind string

// The kinds of actor.
const (
	ActorDevice ActorKind = "device"
	ActorPhone  ActorKind = "phone" // a phone in the course of pairing; it has no device id yet
	ActorUser   ActorKind = "user"  // a user at the desk, who has just signed in at her OP; ID is her user id
	ActorAdmin  ActorKind = "admin"
	ActorOP     ActorKind = "op"
	ActorMitome ActorKind = "mitome" // Mitome itself: sweeper, outbox
)

// Mitome is the actor of what happens by itself.
var Mitome = Actor{Kind: ActorMitome}
