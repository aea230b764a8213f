#!/bin/bash
# Installs schemathesis with pip, once for each list of versions, and prints where
# its program is.
set -euo pipefail
cd "$(dirname "$0")"

cache="${MITOME_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mitome}"
home="$cache/schemathesis-$(cksum <schemathesis.txt | cut -d ' ' -f 1)"

if [ ! -f "$home/complete" ]; then
	mkdir -p "$cache"
	echo "installing schemathesis" >&2
	# Not moved into place, as other things are: a venv knows where it stands.
	# The last line marks it whole.
	python3 -m venv --clear "$home" >&2
	"$home/bin/pip" install --quiet --disable-pip-version-check --no-input --require-hashes --requirement schemathesis.txt >&2 </dev/null
	touch "$home/complete"
fi
echo "$home/bin/schemathesis"
