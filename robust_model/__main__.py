"""`python -m robust_model`: the classifier's command line, whose long work runs as foreground jobs."""

import sys

from app.visitors.data_dir import choose_data_dir
from foundation.catalogue.catalogue import Catalogue
from foundation.command_line.program import run_program
from foundation.jobs import Terminal
from foundation.memory import reuse_freed
from robust_model.cli.main import main
from robust_model.zoo.catalogue import open_catalogue


def run() -> int:
    """Run the command line in the foreground, with the models of this machine."""
    reuse_freed()
    return main(sys.argv[1:], foreground=Terminal(), open_models=open_models)


def open_models() -> Catalogue:
    """The models of this machine, those in the data directory among them."""
    data = choose_data_dir()
    return open_catalogue((data.models,), data.downloads)


def program() -> int:
    """Run the installed command `crossmax-robust-model`."""
    return run_program(run)


if __name__ == "__main__":
    sys.exit(run_program(run))
