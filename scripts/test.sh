#!/usr/bin/env bash
# Installs what the tests need (once; the browser too) and runs everything: lint, types, tests.
#
#     scripts/test.sh           # all of it
#     scripts/test.sh --fast    # for every day: lint, and the tests that are not slow, without a browser
#
# Other options go to pytest.
set -euo pipefail
here=$0
while [ -L "$here" ]; do # the script itself, also where a link to it was called
  target=$(readlink "$here")
  case $target in /*) here=$target ;; *) here=$(dirname "$here")/$target ;; esac
done
cd "$(dirname "$here")/.."
. scripts/common.sh

fast=""
if [ "${1:-}" = --fast ]; then
  fast=yes
  shift
fi

has_browser() { [ -n "${CHROMIUM:-}" ] || command -v chromium-headless-shell chromium >/dev/null; }

# What the system lacks: a browser (Debian's without windows, where there is that), and PostgreSQL, whose tests start a
# server of their own (without it they are skipped).
install_programs() {
  local missing=() browser=chromium-headless-shell
  has_browser || missing+=("$browser")
  command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing+=(postgresql)
  [ ${#missing[@]} -gt 0 ] || return 0
  if command -v apt-get >/dev/null; then
    local as_root=""
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq
    [ "${missing[0]}" != "$browser" ] || apt-cache show "$browser" >/dev/null 2>&1 || missing[0]=chromium
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
}
programs_said=$(mktemp) types_said=$(mktemp) browser_said=$(mktemp)
trap 'rm -f "$programs_said" "$types_said" "$browser_said"' EXIT
if [ -z "$fast" ]; then
  install_programs >"$programs_said" 2>&1 & # beside the packages of Python, which come from elsewhere
  programs=$!
fi
ensure_environment requirements-dev.txt
if [ -z "$fast" ] && ! wait "$programs"; then
  cat "$programs_said" >&2
  echo "Not all programs that the tests use could be installed." >&2
fi
if [ -z "$fast" ] && ! has_browser; then
  echo "The browser tests need Chromium: install it, or set CHROMIUM to its program." >&2
  exit 1
fi

.venv/bin/ruff check .
.venv/bin/ruff format --check .
# Files of tests run side by side, one in each process, and each process computes on one core: small tensors gain
# nothing from more. A process holds models, so there are at most four, whatever the machine; on few cores there is one
# more than cores, since each waits now and then for what it has started. Files with slow tests come
# first (tests/conftest.py), so that none begins when all others are done. The tests in a browser run beside them, and
# before them in turn, since they take longest: one file after the other, or two at a time where there are more than two
# cores.
export OMP_NUM_THREADS=1
unset PYTHONDONTWRITEBYTECODE # else each of many processes compiles all of the program, and all tests, for itself
cores=$(getconf _NPROCESSORS_ONLN)
processes=$((cores < 4 ? cores : 4))
[ -n "$fast" ] || [ "$cores" -gt 3 ] || processes=$((cores + 1)) # fast tests are over before one more has begun
side_by_side=(-n "$processes" --dist loadfile --no-loadscope-reorder)
in_browser=(tests/browser)
[ "$cores" -le 2 ] || in_browser+=(-n 2 --dist loadfile)
failed=0
check_types() { .venv/bin/mypy >"$types_said" 2>&1; }
if [ -n "$fast" ]; then
  .venv/bin/python -m pytest "${side_by_side[@]}" --ignore tests/browser -m "not slow and not browser" "$@" || failed=$?
  exit "$failed"
fi
if [ $# -gt 0 ]; then
  check_types || failed=$?
  .venv/bin/python -m pytest "${side_by_side[@]}" "$@" || failed=$?
else
  .venv/bin/python -m pytest "${in_browser[@]}" >"$browser_said" 2>&1 &
  browser=$!
  (nice -n 10 .venv/bin/mypy >"$types_said" 2>&1) & # whenever the tests wait for something
  types=$!
  nice -n 5 .venv/bin/python -m pytest "${side_by_side[@]}" --ignore tests/browser || failed=$?
  wait "$browser" || failed=$?
  wait "$types" || failed=$?
  echo "The tests in a browser:"
  cat "$browser_said"
fi
echo "The types:"
cat "$types_said"
exit "$failed"
