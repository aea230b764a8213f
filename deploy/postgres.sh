#!/bin/bash
# Run by the image of PostgreSQL when it makes its database, once: a user and a
# database each for Mitome and for Keycloak. Neither can see the other's.
set -euo pipefail

secrets="${SECRETS:-/run/secrets}"

for name in mitome keycloak; do
	password="$(<"$secrets/${name}_database_password")"
	psql -v ON_ERROR_STOP=1 -v name="$name" -v password="$password" --username "${POSTGRES_USER:-postgres}" --dbname postgres <<-'SQL'
		CREATE ROLE :"name" LOGIN PASSWORD :'password';
		CREATE DATABASE :"name" OWNER :"name";
		REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
	SQL
done
