#!/usr/bin/env bash
# Installs what the tests need (once; the browser too) and runs everything: lint, types, tests.
# Options go to pytest.
set -euo pipefail
here=$0
while [ -L "$here" ]; do # the script itself, also where a link to it was called
  target=$(readlink "$here")
  case $target in /*) here=$target ;; *) here=$(dirname "$here")/$target ;; esac
done
cd "$(dirname "$here")/.."
. scripts/common.sh
ensure_environment requirements-dev.txt

if ! command -v chromium >/dev/null && [ -z "${CHROMIUM:-}" ]; then
  if command -v apt-get >/dev/null; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root=sudo
    echo "Installing Chromium for the browser tests..." >&2
    $as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends chromium >/dev/null
  else
    echo "The browser tests need Chromium: install it, or set CHROMIUM to its program." >&2
    exit 1
  fi
fi

# The tests of PostgreSQL start a server of their own; without the programs they are skipped.
if ! command -v initdb >/dev/null && ! compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then
  if command -v apt-get >/dev/null; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root=sudo
    echo "Installing PostgreSQL for its tests..." >&2
    $as_root apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends postgresql >/dev/null ||
      echo "PostgreSQL could not be installed: its tests are skipped." >&2
  fi
fi

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
# Files of tests run side by side, one in each process, and each process computes on one core: small tensors gain
# nothing from more. A process holds models, so there are at most four, whatever the machine. The tests in a browser run
# beside them one after the other, and before them in turn: what they look at lasts seconds.
export OMP_NUM_THREADS=1
if [ $# -gt 0 ]; then
  exec .venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile "$@"
fi
in_browser=$(mktemp)
trap 'rm -f "$in_browser"' EXIT
.venv/bin/python -m pytest -m browser >"$in_browser" 2>&1 &
browser=$!
failed=0
nice -n 5 .venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not browser" || failed=$?
echo "The tests in a browser:"
wait "$browser" || failed=$?
cat "$in_browser"
exit "$failed"
