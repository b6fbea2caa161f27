"""`python -m robust_model`: the classifier's command line, whose long work runs as foreground jobs."""

import sys

from app.jobs import Terminal
from generator.program import run_program
from robust_model.cli import main

if __name__ == "__main__":
    sys.exit(run_program(lambda: main(sys.argv[1:], foreground=Terminal())))
