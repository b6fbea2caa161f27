"""The command line, with networks made by hand."""

from typing import Any

from foundation.jobs import Terminal
from foundation.protocols import JobContext
from generator.cli.main import main
from generator.synthesis.models import Model
from tests.generator.standins import Colours, Info, Words
from tests.generator.units.networks import Painter, Sequence

MODELS: dict[str, Any] = {"hand": Painter, "tokens": Sequence, "colours": Colours, "words": Words}


def run(*argv: str) -> int:
    def load(name: str, _device: str, _context: JobContext) -> Model:
        found: Model = MODELS[name]()
        return found

    return main(list(argv), load_model=load, list_models=lambda: [Info(name) for name in MODELS], foreground=Terminal())
