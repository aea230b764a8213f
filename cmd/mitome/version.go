package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

// release is what the Makefile and the Dockerfile have the linker write there:
// where they build, Go itself may see no repository.
var release string

// Run prints the version.
func (versionCmd) Run(a *app) error {
	v := map[string]string{"version": version(), "go": runtime.Version()}
	return a.show(v, func() { fmt.Fprintf(a.out, "mitome %s (%s)\n", v["version"], v["go"]) })
}

// version is what the build was told, or else recorded of itself: the module's
// version, or the commit that it was built from.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}
