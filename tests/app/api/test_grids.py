"""Programs order grids: judged whole before the work, a sheet and a table among their files, gone on with; and whatever
they order, they are told before what it would cost, and how long it would wait."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.api.grid_order import Axis
from crossmax_studio.assistants.desk import Desk
from crossmax_studio.client import Studio, grid_order
from foundation.errors import StudioError
from generator.recipes.recipe import Recipe
from tests.app.api.conftest import Program
from tests.app.api.orders import FROG, SAID, png, stopped
from tests.app.api.real import really_serving, serving_standins
from tests.browser.holding import Hold
from tests.hostile import Hostile

SMALL: dict[str, Any] = {"size": [24, 32], "steps": 2}
SEEDS, STEPS = {"field": "seed", "values": "1..3"}, {"field": "steps", "values": [2, 3]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grids") / "data"


@pytest.fixture(scope="module")
def port(root: Path) -> Iterator[int]:
    with serving_standins(root) as found:
        yield found


@pytest.fixture
def program(port: int) -> Program:
    return Program(Hostile(port))


@pytest.fixture
def hold(root: Path, port: int) -> Iterator[Hold]:
    found = Hold(root)
    found.start()
    yield found
    found.release()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with really_serving(tmp_path_factory.mktemp("real-grids") / "data") as found:
        yield f"http://127.0.0.1:{found}"


def test_a_grid_is_one_job_with_a_sheet_and_a_table(program: Program) -> None:
    submitted = program.post("/grids", {"recipe": FROG, "preset": "quick", "x": SEEDS, "y": STEPS})
    job = program.ended(submitted)
    assert (job["kind"], job["status"]) == ("grid", "done"), job["error"]
    assert job["title"] == "Grid: seed x steps, 6 pictures"
    assert job["params"]["grid"]["x"] == {"field": "seed", "values": ["1", "2", "3"]}
    assert job["params"]["grid"]["y"] == {"field": "steps", "values": ["2", "3"]}
    assert {"sheet.png", "grid.csv"} < set(job["files"])
    cells = [name for name in job["files"] if name.startswith("cell-") and name.endswith(".png")]
    assert len(cells) == 6 and set(cells) == set(job["result"]["files"]) - {"sheet.png", "grid.csv"}
    made = Recipe.from_png(program.get(f"/jobs/{job['id']}/files/cell-steps-3-seed-2.png").body)
    assert (made.seed, made.steps, made.classes) == (2, 3, ("frog",))


def test_a_text_takes_what_it_needs_from_its_axes(program: Program) -> None:
    """Of a grid over prompts the recipe names none; its task is said."""
    prompts = {"field": "prompt", "values": ["a frog", "a ship"]}
    order = {"recipe": {"task": "text", "models": ["tiny-clip"], **SMALL}, "x": prompts, "y": SEEDS, "title": "mine"}
    job = program.ended(program.post("/grids", order))
    assert (job["title"], job["params"]["recipe"]["task"]) == ("mine", "text")
    assert job["params"]["grid"]["x"]["values"] == ["a frog", "a ship"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": {**FROG, "task": "attack"}}, "give the recipe one of these"),
        ({"x": {"field": "shade", "values": "1"}}, "'shade' can be no axis"),
        ({"x": {"field": "images", "values": "1"}}, "can be no axis"),
        ({"x": STEPS}, "Both axes are steps"),
        ({"x": {"field": "seed", "values": []}}, "x.values"),
        ({"x": {"field": "seed", "values": " "}}, "has no values"),
        ({"x": {"field": "seed", "values": [1, 1]}}, "value '1' twice"),
        ({"x": {"field": "seed", "values": [1.5]}}, "seed"),
        ({"x": {"field": "seed", "values": "1..100"}, "y": {"field": "steps", "values": "1..9"}}, "at most 256"),
        ({"x": {"field": "class", "values": ["frog", "unicorn"]}}, "cell of class unicorn, steps 2 cannot be made"),
        ({"x": {"field": "model", "values": ["crossmax-cifar10", "tiny-clip"]}}, "knows no classes"),
    ],
)
def test_what_makes_no_grid_is_refused_before_any_cell(program: Program, changes: dict[str, Any], words: str) -> None:
    order = {"recipe": FROG, "x": SEEDS, "y": STEPS, **changes}
    for address in ("/grids", "/estimate/grids"):
        answer = program.post(address, order)
        assert answer.status == 422 and words in answer.json()["error"], answer.text
    assert program.get("/jobs").json() == {"jobs": []}


@pytest.mark.parametrize(
    ("field", "values", "texts"),
    [
        ("steps", [5, 10], ("5", "10")),
        ("eps", [0.25, 1e-05], ("0.25", "1e-05")),
        ("tile", [True, False], ("yes", "no")),
        ("size", "24 x 32, 48", ("24 x 32", "48")),
        ("views-per-step", "1..2", ("1", "2")),
    ],
)
def test_values_are_written_as_the_command_line_writes_them(field: str, values: Any, texts: tuple[str, ...]) -> None:
    assert Axis(field=field, values=values).asked("text").values == texts


def test_a_stopped_grid_goes_on_with_the_rest(program: Program, hold: Hold) -> None:
    """What there is is kept, byte for byte, and what is complete is not gone on with."""
    job = stopped(program, program.post("/grids", {"recipe": FROG, "x": SEEDS, "y": STEPS}).json())
    assert job["result"]["complete"] is False
    first = program.get(f"/jobs/{job['id']}/files/cell-steps-2-seed-1.png").body
    hold.release()
    more = program.ended(program.post(f"/jobs/{job['id']}/continue", {}))
    assert (more["status"], more["params"]["continues"], more["result"]["complete"]) == ("done", job["id"], True)
    assert program.get(f"/jobs/{more['id']}/files/cell-steps-2-seed-1.png").body == first
    refused = program.post(f"/jobs/{more['id']}/continue", {})
    assert (refused.status, "nothing to go on from" in refused.json()["error"]) == (422, True)


def test_an_estimate_counts_and_submits_nothing(program: Program) -> None:
    told = program.post("/estimate/grids", {"recipe": FROG, "x": SEEDS, "y": STEPS}).json()
    assert (told["pictures"], told["steps"], told["at_most"]) == (6, 15, False)
    assert 6 * 24 * 32 * 3 < told["disk_bytes"] < 60_000
    assert program.post("/estimate/text", {"recipe": {**SAID, "images": 3}}).json()["pictures"] == 3
    digest = program.upload(png()).json()["digest"]
    leave = {"models": ["undefended-cifar10"], "classes": ["ship"], "steps": 4}
    attack = program.post("/estimate/attack", {"recipe": leave, "preset": "standard", "source": digest})
    assert (attack.status, attack.json()["pictures"], attack.json()["steps"]) == (200, 1, 4)
    order = {"model": "crossmax-cifar10", "data": "photos", "suites": ["thorough"], "count": 20}
    assert program.post("/estimate/evaluate", order).json()["pictures"] == 0
    assert program.post("/estimate/class", {"recipe": {**FROG, "classes": ["unicorn"]}}).status == 422
    assert program.get("/jobs").json() == {"jobs": []}


def test_an_estimate_counts_what_waits_already(program: Program, port: int, hold: Hold) -> None:
    assert program.post("/estimate/text", {"recipe": SAID}).json()["jobs_before"] == 0
    other = Program(Hostile(port))
    jobs = [other.post("/text", {"recipe": {**SAID, "steps": 40}}).json() for _ in range(3)]
    while other.get(f"/jobs/{jobs[0]['id']}").json()["status"] == "queued":
        pass
    assert program.post("/estimate/text", {"recipe": SAID}).json()["jobs_before"] == 1  # owners take turns
    assert other.post("/estimate/text", {"recipe": SAID}).json()["jobs_before"] == 3
    for job in jobs:
        assert other.ask("DELETE", f"/jobs/{job['id']}").status == 204


@pytest.mark.slow
def test_a_real_grid_by_the_client_and_for_an_assistant(address: str, tmp_path: Path) -> None:
    """The seconds, and the wait, are told before; the sheet and the figures are those of the work."""
    axes: Any = (("seed", "1..2"), ("steps", [2, 3]))
    fields: Any = {"models": ["crossmax-cifar10"], "classes": ["frog"], "size": [24, 32]}
    with Studio(address) as studio:
        told = studio.estimate("grids", grid_order(*axes, preset="quick", **fields))
        assert told.pictures == 4 and told.seconds and told.ends_in and told.ends_in >= told.seconds > 0
        single = studio.estimate("class", {"recipe": {**fields, "steps": 2}, "preset": "quick"})
        assert single.seconds and single.seconds < told.seconds
        done = studio.wait(studio.grid(*axes, preset="quick", **fields))
        saved = {path.name: path for path in studio.save(done, tmp_path, names=["sheet.png", "grid.csv"])}
        rows = list(csv.DictReader(io.StringIO(saved["grid.csv"].read_text(encoding="utf-8"))))
        assert [(row["seed"], row["steps"]) for row in rows] == [("1", "2"), ("2", "2"), ("1", "3"), ("2", "3")]
        with Image.open(saved["sheet.png"], formats=("PNG",)) as sheet:
            assert sheet.width > 64 and sheet.height > 48
        desk = Desk(lambda: studio, None)
        small = {"models": ["tiny-clip"], "prompt": "a frog", "size": (24, 32)}
        answer = desk.grid("text", {"x": ("seed", "1..2"), "y": ("steps", "1, 2")}, "fast", small, 40)
        assert answer.facts["status"] == "done" and len(answer.pictures) == 1
        with pytest.raises(StudioError, match="can be no axis"):
            studio.grid(("shade", "red"), ("seed", "1"), **fields)
