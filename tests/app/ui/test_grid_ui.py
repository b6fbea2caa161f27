"""The fold that asks for a grid, without a browser: what it costs, what is refused, what is filled in again."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import gradio as gr
import pytest

from app.handlers.findings import write_grid_findings
from app.records.grids import GridCell, GridFindings
from app.records.params import GridParams
from app.ui.classes.tab import ClassTab
from app.ui.grids.view import cell_words, grid_table, grid_view, picked, task_of
from app.ui.history.words import outcome_words, said_of
from app.ui.markup.copying import LINK_START, read_link
from app.ui.markup.media import Media
from app.ui.page import tab_of
from app.ui.text.tab import TextTab
from app.ui.widgets.cost_line import Asked
from app.ui.widgets.reuse import AGAIN, copies_of, offers, params_again, words_of
from foundation.errors import StudioError
from foundation.jobs.store.model import JobSnapshot, JobStatus
from generator.recipes.presets import from_preset
from tests.app.snapshots import EVIL, snapshot
from tests.browser.standins import StandInMeasurements, make_studio

RECIPE = from_preset("text", "fast", prompt="a frog")
AXES = {"x": {"field": "seed", "values": ["1", "2"]}, "y": {"field": "prompt", "values": ["a frog", EVIL]}}


def job(folder: Path, **changes: Any) -> JobSnapshot:
    params = {"recipe": RECIPE.model_dump(mode="json"), "grid": AXES}
    return replace(snapshot(folder, kind="grid", title="Grid: seed x prompt, 4 pictures", params=params), **changes)


@pytest.fixture(scope="module", params=[TextTab, ClassTab])
def tab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Any:
    studio = make_studio(SimpleNamespace(), tmp_path_factory.mktemp("studio"), StandInMeasurements())

    async def build() -> Any:
        with gr.Blocks(analytics_enabled=False):
            made = request.param(studio, gr.BrowserState({}))
            made.build()
            made.wire()
        return made

    return asyncio.run(build())


def held(tab: Any, x: tuple[str, str], y: tuple[str, str]) -> dict[Any, Any]:
    grid = tab.grid
    inputs = [*tab.inputs.components] if isinstance(tab, TextTab) else [*tab.inputs, tab.opened, tab.with_recipe]
    values = {widget: getattr(widget, "value", None) for widget in inputs}
    if isinstance(tab, TextTab):
        values[tab.inputs.prompt] = "a frog"
    return values | dict(zip(grid.components, (*x, *y), strict=True))


def test_the_line_says_count_time_and_disk(tab: Any) -> None:
    values = held(tab, ("seed", "1..3"), ("steps", "20, 60"))
    asked = Asked(tab.start_recipe if isinstance(tab, ClassTab) else tab.inputs.start_recipe)
    line = tab.grid.costs(values, asked)[tab.grid.line]
    assert "6 pictures, 240 steps, at most about" in line and "MB on the disk" in line
    (seconds,) = [
        sum(
            tab.studio.measurements.cost(asked.recipe.with_changes(steps=steps, planned_steps=0)).seconds * 3
            for steps in (20, 60)
        )
    ]
    assert f"bout {-(-seconds // 1):.0f} s here" in line
    for wrong, words in ((("seed", "x"), "seed must be a whole number"), (("steps", "5"), "Both axes are steps")):
        values = held(tab, wrong, ("steps", "20, 60"))
        assert words in tab.grid.costs(values, asked)[tab.grid.line]
    empty = tab.grid.costs(held(tab, ("seed", ""), ("steps", "20")), asked)[tab.grid.line]
    assert "whole numbers such as" in empty and "pictures" not in empty


def test_what_the_widgets_say_is_what_the_job_is_told(tab: Any) -> None:
    tab.grid.panel = SimpleNamespace()
    form = SimpleNamespace(read=tab._grid_base, check=tab._check_cell)
    told = tab.grid.params(held(tab, ("seed", "1..2"), ("steps", "20, 60")), form)
    assert told.grid.model_dump() == {
        "x": {"field": "seed", "values": ("1", "2")},
        "y": {"field": "steps", "values": ("20", "60")},
    }
    assert [(cell.recipe.seed, cell.recipe.steps) for cell in told.whole().cells] == [
        (1, 20),
        (2, 20),
        (1, 60),
        (2, 60),
    ]
    for x, words in ((("models", "absent"), "cannot be made"), (("models", "nothing"), "cannot be made")):
        with pytest.raises(StudioError, match=words):
            tab.grid.params(held(tab, x, ("steps", "20")), form)


def test_a_prompt_may_be_empty_where_an_axis_has_prompts(tab: Any) -> None:
    if not isinstance(tab, TextTab):
        return
    values = held(tab, ("prompt", "a frog; a lemon"), ("steps", "20")) | {tab.inputs.prompt: ""}
    told = tab.grid.params(values, SimpleNamespace(read=tab._grid_base, check=tab._check_cell))
    assert [cell.recipe.prompt for cell in told.whole().cells] == ["a frog", "a lemon"]


def test_the_axes_of_a_result_are_filled_in_again(tab: Any, tmp_path: Path) -> None:
    updates = tab.grid.fill(job(tmp_path))
    grid = tab.grid
    assert [updates[one] for one in (grid.x_field, grid.x, grid.y_field)] == ["seed", "1; 2", "prompt"]
    assert set(updates) == set(grid.filled)


def test_the_table_shows_what_is_there_and_escapes_what_was_typed(tmp_path: Path) -> None:
    made = job(tmp_path)
    cell = GridCell(row=0, column=1, file="cell-a.png", shown="cell-a.jpg", done=True, said="match 0.40")
    write_grid_findings(tmp_path, GridFindings(cells=(cell,)))
    media = Media({"data": tmp_path}, b"x" * 32)
    table = grid_table(made, media)
    assert table.count("data-pick=") == 1 and 'data-pick="cell:0:1"' in table and table.count("to come") == 3
    assert EVIL not in table and "match 0.40" in table
    assert (
        'aria-pressed="true"' in grid_table(made, media, (0, 1)) and cell_words(made, (0, 1)) == "seed 2, prompt a frog"
    )
    result = {
        "recipe": RECIPE.model_dump(mode="json"), "images": [], "files": [], "failed": ["seed 1: it diverged."],
        "complete": False,
    }  # fmt: skip
    view = grid_view(replace(made, result=result), media)
    assert "1 of 4 pictures" in view and "it diverged." in view and "It is not complete." in view
    assert "The picture was stopped" in grid_view(
        replace(made, result={"note": "The picture was stopped", "images": []}), media
    )


@pytest.mark.parametrize(
    ("pick", "place"), [("cell:0:12", (0, 12)), ("cell:1", None), ("image:1", None), ("cell:-1:2", None), (None, None)]
)
def test_clicks(pick: object, place: tuple[int, int] | None) -> None:
    assert picked(pick) == place


def test_a_grid_stands_in_the_tab_of_its_pictures_and_goes_on_where_it_was_ended(tmp_path: Path) -> None:
    made = job(tmp_path)
    assert (task_of(made), tab_of(made)) == ("text", "text")
    of_class = replace(made, params={**made.params, "recipe": from_preset("class").model_dump(mode="json")})
    assert (task_of(of_class), tab_of(of_class)) == ("class", "image")
    assert task_of(replace(made, kind="text")) == "" and tab_of(replace(made, params={})) == "grid"
    stopped = replace(made, status=JobStatus.STOPPED)
    assert AGAIN in offers(stopped) and words_of(AGAIN, stopped) == "Go on with the rest"
    assert params_again(stopped) == {**stopped.params, "continues": stopped.id}
    done = replace(made, status=JobStatus.DONE, result={"complete": True})
    assert AGAIN not in offers(done) and outcome_words(done) == "complete"
    assert "seed: 1, 2" in said_of(done)


def test_what_is_copied_of_a_grid_makes_all_of_it_again(tmp_path: Path) -> None:
    made = replace(job(tmp_path), status=JobStatus.STOPPED, result={"complete": False})
    said = copies_of(made)
    assert "python -m generator grid text --x" in said and "seed=1, 2" in said and EVIL not in said
    assert "studio.grid(" in said
    link = unquote(said.split('data-link="')[1].split('"')[0].removeprefix(LINK_START))
    recipe, axes = read_link(link)
    whole = GridParams.asked(made.params).whole()
    assert recipe == whole.base and axes is not None and axes.grid(recipe) == whole
    assert read_link(RECIPE.to_json()) == (RECIPE, None)
    old = {**made.params, "recipe": {**RECIPE.model_dump(mode="json"), "planned_steps": RECIPE.steps + 1}}
    assert "--from CELL.png" in copies_of(replace(made, params=old)) and "studio.grid(" not in copies_of(
        replace(made, params=old)
    )
    assert copies_of(replace(made, status=JobStatus.FAILED)) == ""
    assert copies_of(replace(made, params={**made.params, "grid": {"x": AXES["x"]}})) == ""


@pytest.mark.parametrize(
    "axes",
    [None, [], {"x": AXES["x"]}, {"x": AXES["x"], "y": AXES["x"]}, {**AXES, "y": {"field": "f", "values": ["1"]}}],
)
def test_a_link_of_no_grid_is_refused_in_words(axes: Any) -> None:
    with pytest.raises(StudioError):
        read_link(json.dumps({**RECIPE.model_dump(mode="json"), "grid": axes}))
