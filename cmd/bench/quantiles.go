package main

import (
	"fmt"
	"slices"
	"time"
)

// quantiles says how a set of times is spread.
type quantiles struct{ P50, P99, Max time.Duration }

func quantilesOf(all []time.Duration) quantiles {
	if len(all) == 0 {
		return quantiles{}
	}
	slices.Sort(all)
	at := func(share float64) time.Duration { return all[int(share*float64(len(all)-1))] }
	return quantiles{at(.50), at(.99), at(1)}
}

// String implements fmt.Stringer.
func (q quantiles) String() string {
	return fmt.Sprintf("p50 %v, p99 %v, at most %v", q.P50.Round(10*time.Microsecond), q.P99.Round(10*time.Microsecond), q.Max.Round(10*time.Microsecond))
}
