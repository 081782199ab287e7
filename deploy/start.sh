#!/bin/sh
# The weights are in the image. What a node finds out about its processor is kept beside them, so
# their folder's place is in the volume and only a link in it; a folder put there instead stays.
set -eu
mkdir -p "$FORECOURT_CACHE"
if [ -L "$FORECOURT_CACHE/models" ] || [ ! -e "$FORECOURT_CACHE/models" ]; then
  ln -sfn /opt/forecourt/models "$FORECOURT_CACHE/models"
fi
exec "$@"
