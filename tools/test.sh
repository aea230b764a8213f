#!/bin/bash
# Runs everything: format, vet, and all tests under the race detector, with a
# PostgreSQL and a Keycloak of their own. What is printed last is gotestsum's
# summary; nothing after it, so that a machine can read the end of the output.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/need.sh
MITOME_TEST_KEYCLOAK="$(tools/keycloak.sh)"
export MITOME_TEST_KEYCLOAK
MITOME_TEST_CHROMIUM="$(tools/chromium.sh)"
export MITOME_TEST_CHROMIUM
MITOME_TEST_FIREFOX="$(tools/firefox.sh)"
export MITOME_TEST_FIREFOX
MITOME_TEST_AXE="$(tools/axe.sh)"
export MITOME_TEST_AXE
MITOME_TEST_OIDC_PROVIDER="$(tools/oidc-provider.sh)"
export MITOME_TEST_OIDC_PROVIDER
MITOME_TEST_SCHEMATHESIS="$(tools/schemathesis.sh)"
export MITOME_TEST_SCHEMATHESIS

unformatted="$(gofmt -l .)"
if [ -n "$unformatted" ]; then
	printf 'not formatted, run make fmt:\n%s\n' "$unformatted" >&2
	exit 1
fi

# What is vetted and what is tested are built alike, and so only once. SQLite is C
# turned into Go: to check each of its pointers would take half of all the time.
export MITOME_TEST_BUILD='-race -gcflags=modernc.org/...=-d=checkptr=0'
# shellcheck disable=SC2086 # several flags
go vet $MITOME_TEST_BUILD ./...

work="$(mktemp -d /tmp/mitome.XXXXXX)" # not in TMPDIR, which PostgreSQL's user may not reach
chmod 711 "$work"
trap 'tools/postgres.sh stop "$work/postgres" || true; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# What is found is written down as a case that the tests below fail on, and
# tools/gotest.sh says that something was found.
if [ $# -eq 0 ]; then
	export MITOME_TEST_FUZZ="$work/fuzz"
	FUZZBLIND=1 FUZZTIME=1s tools/fuzz.sh 2>&1 </dev/null | tee "$MITOME_TEST_FUZZ" || true
fi

MITOME_TEST_POSTGRES="$(tools/postgres.sh start "$work/postgres")"
export MITOME_TEST_POSTGRES

export MITOME_TEST_EVENTS="$work/events"
go tool -modfile=tools/go.mod gotestsum --format pkgname-and-test-fails --raw-command -- \
	tools/gotest.sh "$@" </dev/null
