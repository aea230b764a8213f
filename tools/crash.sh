#!/bin/bash
# Kills Mitome at random moments, so many times on each database as the argument
# says, and accounts for every request. Standard output is one line a database; if
# anything does not add up, what and why goes to standard error.
set -euo pipefail
cd "$(dirname "$0")/.."
kills="${1:?how many kills?}"

work="$(mktemp -d /tmp/mitome.XXXXXX)" # not in TMPDIR, which PostgreSQL's user may not reach
chmod 711 "$work"
own=
trap '[ -z "$own" ] || tools/postgres.sh stop "$work/postgres" || true; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -z "${MITOME_TEST_POSTGRES:-}" ]; then
	own=yes
	MITOME_TEST_POSTGRES="$(tools/postgres.sh start "$work/postgres")"
	export MITOME_TEST_POSTGRES
fi

echo "killing Mitome $kills times on each database; that takes about $((kills / 60 + 2)) minutes" >&2
status=0
MITOME_TEST_KILLS="$kills" go test -count=1 -timeout="$((kills / 5 + 30))m" -v -run '^TestCrash$' ./cmd/mitome \
	>"$work/out" 2>&1 </dev/null || status=$?
grep '^crash ' "$work/out" || true
[ "$status" = 0 ] || cat "$work/out" >&2
exit "$status"
