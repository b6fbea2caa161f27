"""Builds the documents' site for the tests that look at it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("mkdocs", "material", "mkdocstrings_handlers.python")
"""What has to be installed for it."""


def build(folder: Path, *options: str, configuration: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Build the site into a folder, as CONTRIBUTING.md says; what fails is for the caller to look at."""
    file = configuration or ROOT / "mkdocs.yml"
    command = [sys.executable, "-m", "mkdocs", "build", "--config-file", str(file), "--site-dir", str(folder), *options]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=280)
