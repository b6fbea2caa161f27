#!/usr/bin/env bash
# Installs what the app needs (once) and opens it. Options go to `python -m app` (see --help).
set -euo pipefail
here=$0
while [ -L "$here" ]; do # the script itself, also where a link to it was called
  target=$(readlink "$here")
  case $target in /*) here=$target ;; *) here=$(dirname "$here")/$target ;; esac
done
cd "$(dirname "$here")/.."
. scripts/common.sh
ensure_environment requirements.txt
exec .venv/bin/python -m app "$@"
