#!/usr/bin/env bash
# Make what docker-compose.yml needs for a first try: random secrets, a certificate signed by itself
# and .env. What is there already stays as it is, so this may be run again.
#
#   deploy/prepare.sh HOST ADDRESS [FOLDER]
#
# HOST is the name that browsers use, ADDRESS this machine's IPv4 address as they reach it. FOLDER
# (deploy/secrets) is for its owner alone; the files in it are readable, because containers see
# each file that they are given under users of their own. For real use put a real certificate over
# tls_certificate and tls_key.
set -euo pipefail

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
host="$1"
address="$2"
if ! [[ "$host" =~ ^[A-Za-z]([A-Za-z0-9.-]*[A-Za-z0-9])?$ ]]; then
  echo "$host is not a host name: letters, digits, dots and hyphens, a letter first." >&2
  exit 2
fi
if ! [[ "$address" =~ ^([0-9]{1,3}\.){3}[0-9]{1,3}$ ]]; then
  echo "$address is not an IPv4 address." >&2
  exit 2
fi
root="$(cd "$(dirname "$0")/.." && pwd)"
secrets="${3:-$root/deploy/secrets}"
mkdir -p "$secrets"
chmod 0700 "$secrets"
secrets="$(cd "$secrets" && pwd)"

# keep NAME: standard input becomes the file, whole or not at all, unless there is one.
keep() {
  if [ -e "$secrets/$1" ]; then
    cat >/dev/null
  else
    cat >"$secrets/.$1"
    chmod 0444 "$secrets/.$1"
    mv "$secrets/.$1" "$secrets/$1"
    echo "made $secrets/$1"
  fi
}

# 192 random bits that are safe in URLs and configuration files.
random() { openssl rand -hex 24; }

openssl rand -base64 756 | keep mongo_keyfile
random | keep mongo_root_password
random | keep mongo_password
random | keep redis_password
random | keep turn_secret
printf 'requirepass %s\n' "$(cat "$secrets/redis_password")" | keep redis.conf
printf 'static-auth-secret=%s\n' "$(cat "$secrets/turn_secret")" | keep coturn.conf
keep node.env <<END
FORECOURT_TURN_SECRET=$(cat "$secrets/turn_secret")
FORECOURT_STORE=mongodb://forecourt:$(cat "$secrets/mongo_password")@mongo:27017/forecourt?replicaSet=rs0
FORECOURT_REDIS=redis://:$(cat "$secrets/redis_password")@redis:6379/0
END

if ! [ -e "$secrets/tls_key" ]; then
  rm -f "$secrets/.tls_key" "$secrets/.tls_certificate"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 \
    -subj "/CN=$host" -addext "subjectAltName=DNS:$host" \
    -keyout "$secrets/.tls_key" -out "$secrets/.tls_certificate" 2>/dev/null
  chmod 0444 "$secrets/.tls_key" "$secrets/.tls_certificate"
  mv "$secrets/.tls_certificate" "$secrets/tls_certificate"
  mv "$secrets/.tls_key" "$secrets/tls_key"
  echo "made $secrets/tls_certificate, signed by itself, for 90 days"
fi

environment="${ENV_FILE:-$root/.env}"
if ! [ -e "$environment" ]; then
  sed -e "s|^PUBLIC_HOST=.*|PUBLIC_HOST=$host|" -e "s|^PUBLIC_ADDRESS=.*|PUBLIC_ADDRESS=$address|" \
    -e "s|^SECRETS=.*|SECRETS=$secrets|" "$root/.env.example" >"$environment"
  echo "made $environment"
fi
