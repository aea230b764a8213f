package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// ballastBytes is how much memory the collector counts besides what is in use.
const ballastBytes = 64 << 20

// ballast returns memory to be held while Mitome serves. Nobody writes to it, so
// the system never provides it; but Go's collector counts it and waits until twice
// as much is in use. A gateway keeps little and throws away much: without ballast
// its few megabytes are walked dozens of times a second under load.
//
// An operator who has told Go how to collect has the last word.
func ballast() []byte {
	if toldHowToCollect() {
		return nil
	}
	debug.FreeOSMemory() // what starting took, which would otherwise stay as long
	return make([]byte, ballastBytes)
}

func toldHowToCollect() bool { return os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" }

// The measures of a spell.
const (
	spellTick  = 5 * time.Second
	spellQuiet = 20 << 20 // bytes thrown away within a tick: with fewer it is quiet; pings to 30,000 sockets take as much
	spellWorth = 8 << 20  // bytes thrown away since memory was last given back: with fewer there is nothing to gain
	spellRest  = 15 * time.Second
)

// spell follows how much is thrown away, and finds the quiet moment in which to
// give memory back. With its ballast the collector may let as much garbage stand
// for hours after a burst: ten thousand phones that connected, and then say
// nothing. Under load it is left alone, which is what the ballast is for.
type spell struct {
	seen, given uint64 // bytes ever allocated, at the last look and when memory was last given back
	at          time.Time
}

// over reports whether now is the moment. Allocated is all that ever was.
func (s *spell) over(allocated uint64, now time.Time) bool {
	quiet := allocated-s.seen < spellQuiet
	s.seen = allocated
	if !quiet || allocated-s.given < spellWorth || now.Sub(s.at) < spellRest {
		return false
	}
	s.given, s.at = allocated, now
	return true
}

// giveBack is a worker that gives memory back in quiet moments.
func giveBack(ctx context.Context) error {
	tick := time.NewTicker(spellTick)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	var s spell
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if metrics.Read(sample); !toldHowToCollect() && s.over(sample[0].Value.Uint64(), now) {
				debug.FreeOSMemory()
			}
		}
	}
}
