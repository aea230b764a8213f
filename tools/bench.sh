#!/bin/bash
# Builds Mitome and its load, and measures the one with the other, on SQLite and
# on a PostgreSQL of its own that syncs what it commits. Standard output is one
# figure a line, `name: value unit`; how far it is goes to standard error.
# Arguments are passed on: tools/bench.sh -only sqlite -length 5s
set -euo pipefail
cd "$(dirname "$0")/.."

# A part that runs alone and is on SQLite, or on no database, needs no PostgreSQL.
case " $* " in
*" -only sqlite "* | *" -only sockets "* | *" -only push "*) postgres=no ;;
*) postgres=yes ;;
esac
[ "$postgres" = no ] || tools/postgres.sh bindir >/dev/null || {
	echo "make bench needs PostgreSQL's server (initdb and pg_ctl), 15 or newer; on Debian: apt-get install postgresql" >&2
	exit 1
}
make --no-print-directory -s build >&2
go build -o bin/bench ./cmd/bench

# Not in /tmp, which may be memory: there nothing would be synced.
work="$(mktemp -d /var/tmp/mitome-bench.XXXXXX)"
chmod 711 "$work" # PostgreSQL runs as a user of its own
trap '[ "$postgres" = no ] || tools/postgres.sh stop "$work/postgres" || true; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
url=
[ "$postgres" = no ] || url="$(tools/postgres.sh durable "$work/postgres")"
TMPDIR="$work" bin/bench -postgres "$url" "$@"
