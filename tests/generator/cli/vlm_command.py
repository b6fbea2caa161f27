"""`batch` in a folder of two photos, with an endpoint of a vision-language model."""

from collections.abc import Callable
from pathlib import Path

import pytest

from foundation.errors import StudioError
from foundation.jobs import Terminal
from foundation.protocols import JobContext
from generator.cli.main import main
from generator.synthesis.models import Model
from generator.vlm.settings import read_settings
from tests.generator.standins import Colours, Info, Words
from tests.generator.transfer.standins import save_photos
from tests.generator.vlm.server import FAST, KEY, Endpoint

MODELS: dict[str, Callable[[], Model]] = {"colours": Colours, "words": Words}
QUICK = ["--steps", "3", "--resolutions", "1..4,8", "--views", "identity", "--eps", "0.2", "--learning-rate", "0.5"]
BATCH = ["batch", "photos", "--out", "out", "--model", "colours", "--class", "green", *QUICK]
Run = Callable[..., int]


def vlm_command(monkeypatch: pytest.MonkeyPatch, folder: Path, endpoint: Endpoint) -> Run:
    monkeypatch.chdir(folder)
    save_photos(folder / "photos", (0, 2))
    environment = {"url": endpoint.url, "model": "eyes", "key": KEY, **FAST}
    named = {f"CROSSMAX_VLM_{name.upper()}": str(value) for name, value in environment.items()}

    def load(name: str, _device: str, _context: JobContext) -> Model:
        if name not in MODELS:
            raise StudioError(f"There is no model '{name}'.")
        return MODELS[name]()

    def call(*argv: str, configured: bool = True) -> int:
        return main(
            [*argv],
            load_model=load,
            list_models=lambda: [Info(name) for name in MODELS],
            foreground=Terminal(),
            read_vlm=lambda: read_settings(None, named if configured else {}),
        )

    return call
