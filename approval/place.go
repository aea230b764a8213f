package approval

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
)

// Places says roughly where an address is. Package server/places implements it.
type Places interface {
	// Place returns the zero Place for an address that it knows nothing of.
	Place(netip.Addr) Place
}

// Place is where an address is said to be. Each part may be missing.
type Place struct {
	Country   string            // ISO 3166-1
	Countries map[string]string // its name by language
	City      string            // what makes it the same city; never shown
	Cities    map[string]string // its name by language
	Network   uint              // number of the autonomous system
}

// Relation is how the device that asks stands to the one that is asked. It is
// coarse, and a hint: who uses a VPN is where the VPN is.
type Relation string

// The relations, nearest first.
const (
	SameNetwork Relation = "same_network"
	SameCity    Relation = "same_city"
	SameCountry Relation = "same_country"
	Elsewhere   Relation = "elsewhere"
	Unknown     Relation = "unknown"
)

// Far is what becomes of a request that was made in another country than the one
// in which it is answered. Denying is no matter of places.
type Far string

// The ways.
const (
	FarWarn   Far = "warn"
	FarCode   Far = "code"   // approved only where a code is typed
	FarRefuse Far = "refuse" // never approved
)

// Viewer is who looks at a request.
type Viewer struct {
	Locale string // BCP 47, or an Accept-Language header
	Where  *Where // nil: nothing is said of places
	Unfit  error  // why no passkey of the viewer's device may approve it, in this package's words; nil: one may
}

// Where is what is known of the place of the device that asks, and of the viewer's
// own. No address of one is ever shown to the other.
type Where struct {
	Address  netip.Addr // of the device that asks, as the request said it
	Asks     Place
	Viewer   Place    // zero once the request is over
	Relation Relation // Unknown once the request is over
	Barred   Far      // the rule for which the viewer cannot approve from where she is; empty: she can
}

// where compares the place from which r was asked for with that of the caller. It
// is nil where nobody said an address, or where nothing is known of places.
func (s *Service) where(r Request, w Who) *Where {
	if s.Places == nil {
		return nil
	}
	addr, ok := AskedFrom(r.Context)
	if !ok {
		return nil
	}
	out := &Where{Address: addr, Asks: s.place(addr), Relation: Unknown}
	if r.StateAt(s.Now()) == Pending {
		mine := w.Actor.IP.Unmap()
		out.Viewer = s.place(mine)
		out.Relation = relate(addr, mine, out.Asks, out.Viewer)
		out.Barred = s.farBars(r, out.Relation)
	}
	return out
}

// viewer is the caller as Views knows her.
func (s *Service) viewer(r Request, w Who, locale string) Viewer {
	return Viewer{Locale: locale, Where: s.where(r, w)}
}

// farBars returns the rule for which r cannot be approved from so far away, if there
// is one. A code shows that the user stands before the screen that asks, wherever
// the network says that it is.
func (s *Service) farBars(r Request, to Relation) Far {
	if to != Elsewhere {
		return ""
	}
	switch far := s.Policy.Far(r); {
	case far == FarRefuse, far == FarCode && r.Code.Source == NoCode:
		return far
	}
	return ""
}

// nearEnough returns ErrFar if the caller cannot approve r from where she is now.
func (s *Service) nearEnough(r Request, w Who) error {
	if at := s.where(r, w); at != nil && at.Barred != "" {
		return ErrFar
	}
	return nil
}

func (s *Service) place(a netip.Addr) Place {
	if !public(a) {
		return Place{}
	}
	return s.Places.Place(a)
}

// relate says how a, which is at pa, stands to b, which is at pb. What is not
// known is never far: a private network, a file that does not know an address,
// or a phone behind a proxy must not keep anybody from her work.
func relate(a, b netip.Addr, pa, pb Place) Relation {
	both := func(x, y string) bool { return x != "" && y != "" }
	countries, cities := both(pa.Country, pb.Country), both(pa.City, pb.City)
	switch {
	case !public(a) || !public(b):
		return Unknown
	case near(a, b):
		return SameNetwork
	case countries && pa.Country != pb.Country: // also of one network: some are as wide as the world
		return Elsewhere
	case pa.Network != 0 && pa.Network == pb.Network && (!cities || pa.City == pb.City):
		return SameNetwork
	case cities && pa.City == pb.City:
		return SameCity
	case countries:
		return SameCountry
	}
	return Unknown
}

// near reports whether two addresses are one, or of what one household or office
// is given.
func near(a, b netip.Addr) bool {
	if a.Is4() != b.Is4() {
		return false
	}
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	return err == nil && p.Contains(b)
}

// shared is the space of carrier-grade NAT (RFC 6598), as private as the rest.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// public reports whether a means the same place to everybody.
func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

// ContextName is the extra that tells of the device that asks (FAPI-CIBA).
const ContextName = "request_context"

// IsAddress reports whether a member of request_context of this name holds the
// address of the device that asks.
func IsAddress(member string) bool { return member == "ip" || member == "ip_address" }

// ParseAddress reads an address as clients write it. One of IPv4 in the clothes of
// IPv6 is one of IPv4.
func ParseAddress(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSpace(text))
	return a.Unmap(), err == nil
}

// AskedFrom is the address of the device that asks, as the client says it by way
// of the OP. Of two that differ none is it: which one another reader would take
// cannot be known.
func AskedFrom(c map[string]json.RawMessage) (netip.Addr, bool) {
	raw := []byte(c[ContextName])
	var text string
	if json.Unmarshal(raw, &text) == nil { // some OPs pass a parameter on as the string that it was
		if raw = []byte(text); !strings.HasPrefix(text, "{") {
			return netip.Addr{}, false
		}
	}
	if !json.Valid(raw) {
		return netip.Addr{}, false
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return netip.Addr{}, false
	}
	var found netip.Addr
	for dec.More() {
		name, value, err := nextMember(dec)
		if err != nil {
			return netip.Addr{}, false
		}
		if !IsAddress(name) {
			continue
		}
		a, ok := ParseAddress(value)
		if !ok || found.IsValid() && found != a {
			return netip.Addr{}, false
		}
		found = a
	}
	return found, found.IsValid()
}

// nextMember reads one member of an object; its value is empty if it is no text.
func nextMember(dec *json.Decoder) (name, value string, err error) {
	tok, err := dec.Token()
	if err != nil {
		return "", "", fmt.Errorf("name of member: %w", err)
	}
	var v any
	if err := dec.Decode(&v); err != nil {
		return "", "", fmt.Errorf("member: %w", err)
	}
	name, _ = tok.(string)
	value, _ = v.(string)
	return name, value, nil
}
