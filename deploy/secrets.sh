#!/bin/bash
# Makes the secrets of compose.yaml, each at random, in deploy/secrets. What is
# there already stays as it is.
#
# The folder is yours alone. The files in it can be read by all, because the
# programs in the containers run as other users; what keeps others out is the
# folder.
set -euo pipefail
cd "$(dirname "$0")"

umask 077
mkdir -p secrets
chmod 700 secrets

random() { od -An -v -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# put NAME VALUE writes a secret that is not there yet.
put() {
	[ -e "secrets/$1" ] && return
	printf '%s' "$2" >"secrets/$1.new"
	chmod 444 "secrets/$1.new"
	mv "secrets/$1.new" "secrets/$1"
	echo "made deploy/secrets/$1"
}

put postgres_password "$(random)"
put keycloak_database_password "$(random)"
put keycloak_admin_password "$(random)"
put op_token "$(random)"
put mitome_database_password "$(random)"
put mitome_database_url "postgres://mitome:$(<secrets/mitome_database_password)@postgres/mitome?sslmode=disable"
