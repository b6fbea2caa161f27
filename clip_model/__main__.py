"""`python -m clip_model`: the small CLIP's command line, whose long work runs as foreground jobs."""

import sys

from app.jobs import Terminal
from clip_model.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], foreground=Terminal()))
