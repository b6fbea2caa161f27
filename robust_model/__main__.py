"""`python -m robust_model`: the classifier's command line, whose long work runs as foreground jobs."""

import sys

from app.jobs import Terminal
from generator.program import run_program
from robust_model.cli import main


def run() -> int:
    """Run the command line in the foreground."""
    return main(sys.argv[1:], foreground=Terminal())


def program() -> int:
    """Run the installed command `crossmax-robust-model`."""
    return run_program(run)


if __name__ == "__main__":
    sys.exit(run_program(run))
