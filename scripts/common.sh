# Shared by start.sh and test.sh: a virtual environment in .venv with pinned packages.
# Sourced, not run; the caller stands in the repository's root.

PYTHON=${PYTHON:-python3}

ensure_environment() { # $1: requirements file
  local stamp=.venv/installed-$1
  if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "CrossMax Studio needs Python 3.11 or newer; set PYTHON to one ('$PYTHON' is older)." >&2
    exit 1
  fi
  [ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
  # The stamp holds the requirements it was made from, so that a change of a pin installs again.
  if ! cat requirements.txt "$1" | cmp -s - "$stamp"; then
    echo "Installing the packages of $1 into .venv (once; PyTorch is large)..." >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$1"
    cat requirements.txt "$1" > "$stamp"
  fi
}
