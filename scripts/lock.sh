#!/usr/bin/env bash
# Writes requirements.lock and requirements-dev.lock anew: every package, those that others bring too, with its version
# and the hashes of its files. Left out are PyTorch and what only it brings: its builds come from several places (PyPI,
# PyTorch's own index for CPUs or a CUDA version), each with hashes of its own, so pip is told the version alone.
# Run it after a change of requirements*.txt, and look at what it changed. It needs the internet.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$PYTHON" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check uv

for name in requirements requirements-dev; do
  # What is installed here, and was tested, is kept to where it fits.
  grep -hoE '^[a-zA-Z0-9._-]+==[^ ;]+' "$name.lock" 2>/dev/null > "$tools/kept" || true
  "$tools/bin/uv" pip compile "$name.txt" --quiet --universal --python-version 3.11 --generate-hashes \
    --constraint "$tools/kept" --no-header --no-annotate --output-file "$tools/$name"
  # An entry begins with a name at the line's start and goes on in indented lines.
  awk '/^[^ ]/ { out = $0 ~ /^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==/ } !out' \
    "$tools/$name" > "$name.lock"
done
