"""`python -m generator`: the one place where the generator's command line meets our models and our jobs."""

import functools
import sys

from foundation.command_line.commands import asks_what_there_is, print_what_there_is
from foundation.command_line.program import answered, run_program


def run() -> int:
    """Run the command line with the models of this machine."""
    return answered(_run)


def _run() -> int:
    if asks_what_there_is(sys.argv[1:]):
        print_what_there_is()
        return 0
    # Imported here, so that --help answers at once.
    from app.visitors.data_dir import choose_data_dir
    from foundation.jobs import Terminal
    from foundation.memory import reuse_freed
    from generator.cli.main import main
    from generator.vlm.settings import FILE_NAME, read_settings
    from robust_model.zoo.catalogue import open_catalogue

    reuse_freed()
    data = choose_data_dir()
    catalogue = open_catalogue((data.models,), data.downloads)
    return main(
        sys.argv[1:],
        load_model=catalogue.load,
        load_typed=functools.partial(catalogue.load, typed=True),
        list_models=catalogue.known,
        foreground=Terminal(),
        read_vlm=lambda: read_settings(data.root / FILE_NAME),
    )


def program() -> int:
    """Run the installed command `crossmax-generator`."""
    return run_program(run)


if __name__ == "__main__":
    sys.exit(run_program(run))
