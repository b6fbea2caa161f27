#!/usr/bin/env bash
# Installs what the app needs (once) and opens it. Options go to `python -m app` (see --help).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
ensure_environment requirements.txt
exec .venv/bin/python -m app "$@"
