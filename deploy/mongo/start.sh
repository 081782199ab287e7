#!/usr/bin/env bash
# mongod wants its key file to be its own and nobody else's, which a mounted secret is not.
set -euo pipefail
install --owner=mongodb --group=mongodb --mode=0400 /run/secrets/mongo_keyfile /tmp/keyfile
exec docker-entrypoint.sh mongod --replSet rs0 --keyFile /tmp/keyfile --bind_ip_all "$@"
