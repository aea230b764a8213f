#!/bin/bash
# Makes sure that everything `make test` needs is there. As root on Debian it
# installs what is missing; elsewhere it says what is missing and fails.
set -euo pipefail
cd "$(dirname "$0")"

# PostgreSQL's server programs are not on the PATH on Debian.
have_postgres() { tools_pg="$(./postgres.sh bindir 2>/dev/null)" && [ -n "$tools_pg" ]; }

have_java() {
	local v
	v="$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)" || return 1
	[ "${v:-0}" -ge 17 ]
}

have_node() {
	local v
	v="$(node --version 2>/dev/null)" || return 1
	v="${v#v}"
	[ "${v%%.*}" -ge 20 ]
}

# missing prints one line for each thing that is not there:
# Debian's package, and what it is for.
missing() {
	command -v git >/dev/null || echo "git Git"
	command -v curl >/dev/null || echo "curl curl"
	command -v gcc >/dev/null || echo "gcc a C compiler, for Go's race detector"
	[ -e /usr/include/stdlib.h ] || [ "$(uname)" != Linux ] || echo "libc6-dev the C library's headers, for Go's race detector"
	have_postgres || echo "postgresql PostgreSQL's server (initdb and pg_ctl), 15 or newer"
	have_java || echo "default-jre-headless a Java runtime, 17 or newer"
	command -v mvn >/dev/null || echo "maven Maven, which fetches Keycloak"
	./chromium.sh >/dev/null 2>&1 || echo "chromium Chromium, for the tests of the pages"
	./firefox.sh >/dev/null 2>&1 || echo "firefox-esr Firefox, 152 or newer, for the test of Web Push"
	command -v openssl >/dev/null || echo "openssl OpenSSL, which pages of the documentation use"
	command -v jq >/dev/null || echo "jq jq, with which docs/evidence.md reads evidence"
	command -v xxd >/dev/null || echo "xxd xxd, with which docs/evidence.md reads evidence"
	command -v python3 >/dev/null || echo "python3 Python 3, which a page of the documentation uses"
	python3 -c 'import venv, ensurepip' 2>/dev/null || echo "python3-venv Python's venv, for schemathesis"
	have_node || echo "nodejs Node.js, 20 or newer, for examples/node-oidc-provider"
	command -v npm >/dev/null || echo "npm npm, which fetches axe-core and node-oidc-provider"
	[ -n "$(fc-list :lang=ja 2>/dev/null)" ] || echo "fonts-noto-cjk a Japanese font, for the pictures of the pages"
}

command -v go >/dev/null || {
	echo "make test needs Go $(sed -n 's/^go //p' ../go.mod) or newer: https://go.dev/dl/" >&2
	exit 1
}
list="$(missing)"
[ -n "$list" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing: $(cut -d ' ' -f 1 <<<"$list" | paste -sd ' ')" >&2
	export DEBIAN_FRONTEND=noninteractive
	{
		apt-get update -q
		# shellcheck disable=SC2046 # one word a package
		apt-get install -q -y --no-install-recommends $(cut -d ' ' -f 1 <<<"$list")
	} >&2 </dev/null
	list="$(missing)"
	[ -n "$list" ] || exit 0
fi
{
	echo "make test needs these, and they are not here:"
	sed 's/^\([^ ]*\) \(.*\)/  - \2 (on Debian: apt-get install \1)/' <<<"$list"
} >&2
exit 1
