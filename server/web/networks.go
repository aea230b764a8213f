package web

import "net/netip"

// Networks says from where an OP may call, by the name of its connection. A
// connection that is not in it may be called from everywhere.
type Networks map[string][]netip.Prefix

// Admit reports whether a call for the connection may come from ip, which is the
// caller's, trusted proxies apart. Who has no address comes from nowhere.
func (n Networks) Admit(name string, ip netip.Addr) bool {
	allowed, limited := n[name]
	for _, p := range allowed {
		if p.Contains(ip) {
			return true
		}
	}
	return !limited
}
