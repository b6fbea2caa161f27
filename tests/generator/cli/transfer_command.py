"""`batch` and `transfer` in a folder of two photos, with models that stand in for real ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import StudioError
from foundation.jobs import Terminal
from foundation.protocols import JobContext
from generator.cli.main import main
from generator.synthesis.models import Model
from tests.generator.standins import Colours, Info, LayeredColours, Words
from tests.generator.transfer.standins import save_photos

MODELS: dict[str, Callable[[], Model]] = {"colours": Colours, "layered": LayeredColours, "words": Words}
QUICK = ["--steps", "3", "--resolutions", "1..4,8", "--views", "identity", "--eps", "0.2", "--learning-rate", "0.5"]
Run = Callable[..., int]


def transfer_command(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Run:
    monkeypatch.chdir(folder)
    save_photos(folder / "photos", (0, 2))

    def load(name: str, device: str, _context: JobContext) -> Model:
        if name not in MODELS:
            raise StudioError(f"There is no model '{name}'.")
        assert device == "cpu"
        return MODELS[name]()

    def call(*argv: str) -> int:
        listing = [*(Info(name) for name in MODELS), Info("other", ready=False, why_not="Not trained yet.")]
        return main([*argv], load_model=load, list_models=lambda: listing, foreground=Terminal())

    return call


def report(folder: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / "report.json").read_text())
    return found
