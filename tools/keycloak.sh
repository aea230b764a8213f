#!/bin/bash
# Fetches the Keycloak that the tests run against, once, and prints where it is
# unpacked.
set -euo pipefail

version=26.7.3
sum=77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47

cache="${MITOME_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mitome}"
home="$cache/keycloak-$version"

if [ ! -x "$home/bin/kc.sh" ]; then
	mkdir -p "$cache"
	tmp="$(mktemp -d "$cache/fetch.XXXXXX")"
	trap 'rm -rf "$tmp"' EXIT
	echo "fetching Keycloak $version" >&2
	mvn --batch-mode --quiet org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
		-Dartifact="org.keycloak:keycloak-quarkus-dist:$version:tar.gz" \
		-DoutputDirectory="$tmp" </dev/null >&2
	tar -xzf "$tmp/keycloak-quarkus-dist-$version.tar.gz" -C "$tmp"
	if command -v sha256sum >/dev/null; then
		echo "$sum  $tmp/keycloak-quarkus-dist-$version.tar.gz" | sha256sum --check --quiet >&2
	fi
	# Moved into place whole, so that an interrupted run leaves no half Keycloak.
	mv "$tmp/keycloak-$version" "$home" 2>/dev/null || [ -x "$home/bin/kc.sh" ]
fi
echo "$home"
