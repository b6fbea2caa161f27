"""A grid as a command and as Python: the command's own parser, and a studio, read the same grid back."""

import shlex
from typing import Any

import pytest
import torch

from app.api.grid_order import GridOrder
from crossmax_studio.client import grid_order
from foundation.errors import StudioError
from generator.cli.grid import read_grid
from generator.cli.main import build_parser
from generator.grids.axis import Axis, axis_of, find_field
from generator.grids.grid import Grid
from generator.grids.spelling import grid_command_of, grid_python_of, written_axis
from generator.recipes.pictures import Pictures
from generator.recipes.presets import from_preset

PHOTO = torch.arange(3 * 20 * 32).reshape(1, 3, 20, 32) % 256 / 255
EVIL = 'it\'s "$(rm -rf /)", `x`\n\\ | -- 50%'


def axis(field: str, *values: str, task: str = "text") -> Axis:
    return axis_of(find_field(field, task), values)


def parsed(command: str, pictures: Pictures) -> Grid:
    """What the command's own parser makes of a line, as a shell splits it."""
    words = shlex.split(command)
    assert words[:4] == ["python", "-m", "generator", "grid"]
    return read_grid(build_parser().parse_args(words[3:]), list, pictures)


TEXT: dict[str, Any] = {"prompt": "a frog"}
CASES: list[tuple[str, dict[str, Any], tuple[str, ...], tuple[str, ...]]] = [
    ("text", TEXT, ("seed", "1", "2"), ("steps", "50", "100")),
    ("text", {**TEXT, "negative": "-text", "seed": 9}, ("prompt", "a frog, green", "-b"), ("learning_rate", "0.05")),
    ("text", {"prompt": "-a frog"}, ("prompt", "a; frog", "a ship", "= 5 % 'x"), ("size", "96", "128 x 192")),
    ("text", {**TEXT, "size": (48, 64)}, ("models", "tiny-clip", "tiny-clip + Large/net"), ("optimiser", "adam")),
    ("class", {"objective": "cross_entropy", "seed": 2**53 - 3}, ("classes", "it's", "a + b"), ("seed", "3")),
    ("class", {"models": ("a", "b"), "model_weights": (2.0, 0.5)}, ("models", "a", "c + d"), ("steps", "1", "2")),
    ("class", {"classes": (), "unit": "blocks.3:3*0.7-12"}, ("unit", "blocks.3:3", "head:1"), ("seed", "1")),
]


@pytest.mark.parametrize(("task", "fields", "x", "y"), CASES)
def test_the_commands_own_parser_reads_the_grid_back(
    task: str, fields: dict[str, Any], x: tuple[str, ...], y: tuple[str, ...]
) -> None:
    grid = Grid(from_preset(task, **fields), axis(*x, task=task), axis(*y, task=task))
    command = grid_command_of(grid)
    assert command is not None and parsed(command, Pictures()) == grid


@pytest.mark.parametrize(("task", "fields", "x", "y"), CASES)
def test_a_studio_reads_the_lines_of_python_as_the_same_grid(
    task: str, fields: dict[str, Any], x: tuple[str, ...], y: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it but the work: what the order says that the lines send is judged as the studio judges it."""
    sent: list[dict[str, object]] = []

    class Studio:
        def __init__(self, address: str) -> None:
            assert address.startswith("http://127.0.0.1:")

        def __enter__(self) -> "Studio":
            return self

        def __exit__(self, *_: object) -> None: ...

        def grid(self, *axes: Any, **others: Any) -> str:
            sent.append(grid_order(*axes, **others))
            return "job"

        def wait(self, job: str) -> str:
            return job

        def save(self, job: str, folder: str) -> None:
            sent.append({"saved": job, "folder": folder})

    monkeypatch.setattr("crossmax_studio.client.Studio", Studio)
    grid = Grid(from_preset(task, **fields), axis(*x, task=task), axis(*y, task=task))
    exec(grid_python_of(grid), {})
    assert sent[1:] == [{"saved": "job", "folder": "grid"}]
    order = GridOrder.model_validate(sent[0])
    assert order.axes().grid(order.recipe).cells == grid.cells  # its base has the first values of the axes


def test_pictures_are_named_by_their_files_and_uploaded() -> None:
    pictures = Pictures(source=PHOTO, style=PHOTO.flip(3))
    recipe = from_preset("text", prompt="a frog", from_photo=True, **pictures.digests())
    grid = Grid(recipe, axis("seed", "1", "2"), axis("steps", "5"))
    command = grid_command_of(grid)
    assert command is not None and "--start source.png" in command and parsed(command, pictures) == grid
    assert "source=studio.upload('source.png')," in grid_python_of(grid)
    other = grid_command_of(grid, of_cell=True)
    assert other is not None and other.endswith("--from CELL.png --start source.png --style style.png")


def test_what_cannot_be_written_on_a_line_is_known() -> None:
    """No text has two lines where lines are values, and none has blanks around it."""
    for values in ((EVIL, "a"), (" a", "b"), ("one; alone",)):
        unsaid = axis("prompt", *values)
        assert written_axis(unsaid, "text") is None
        assert grid_command_of(Grid(from_preset("text", prompt="a"), unsaid, axis("seed", "1"))) is None
    for said in (axis("prompt", "a, b", "c"), axis("prompt", "a; b", "c"), axis("weights", "2 1", "1 1", task="class")):
        written = written_axis(said, "class" if said.field == "weights" else "text")
        assert written is not None and written.startswith(f"{said.field}=")
    with pytest.raises(StudioError):
        axis("weights", "x", task="class")
