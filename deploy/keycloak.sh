#!/bin/bash
# Starts Keycloak in compose.yaml. Keycloak takes passwords from variables, not
# from files; here they are read just before it starts, so that neither the
# compose file nor `docker inspect` shows them.
set -euo pipefail

secrets="${SECRETS:-/run/secrets}"
home="${KC_HOME:-/opt/keycloak}"

KC_DB_PASSWORD="$(<"$secrets/keycloak_database_password")"
KC_BOOTSTRAP_ADMIN_PASSWORD="$(<"$secrets/keycloak_admin_password")"
# The one URI that Keycloak calls for every CIBA request of every realm.
KC_SPI_CIBA_AUTH_CHANNEL__CIBA_HTTP_AUTH_CHANNEL__HTTP_AUTHENTICATION_CHANNEL_URI="$CIBA_URI?token=$(<"$secrets/op_token")"
export KC_DB_PASSWORD KC_BOOTSTRAP_ADMIN_PASSWORD
export KC_SPI_CIBA_AUTH_CHANNEL__CIBA_HTTP_AUTH_CHANNEL__HTTP_AUTHENTICATION_CHANNEL_URI

exec "$home/bin/kc.sh" start "$@"
