"""`python -m clip_model`: the small CLIP's command line, whose long work runs as foreground jobs."""

import sys

from app.jobs import Terminal
from clip_model.cli import main
from generator.program import run_program


def run() -> int:
    """Run the command line in the foreground."""
    return main(sys.argv[1:], foreground=Terminal())


def program() -> int:
    """Run the installed command `crossmax-clip-model`."""
    return run_program(run)


if __name__ == "__main__":
    sys.exit(run_program(run))
