#!/bin/bash
# Fetches the axe-core that looks for what people with a screen reader cannot
# use, once, and prints where its script is.
set -euo pipefail

version=4.14.0
sum=2277b0a3ef47af9b52497faa3e71598e86e0a0e5e6eb295207a5657ede4709af

cache="${MITOME_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mitome}"
home="$cache/axe-core-$version"

if [ ! -f "$home/axe.min.js" ]; then
	mkdir -p "$cache"
	tmp="$(mktemp -d "$cache/fetch.XXXXXX")"
	trap 'rm -rf "$tmp"' EXIT
	echo "fetching axe-core $version" >&2
	(cd "$tmp" && npm pack --silent "axe-core@$version" </dev/null >/dev/null)
	if command -v sha256sum >/dev/null; then
		echo "$sum  $tmp/axe-core-$version.tgz" | sha256sum --check --quiet >&2
	fi
	tar -xzf "$tmp/axe-core-$version.tgz" -C "$tmp"
	# Moved into place whole, so that an interrupted run leaves no half of it.
	mv "$tmp/package" "$home" 2>/dev/null || [ -f "$home/axe.min.js" ]
fi
echo "$home/axe.min.js"
