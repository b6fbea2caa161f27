"""`python -m generator`: the one place where the generator's command line meets our models and our jobs."""

import sys

from app.jobs import Terminal
from generator.cli import main
from robust_model.registry import list_models, load_model

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], load_model=load_model, list_models=list_models, foreground=Terminal()))
