#!/bin/bash
# Runs every fuzz target for FUZZTIME (10s) each, and prints a line of figures for
# each. What breaks one is written to testdata/fuzz beside it, where plain
# `go test` finds it from then on. With arguments: only the packages named. With
# FUZZBLIND=1 nothing is built for it: what `go test -race` has built is run, which
# does not see where an input leads.
set -euo pipefail
cd "$(dirname "$0")/.."

time="${FUZZTIME:-10s}"
work="$(mktemp -d "${TMPDIR:-/tmp}/mitome-fuzz.XXXXXX")"
trap 'rm -rf "$work"' EXIT
# What was found to lead somewhere new is kept between runs.
cache="$(go env GOCACHE)/fuzz"

# ran_out reports whether nothing is wrong but that time was up: Go may take the
# end of the time for a failure where a machine is busy, and names no input then.
ran_out() { grep -qx ' *context deadline exceeded' "$work/out" && ! grep -q 'Failing input\|panic' "$work/out"; }

# A binary that looks for races would sleep for a second before it ends.
export GORACE=atexit_sleep_ms=0

build=-fuzz=.
[ -z "${FUZZBLIND:-}" ] || build="${MITOME_TEST_BUILD:--race}"

targets=0
began=$SECONDS
[ $# -gt 0 ] || readarray -t -O 0 found < <(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u)
[ $# -eq 0 ] || found=("$@")
for package in "${found[@]}"; do
	path="$(go list "$package")"
	# One binary for all targets of a package: linking takes as long as fuzzing.
	# shellcheck disable=SC2086 # several flags
	go test -c $build -o "$work/fuzz" "$package"
	for target in $(grep -h '^func Fuzz' "$package"/*_test.go | sed 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/' | sort); do
		# An input whose way differs from run to run would be made smaller, in vain, for a
		# minute, and nothing else tried meanwhile.
		if ! (cd "$package" && "$work/fuzz" -test.run='^$' -test.fuzz="^$target\$" -test.fuzztime="$time" \
			-test.fuzzminimizetime=20x -test.fuzzcachedir="$cache/$path" -test.timeout=0) >"$work/out" 2>&1 && ! ran_out; then
			cat "$work/out" >&2
			printf 'fuzz: %s %s: broken\n' "$package" "$target" >&2
			exit 1
		fi
		figures="$(sed -n 's/^fuzz: elapsed: [^,]*, execs: \([0-9]*\) .*/\1 runs/p' "$work/out" | tail -n 1)"
		printf '%-28s %-20s %s\n' "${package#./}" "$target" "${figures:-0 runs}"
		targets=$((targets + 1))
	done
done
printf 'fuzz: %d targets of %s each, %d s in all, none broken\n' "$targets" "$time" $((SECONDS - began))
