#!/bin/bash
# Builds the current commit twice, in two folders and with two build caches, and
# compares: whoever has the source can check what they were given.
set -euo pipefail
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
version="$(git describe --tags --always)"
for one in a b; do
	git clone --quiet . "$work/$one/src"
	GOCACHE="$work/$one/cache" make --no-print-directory -C "$work/$one/src" build VERSION="$version" >&2
done
if ! cmp "$work/a/src/bin/mitome" "$work/b/src/bin/mitome"; then
	echo 'not reproducible: the two builds differ' >&2
	exit 1
fi
echo "reproducible: $(sha256sum <"$work/a/src/bin/mitome" | cut -d' ' -f1) $version $(go env GOVERSION)"
