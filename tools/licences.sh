#!/bin/bash
# Writes docs/licences.md: under which licence each part of the program stands.
# Fails for a licence that is not among those that the project accepts.
set -euo pipefail
cd "$(dirname "$0")/.."
accepted=Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MIT,MPL-2.0,Unlicense
export GOFLAGS=-tags=disable_grpc_modules,nomsgpack
tool=(go tool -modfile=tools/go.mod go-licenses)
if ! said="$("${tool[@]}" check ./cmd/mitome --allowed_licenses="$accepted" 2>&1)"; then
	printf '%s\n' "$said" >&2
	exit 1
fi
"${tool[@]}" report ./cmd/mitome --template=tools/licences.tmpl 2>/dev/null >docs/licences.md.new
mv docs/licences.md.new docs/licences.md
