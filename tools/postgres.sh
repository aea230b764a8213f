#!/bin/bash
# A PostgreSQL to throw away.
#
#   postgres.sh bindir      prints where the server's programs are
#   postgres.sh start DIR   starts one in DIR (empty, made here), prints its URL
#   postgres.sh durable DIR the same, for measurements
#   postgres.sh stop DIR    stops it and removes DIR
#
# Durability is switched off, but for measurements: the data does not outlive the
# run, and the tests then take a fraction of the time.
set -euo pipefail

bindir() {
	local d
	if command -v initdb >/dev/null && command -v pg_ctl >/dev/null; then
		dirname "$(command -v initdb)"
		return
	fi
	for d in $(ls -d /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin 2>/dev/null | sort -rV); do
		[ -x "$d/initdb" ] && [ -x "$d/pg_ctl" ] && echo "$d" && return
	done
	return 1
}

# as runs a command as the user that owns the server. PostgreSQL refuses to run
# as root, and Debian's package has made a user for it.
as() {
	if [ "$(id -u)" = 0 ]; then
		(cd / && su postgres -s /bin/sh -c 'exec "$0" "$@"' -- "$@")
	else
		"$@"
	fi
}

volatile="-c fsync=off -c full_page_writes=off -c synchronous_commit=off"

# start takes the folder, and settings besides.
start() {
	local dir="$1" settings="$2" bin password port
	bin="$(bindir)"
	password="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
	mkdir -p "$dir"
	# A password although it is thrown away: the superuser of a PostgreSQL may
	# run programs, and anybody on this machine may connect.
	echo "$password" >"$dir/password"
	[ "$(id -u)" = 0 ] && chown -R postgres "$dir"
	chmod 700 "$dir"
	as "$bin/initdb" --no-sync --auth=password --username=postgres --pwfile="$dir/password" \
		--encoding=UTF8 --locale=C --pgdata="$dir/data" >"$dir.log" 2>&1 || { cat "$dir.log" >&2; return 1; }
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		port=$((20000 + RANDOM % 10000)) # below the ports that systems hand out by themselves
		if as "$bin/pg_ctl" --pgdata="$dir/data" --wait --log="$dir/log" --options="-p $port \
			-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300 \
			$settings" start >"$dir.log" 2>&1; then
			rm -f "$dir.log"
			echo "postgres://postgres:$password@127.0.0.1:$port/postgres?sslmode=disable"
			return
		fi
	done
	cat "$dir.log" "$dir/log" >&2
	return 1
}

stop() {
	[ -d "$1/data" ] && as "$(bindir)/pg_ctl" --pgdata="$1/data" --mode=immediate stop >/dev/null 2>&1
	rm -rf "$1" "$1.log"
}

case "${1:-}" in
bindir) bindir ;;
start) start "$2" "$volatile" ;;
durable) start "$2" "" ;;
stop) stop "$2" ;;
*)
	echo "usage: postgres.sh bindir | start DIR | durable DIR | stop DIR" >&2
	exit 2
	;;
esac
