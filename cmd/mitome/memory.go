package main

import (
	"os"
	"runtime/debug"
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
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	debug.FreeOSMemory() // what starting took, which would otherwise stay as long
	return make([]byte, ballastBytes)
}
