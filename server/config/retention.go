package config

import "time"

// Retention is how long what is over is kept. Zero is for ever.
type Retention struct {
	Deliveries time.Duration `koanf:"deliveries" desc:"How long it is kept what became of each message to a device; 0s is for ever." default:"720h"`
	Requests   time.Duration `koanf:"requests" desc:"How long requests that are over are kept, with their evidence; 0s is for ever, otherwise at least 24h." default:"0s"`
	Audit      time.Duration `koanf:"audit" desc:"How long rows of the audit log are kept; 0s is for ever, otherwise at least 24h. Their hashes stay, so that the rest can be verified; docs/audit.md." default:"0s"`
}

// minRetention keeps requests until no OP can repeat them, and rows of the log
// until they are sealed.
const minRetention = 24 * time.Hour

func (r Retention) validate(f *Faults) {
	if r.Deliveries < 0 || r.Deliveries > 0 && r.Deliveries < time.Hour {
		f.add("retention.deliveries", "must be 0s or at least %v.", time.Hour)
	}
	long := func(path string, d time.Duration) {
		if d != 0 && d < minRetention {
			f.add(path, "must be 0s or at least %v.", minRetention)
		}
	}
	long("retention.requests", r.Requests)
	long("retention.audit", r.Audit)
}
