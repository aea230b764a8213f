package phone

import "time"

// Hurry takes the waiting out of polling and reconnecting.
func (p *Phone) Hurry() {
	p.poll = time.Millisecond
	p.wait = func(int) time.Duration { return time.Millisecond }
}

// Waits has waited told of the n of each reconnect, and calls a connection that
// lived so long a steady one.
func Waits(p *Phone, steady time.Duration, waited func(n int)) {
	p.steady = steady
	p.wait = func(n int) time.Duration { waited(n); return time.Millisecond }
}

// What is pure is tested by itself.
var Backoff = backoff
