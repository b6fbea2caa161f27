# Shared by start.sh, test.sh and lock.sh: a virtual environment in .venv with pinned packages.
# Sourced, not run; the caller stands in the repository's root.

PYTHON=${PYTHON:-python3}

# Whether everything is installed already, PyTorch's build for CPUs included: then nothing is asked of any index.
is_installed() { # $1: requirements file
  PIP_NO_INDEX=1 PIP_FIND_LINKS= .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$1" 2>/dev/null
}

ensure_environment() { # $1: requirements file, which has a .lock beside it
  local stamp=.venv/installed-$1 lock=${1%.txt}.lock
  if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "CrossMax Studio needs Python 3.11 or newer; set PYTHON to one ('$PYTHON' is older)." >&2
    exit 1
  fi
  [ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
  # The stamp holds the requirements it was made from, so that a change of a pin installs again.
  if ! cat requirements.txt "$1" "$lock" | cmp -s - "$stamp"; then
    if ! is_installed "$1"; then
      echo "Installing the packages of $1 into .venv (once; PyTorch is large)..." >&2
      # First what the lock has: exact versions, and files with the right hashes. Then PyTorch, which it leaves out:
      # of the pinned version, from wherever pip is told to look.
      .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$lock"
      .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$1"
    fi
    cat requirements.txt "$1" "$lock" > "$stamp"
  fi
}
