#!/bin/bash
# Fetches what examples/node-oidc-provider depends on, once for each lock file,
# and prints the folder: node_modules, and the npm cache that `npm ci` can take
# the same from without a network.
set -euo pipefail
cd "$(dirname "$0")/../examples/node-oidc-provider"

cache="${MITOME_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mitome}"
home="$cache/oidc-provider-$(cksum <package-lock.json | cut -d ' ' -f 1)"

if [ ! -d "$home/node_modules" ]; then
	mkdir -p "$cache"
	tmp="$(mktemp -d "$cache/fetch.XXXXXX")"
	trap 'rm -rf "$tmp"' EXIT
	echo "fetching node-oidc-provider" >&2
	cp package.json package-lock.json "$tmp"
	# npm compares what it fetches with the lock file's checksums.
	(cd "$tmp" && npm ci --cache "$tmp/npm" --ignore-scripts --no-audit --no-fund </dev/null >&2)
	# Moved into place whole, so that an interrupted run leaves no half of it.
	mv "$tmp" "$home" 2>/dev/null || [ -d "$home/node_modules" ]
fi
echo "$home"
