"""From a program's request to the same picture as the command line's; the examples of docs/api.md run as printed."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import generator.__main__
from crossmax_studio.client import Studio
from foundation.errors import StudioError
from generator.recipes.recipe import Recipe
from generator.synthesis.drawers import DRAWERS
from tests.app.api.real import really_serving

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
PRINTED = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with really_serving(tmp_path_factory.mktemp("real") / "data") as port:
        yield f"http://127.0.0.1:{port}"


def pixels(path: Path) -> np.ndarray:
    with Image.open(path, formats=("PNG",)) as picture:
        return np.asarray(picture)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "shows", "models"),
    [
        ("class", "frog", ("crossmax-cifar10",)),
        ("class", "goldfish", DRAWERS["class"]),
        ("text", "a goldfish", DRAWERS["text"]),
    ],
)
def test_a_picture_is_that_of_the_command_line(
    task: str, shows: str, models: tuple[str, ...], address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody says who draws, the same draw: an order, wait, PNG; its recipe and its pixels."""
    with Studio(address) as studio:
        draw = studio.class_image if task == "class" else studio.text
        job = draw(shows, preset="balanced", steps=2, size=[32, 48], seed=7)
        assert job.kind == task and not job.ended
        done = studio.wait(job)
        saved = {path.name: path for path in studio.save(done, tmp_path / "api")}
    assert {"image-1.png", "result.json"} <= saved.keys() and done.result is not None
    assert Recipe.from_png(saved["image-1.png"]).models == models
    monkeypatch.setenv("CROSSMAX_STUDIO_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    said = ["--class", shows] if task == "class" else [shows]
    flags = "--preset balanced --steps 2 --size 32 48 --seed 7 --device cpu --out cli.png"
    monkeypatch.setattr(sys, "argv", ["generator", task, *said, *flags.split()])
    assert generator.__main__.run() == 0
    assert Recipe.from_png(saved["image-1.png"]).to_json() == Recipe.from_png(tmp_path / "cli.png").to_json()
    assert (pixels(saved["image-1.png"]) == pixels(tmp_path / "cli.png")).all()


@pytest.mark.slow
def test_a_grid_is_drawn_by_those_that_know_all_of_its_classes(address: str) -> None:
    classes: tuple[str, str] = ("class", "goldfish; lighthouse")
    small: dict[str, Any] = {"steps": 2, "size": [16, 16]}
    with Studio(address) as studio:
        known = studio.wait(studio.grid(classes, ("seed", "1..1"), **small))
        assert known.status == "done", known.error
        assert tuple(known.told["params"]["recipe"]["models"]) == DRAWERS["class"]
        for chosen in ({"models": ["crossmax-cifar10"]}, {"model_weights": [2.0]}):  # of the one of ten classes
            with pytest.raises(StudioError, match="knows no class called 'goldfish'"):
                studio.grid(classes, ("seed", "1..1"), **chosen, **small)
            with pytest.raises(StudioError, match="knows no class called 'goldfish'"):
                studio.submit("class", {"recipe": {"classes": ["goldfish"], **chosen, **small}})


@pytest.mark.slow
def test_the_examples_run_as_printed(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photo = Path(__file__).resolve().parents[3] / "assets" / "examples" / "frog.png"
    (tmp_path / "photo.png").write_bytes(photo.read_bytes())
    assert shutil.which("curl"), "the examples use curl"
    shell = "\n".join(re.findall(r"```bash\n(.*?)```", DOCUMENT, re.DOTALL)).replace(PRINTED, address)
    run = subprocess.run(["bash", "-euo", "pipefail", "-c", shell], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert Recipe.from_png(tmp_path / "frog.png").classes == ("frog",)
    named: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL):
        exec(compile(block.replace(PRINTED, address), "docs/api.md", "exec"), named)
    assert Recipe.from_png(tmp_path / "pictures" / "image-1.png").prompt == "a frog"
    assert (tmp_path / "attacked" / "image-1.png").is_file()
    assert (tmp_path / "grid" / "grid.csv").read_text(encoding="utf-8").count("\n") == 7


def test_what_the_studio_refuses_is_said(address: str) -> None:
    """Sentences of the server, of the connection, and of jobs that failed."""
    with Studio(address) as studio:
        with pytest.raises(StudioError, match="knows no class called 'unicorn'"):
            studio.class_image("unicorn")
        with pytest.raises(StudioError, match="no such job"):
            studio.job("0" * 32)
        with pytest.raises(StudioError, match="cannot be read"):
            studio.upload("/no/such/file.png")
        with pytest.raises(StudioError, match="X-Owner"), Studio(address, owner="me") as nobody:
            nobody.jobs()
    with pytest.raises(StudioError, match="does not answer"), Studio("http://127.0.0.1:9") as absent:
        absent.models()
