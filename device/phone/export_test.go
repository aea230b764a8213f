package phone

import "time"

// Hurry takes the waiting out of polling and reconnecting.
func (p *Phone) Hurry() {
	p.poll = time.Millisecond
	p.wait = func(int) time.Duration { return time.Millisecond }
}

// What is pure is tested by itself.
var Backoff = backoff

const LongestWait = longestWait
