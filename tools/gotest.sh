#!/bin/bash
# What gotestsum runs: go test, and an error if any test was skipped, if one that
# docs/security.md names did not run, or if fuzzing found something. A skipped test
# is a promise that nobody checked. Said on standard error, because gotestsum counts
# that as an error in its summary.
set -uo pipefail

[ $# -gt 0 ] || set -- ./...

# A test binary, and each mitome that one starts, would sleep for a second before
# it ends: so it is with the race detector.
export GORACE=atexit_sleep_ms=0

# Many tests wait more than they work, hence more at once than cores.
# shellcheck disable=SC2086 # several flags
go test -json $MITOME_TEST_BUILD -count=1 -parallel=8 -timeout=30m -skip='^TestNamedTestsRan$' "$@" | tee "$MITOME_TEST_EVENTS"
status=$?
skipped="$(sed -n 's/.*"Action":"skip","Package":"\([^"]*\)","Test":"\([^"]*\)".*/\1 \2/p' "$MITOME_TEST_EVENTS")"
if [ -n "$skipped" ]; then
	sed 's/^/skipped, which make test does not allow: /' <<<"$skipped" >&2
	exit 1
fi
if [ -n "${MITOME_TEST_FUZZ:-}" ] && ! grep -q '^fuzz: .*, none broken$' "$MITOME_TEST_FUZZ"; then
	sed 's/^/fuzzing found something, see above: /' <(tail -n 1 "$MITOME_TEST_FUZZ") >&2
	exit 1
fi

# Last of all: whether the tests that docs/security.md names were among them.
if [ $status = 0 ] && [ "$*" = ./... ]; then
	# shellcheck disable=SC2086 # several flags
	MITOME_TEST_RAN="$MITOME_TEST_EVENTS" go test -json $MITOME_TEST_BUILD -count=1 -run='^TestNamedTestsRan$' ./cmd/mitome
	status=$?
fi
exit $status
