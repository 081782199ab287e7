#!/usr/bin/env bash
# Build the image with buildah, where there is no Docker engine, and hold a call in it.
#
#   deploy/build.sh [--base IMAGE] [--tag NAME] [--call] [-- OPTIONS OF buildah build]
#
# Without --base a Debian bookworm with its own Python is made by debootstrap (as root), so nothing
# but Debian's archive and the package index is asked. --call then runs `forecourt demo --once` in it
# as the image's user. Needs buildah and, without --base, debootstrap:
#   sudo apt-get install --no-install-recommends buildah debootstrap
set -euo pipefail

base=""
tag="localhost/forecourt:0.1.0"
call=false
while [ $# -gt 0 ]; do
  case "$1" in
    --base) base="${2:?--base needs an image}"; shift 2 ;;
    --tag) tag="${2:?--tag needs a name}"; shift 2 ;;
    --call) call=true; shift ;;
    --) shift; break ;;
    *) echo "Unknown option $1; see the head of $0." >&2; exit 2 ;;
  esac
done

cd "$(dirname "$0")/.."
scratch="$(mktemp -d)"
containers=()

clean() {
  for container in "${containers[@]}"; do buildah rm "$container" >/dev/null; done
  rm -rf --one-file-system "$scratch"
}
trap clean EXIT

if [ -z "$base" ]; then
  base="localhost/forecourt-base:bookworm"
  if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm "$scratch/root"
    rm -rf "$scratch"/root/var/cache/apt/archives/*.deb "$scratch"/root/var/lib/apt/lists/*
    container="$(buildah from scratch)"
    containers+=("$container")
    buildah add --quiet "$container" "$scratch/root" /
    buildah commit --quiet "$container" "$base"
  fi
fi

# The Docker format keeps HEALTHCHECK, which OCI's lacks.
buildah build --isolation chroot --format docker --build-arg "BASE=$base" --tag "$tag" "$@" .
buildah images "$tag"

if [ "$call" = true ]; then
  container="$(buildah from --pull-never "$tag")"
  containers+=("$container")
  buildah run --isolation chroot "$container" -- /opt/forecourt/start forecourt demo --once
fi
