package config

import (
	"testing"
	"time"
)

func TestRetentionIsBounded(t *testing.T) {
	for _, tt := range []struct {
		name   string
		keep   Retention
		faults int
	}{
		{"for ever", Retention{}, 0},
		{"as long as allowed", Retention{Deliveries: time.Hour, Requests: 24 * time.Hour, Audit: 24 * time.Hour}, 0},
		{"too short", Retention{Deliveries: time.Minute, Requests: 23 * time.Hour, Audit: time.Hour}, 3},
		{"negative", Retention{Deliveries: -1, Requests: -1, Audit: -1}, 3},
	} {
		var f Faults
		tt.keep.validate(&f)
		if len(f) != tt.faults {
			t.Errorf("%s: got %v, want %d faults", tt.name, f, tt.faults)
		}
	}
}
