package main

import (
	"testing"
	"time"
)

// TestSpell: memory is given back once, when it is quiet after much was thrown
// away, and never under load.
func TestSpell(t *testing.T) {
	const mib = 1 << 20
	var s spell
	start := time.Now()
	for _, step := range []struct {
		name      string
		after     time.Duration
		allocated uint64
		want      bool
	}{
		{"while much is thrown away", 5 * time.Second, 100 * mib, false},
		{"under load still", 10 * time.Second, 300 * mib, false},
		{"quiet", 15 * time.Second, 310 * mib, true},
		{"nothing since", 20 * time.Second, 310 * mib, false},
		{"quiet, but a moment ago", 25 * time.Second, 329 * mib, false},
		{"quiet, and long enough ago", 30 * time.Second, 330 * mib, true},
		{"too little to gain", 200 * time.Second, 337 * mib, false},
		{"enough in the end", 205 * time.Second, 338 * mib, true},
	} {
		if got := s.over(step.allocated, start.Add(step.after)); got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
}
