"""A grid as a job of the app: real pictures of tiny models, kept as they come, taken over by the job that goes on."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.costs.estimates import Rates, cost_of
from app.costs.grids import together
from app.costs.timings import Timings
from app.handlers.costs import cost_of as cost_of_job
from app.handlers.findings import read_grid_findings
from app.handlers.grids import draw_grid, goes_on
from app.records.grids import GridResult
from app.records.params import GridParams
from app.visitors.data_dir import DataDir
from app.visitors.exports import Entry, files_of
from foundation.cluster.pool import Pool
from foundation.errors import StudioError
from foundation.jobs.store.model import JobRequest, JobStatus
from foundation.progress import Progress
from generator.production.production import Outputs, produce
from generator.recipes.recipe import Recipe
from tests.app.snapshots import snapshot
from tests.app.standins import Colours, workshop
from tests.toy_cluster import ThreadBackend

BASE = Recipe(models=("colours",), classes=("red",), size=(16, 24), resolutions="1..4", steps=3, images=2)
AXES = {"x": {"field": "classes", "values": ["red", "blue"]}, "y": {"field": "seed", "values": ["1", "2"]}}


class Context:
    """A job in a folder, stopped at the report number `stop_at`."""

    device, owner = "cpu", "a" * 32

    def __init__(self, folder: Path, params: dict[str, Any], stop_at: int = 1000) -> None:
        folder.mkdir(parents=True)
        self.id, self.dir, self.params, self.stop_at = folder.name, folder, params, stop_at
        self.reports: list[Progress] = []

    @property
    def stop_requested(self) -> bool:
        return len(self.reports) >= self.stop_at

    def progress(self, now: Progress, /) -> None:
        self.reports.append(now)


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return DataDir(tmp_path / "data")


def params(recipe: Recipe = BASE, **more: Any) -> dict[str, Any]:
    return {"recipe": recipe.model_dump(mode="json"), "grid": AXES, **more}


def run(
    data: DataDir, name: str, told: dict[str, Any], stop_at: int = 1000, **shop: Any
) -> tuple[Context, dict[str, Any]]:
    context = Context(data.root / "jobs" / name, told, stop_at)
    return context, draw_grid(context, replace(workshop(data), **shop))  # type: ignore[arg-type]


def cells_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("cell-*.png")}


FIRST, SECOND = "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d1", "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d2"


def test_the_cells_are_what_their_recipes_make_and_are_told_as_they_come(data: DataDir, tmp_path: Path) -> None:
    context, found = run(data, FIRST, params())
    result = GridResult.read(found)
    assert result.complete and result.failed == () and result.recipe == BASE.with_changes(images=1)
    assert set(result.files) == {"sheet.png", "grid.csv", *cells_in(context.dir)}
    cells = read_grid_findings(context.dir)
    assert cells is not None
    assert [(cell.row, cell.column, cell.done) for cell in cells.cells] == [
        (0, 0, True), (0, 1, True), (1, 0, True), (1, 1, True),
    ]  # fmt: skip
    for cell, wanted in zip(cells.cells, GridParams.asked(context.params).whole().cells, strict=True):
        alone = tmp_path / "alone.png"
        revisions = Recipe.from_png(context.dir / cell.file).revisions
        recipe = wanted.recipe.with_changes(revisions=revisions)
        produce(recipe, {"colours": Colours()}, outputs=Outputs((alone,), alone.with_suffix(".json")))
        assert (context.dir / cell.file).read_bytes() == alone.read_bytes()
        assert (context.dir / cell.shown).is_file() and cell.said.split()[0] in ("red", "green", "blue")
    assert (context.dir / "card.jpg").is_file()
    assert any(now.preview is not None for now in context.reports)


def test_a_cluster_changes_nothing_but_who_draws(data: DataDir) -> None:
    backend = ThreadBackend(2)
    context, found = run(data, FIRST, params())
    apart, same = run(data, SECOND, params(), pool=Pool(lambda: backend))
    assert same == found
    assert cells_in(apart.dir) == cells_in(context.dir)
    assert backend.closed and sum(handle.begun for handle in backend.hired) == 4


def test_one_that_was_stopped_is_gone_on_with_by_the_next_job(data: DataDir) -> None:
    whole, _ = run(data, FIRST, params())
    stopped, found = run(data, SECOND, params(), stop_at=len(whole.reports) - 4)
    result = GridResult.read(found)
    assert not result.complete and 0 < len(cells_in(stopped.dir)) <= 4 and goes_on(stopped.params, found)
    last = "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d3"
    before = len(whole.reports)
    went_on, found = run(data, last, params(continues=SECOND))
    assert GridResult.read(found).complete and not goes_on(went_on.params, found)
    assert cells_in(went_on.dir) == cells_in(whole.dir) and len(went_on.reports) < before
    shutil.rmtree(data.root / "jobs" / SECOND)
    with pytest.raises(StudioError, match="no longer there"):
        run(data, "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4", params(continues=SECOND))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": {"field": "classes", "values": ["red", "unicorn"]}}, "The cell of class unicorn, seed 1 cannot be made"),
        ({"x": {"field": "sede", "values": ["1"]}}, "'sede' can be no axis: did you mean 'seed'?"),
        ({"x": {"field": "seed", "values": ["3"]}}, "Both axes are seed"),
        ({"x": {"field": "steps", "values": ["0"]}}, "steps must be at least 1"),
        ({"x": {"field": "steps", "values": []}}, "at least 1 item"),
        ({"z": {}}, "z"),
    ],
)
def test_what_is_no_grid_is_refused_before_any_cell(data: DataDir, change: dict[str, Any], words: str) -> None:
    told = {**params(), "grid": {**AXES, **change}}
    with pytest.raises(StudioError) as caught:
        run(data, FIRST, told)
    assert words in str(caught.value) and not list((data.root / "jobs" / FIRST).glob("cell-*"))


def test_attacks_have_no_grids() -> None:
    attack = Recipe(task="attack", classes=("ship",), norm="linf", eps=0.1)
    with pytest.raises(StudioError, match="attacks are made one by one"):
        GridParams.asked(params(attack))


def test_a_grid_costs_as_much_as_its_cells(data: DataDir) -> None:
    axes = {"x": {"field": "steps", "values": ["5", "90"]}, "y": {"field": "seed", "values": ["1", "2", "3"]}}
    request = JobRequest("grid", {**params(), "grid": axes})
    timings = Timings(data.timings)
    each = [timings.cost(BASE.with_changes(images=1, steps=steps), "cpu") for steps in (5, 90)]
    cost = cost_of_job(request, data.uploads, timings)
    assert cost.hours * 3600 == pytest.approx(3 * sum(one.seconds for one in each))
    assert cost.bytes == max(one.bytes for one in each)


def test_the_same_cells_are_asked_about_once() -> None:
    asked = []

    def cost(recipe: Recipe) -> Any:
        asked.append(recipe)
        return cost_of(recipe, Rates())

    recipes = [BASE.with_changes(images=1, seed=seed, classes=(name,)) for seed in range(5) for name in ("a", "b")]
    found, one = together(recipes, cost), cost_of(recipes[0], Rates())
    assert len(asked) == 1
    assert found.seconds == pytest.approx(10 * one.seconds) and found.per_step == pytest.approx(one.per_step)


def test_all_files_of_a_grid_are_exported(data: DataDir) -> None:
    context, found = run(data, FIRST, params())
    job = snapshot(context.dir, status=JobStatus.DONE, kind="grid", result=found)
    assert {path.name for path in files_of(Entry(job, {}).job)} == {"sheet.png", "grid.csv", *cells_in(context.dir)}
