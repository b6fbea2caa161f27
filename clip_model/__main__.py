"""`python -m clip_model`: the small CLIP's command line, whose long work runs as foreground jobs."""

import sys

from app.jobs import Terminal
from clip_model.cli import main
from generator.program import run_program

if __name__ == "__main__":
    sys.exit(run_program(lambda: main(sys.argv[1:], foreground=Terminal())))
