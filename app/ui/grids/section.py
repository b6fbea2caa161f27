"""What asks for a grid: two fields of the recipe out of menus, their values as texts, and what all of it costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from app.costs.estimates import Cost
from app.costs.grids import together
from app.handlers.grids import KIND
from app.records.params import GridOrder, GridParams
from app.ui.grids.panel import GridPanel
from app.ui.grids.view import cell_words, cells_of, picked, told
from app.ui.markup import markup
from app.ui.widgets.cost_line import Asked, CostLine, cost_head
from app.ui.widgets.forms import FormError, label_of
from app.ui.widgets.reuse import recipe_with_pictures
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Studio
from foundation.errors import StudioError
from foundation.files.text_files import read_json
from foundation.jobs.store.model import JobSnapshot
from generator.grids.axis import Axis, axis_fields, how_to_write, read_axis, title_of
from generator.grids.grid import Grid, cell_error, check_axes, disk_of
from generator.recipes.recipe import Recipe
from generator.records.pictures import PictureRecord

Values = Mapping[Any, Any]
"""Component -> what it holds."""
SEPARATOR = "; "
FIRST = {"text": ("seed", "steps"), "class": ("seed", "steps")}
"""The fields that the menus name at first."""


@dataclass(frozen=True)
class GridBase:
    """What the form of a tab asks for: a recipe, the digests of its pictures, and whether files carry their recipe."""

    recipe: Recipe
    pictures: Mapping[str, str]
    with_recipe: bool


@dataclass(frozen=True)
class Form:
    """The tab that a grid is part of.

    Attributes:
        components: the widgets that `read` asks.
        read: what the form says, with the first values of fields that an axis has, by name, where it leaves them empty.
        check: StudioError for a recipe that cannot be made here.
        fill: updates that put a recipe into the form.
        filled: what they change.
        switch: the widget that leaves the recipe out of the files.
    """

    components: tuple[Any, ...]
    read: Callable[[Values, Mapping[str, str]], GridBase]
    check: Callable[[Recipe], None]
    fill: Callable[[Recipe, str], Updates]
    filled: tuple[Any, ...]
    switch: Any


class GridSection:
    """The fold of a tab that asks for a grid.

    Args:
        studio: what the page works with.
        task: of the tab.
        panel: follows the job.
    """

    def __init__(self, studio: Studio, task: str, panel: GridPanel) -> None:
        self.studio, self._task, self.panel = studio, task, panel
        self._fields = axis_fields(task)
        self._wait: Callable[[Values, Cost], str] = lambda _values, _cost: ""

    def build(self) -> None:
        """Create the widgets."""
        choices = [(label_of(title_of(name)), name) for name in self._fields]
        first = FIRST[self._task]
        with gr.Accordion("Grid", open=False, elem_classes="cx-fold", elem_id=f"{self._task}-grid-fold") as self.fold:
            self.x_field, self.x = self._axis("x", "Across", choices, first[0], "1..3")
            self.y_field, self.y = self._axis("y", "Down", choices, first[1], "50, 100, 200")
            self.line = gr.HTML(self._hints(*first), elem_id=f"{self._task}-grid-cost", apply_default_css=False)
            self.make = gr.Button("Make the grid", size="md", elem_id=f"{self._task}-grid-make")

    def _axis(self, name: str, words: str, choices: list[tuple[str, str]], field: str, example: str) -> tuple[Any, Any]:
        with gr.Row(elem_classes="cx-inline"):
            menu = gr.Dropdown(
                choices, value=field, label=words, min_width=130, elem_id=f"{self._task}-grid-{name}-field"
            )
            values = gr.Textbox(
                label="Its values",
                placeholder=example,
                lines=1,
                max_lines=6,
                min_width=160,
                elem_id=f"{self._task}-grid-{name}",
            )
        return menu, values

    @property
    def components(self) -> list[Any]:
        """The widgets that hold the axes."""
        return [self.x_field, self.x, self.y_field, self.y]

    # ------------------------------------------------------------------ what it costs

    def follow_cost(self, cost: CostLine) -> None:
        """Say what the grid costs wherever the tab says what a picture costs."""
        self._wait = cost.wait
        cost.also(self.components, [self.line], self.costs)

    def costs(self, values: Values, asked: Asked | None) -> Updates:
        """Updates that say how the values are written, and what a grid of them costs; `asked` is of one picture."""
        return {self.line: self._hints(values[self.x_field], values[self.y_field]) + self._cost(values, asked)}

    def _hints(self, *names: str | None) -> str:
        fields = [self._fields[name] for name in names if name in self._fields]
        return "".join(
            f'<p class="cx-hint"><b>{markup.text(label_of(title_of(field.name)))}</b>: '
            f"{markup.text(how_to_write(field))}.</p>"
            for field in dict.fromkeys(fields)
        )

    def _cost(self, values: Values, asked: Asked | None) -> str:
        if not (_text(values[self.x]) and _text(values[self.y])):
            return ""
        try:
            x, y = self.axes(values)
            check_axes(x, y)
        except StudioError as error:
            return f'<p class="cx-hint cx-cost cx-long" role="status">{markup.text(error)}</p>'
        number = len(x.values) * len(y.values)
        try:
            grid = None if asked is None else Grid(asked.recipe, x, y)
            cost = None if grid is None or asked is None else self._of_cells(grid, asked)
        except StudioError:  # what else the form says decides whether they can be made
            grid = cost = None
        if grid is None or cost is None:
            return f'<p class="cx-hint cx-cost" role="status"><b>{_pictures(number)}</b>.</p>'
        size = None if asked is None else asked.photo_size()
        line = grid_cost_markup(cost, grid, disk_of([cell.recipe for cell in grid.cells], size))
        return line + self._wait(values, cost)

    def _of_cells(self, grid: Grid, asked: Asked) -> Cost:
        return together(
            [cell.recipe for cell in grid.cells], lambda cell: self.studio.measurements.cost(cell, asked.photo)
        )

    # ------------------------------------------------------------------ reading and filling in

    def axes(self, values: Values) -> tuple[Axis, Axis]:
        """The axes that the widgets say. StudioError names what is missing or does not fit."""
        found = []
        for menu, text, words in ((self.x_field, self.x, "Across"), (self.y_field, self.y, "Down")):
            if not values[menu]:
                raise FormError(f"{words}: choose which field of the settings changes.")
            found.append(read_axis(str(values[menu]), _text(values[text]), self._task))
        return found[0], found[1]

    def params(self, values: Values, form: Form) -> GridParams:
        """What the job is told. StudioError names the cell that cannot be made, or what in the form does not fit."""
        x, y = self.axes(values)
        given = {axis.field: axis.values[0].text for axis in (x, y)}
        base = form.read(values, given)
        grid = Grid(base.recipe, x, y)
        for cell in grid.cells:
            try:
                form.check(cell.recipe)
            except StudioError as error:
                raise cell_error(cell.title, error) from error
        switch = {} if base.with_recipe else {"with_recipe": False}
        return GridParams.model_validate({"recipe": grid.base, "grid": GridOrder.of(grid), **switch, **base.pictures})

    @property
    def filled(self) -> list[Any]:
        """What `fill` changes."""
        return [self.fold, *self.components]

    def fill(self, job: JobSnapshot) -> Updates:
        """Updates that put the axes of a grid into the widgets. RecordError where it cannot be read."""
        return self.fill_axes(told(job).grid)

    def fill_axes(self, order: GridOrder) -> Updates:
        """Updates that put these axes into the widgets."""
        updates: Updates = {self.fold: gr.Accordion(open=True)}
        for axis, menu, text in ((order.x, self.x_field, self.x), (order.y, self.y_field, self.y)):
            between = "\n" if any(";" in value for value in axis.values) else SEPARATOR
            updates |= {menu: axis.field, text: between.join(axis.values)}
        return updates

    # ------------------------------------------------------------------ events

    def wire(self, owner: gr.BrowserState, form: Form) -> None:
        """Connect the events."""
        guard = guarded(self.panel.notice)

        def make(values: dict[Any, Any]) -> Updates:
            params = self.params(values, form)
            return self.panel.submit(params.to_json(), params.whole().title, values[owner], kind=KIND)

        shown = f"() => window.cxShowStage('{self.panel.kind}')"
        asked = {owner, *form.components, *self.components}
        self.make.click(guard(make), asked, self.panel.outputs, **QUICK).then(fn=None, js=shown)

        def use(job_id: str, state: Any, event: gr.EventData) -> Updates:
            snapshot, place = self.panel.find(job_id, state), picked(event.pick)
            if place is None:
                return {}
            recipe = recipe_of_cell(snapshot, place)
            updates = form.fill(recipe, owner_token(state))
            updates[form.switch] = snapshot.params.get("with_recipe") is not False
            return {**updates, **self.panel.choose(snapshot, place)}

        outputs = [self.panel.notice, self.panel.stage, self.panel.more, self.panel.table, *form.filled, form.switch]
        self.panel.table.select(guard(use), [self.panel.job, owner], list(dict.fromkeys(outputs)), **QUICK)


def recipe_of_cell(job: JobSnapshot, place: tuple[int, int]) -> Recipe:
    """The recipe of a cell as it was carried out, with the digests of its pictures. StudioError: it is not there."""
    cell = cells_of(job).get(place)
    if cell is None:
        raise FormError(f"The picture of {cell_words(job, place)} is not there yet.")
    record = PictureRecord.read(read_json((Path(job.folder) / cell.file).with_suffix(".json")))
    return recipe_with_pictures(record.recipe.model_dump(), job)


def grid_cost_markup(cost: Cost, grid: Grid, disk: int) -> str:
    """What a grid costs, as a line: time, pictures, steps and disk."""
    parts = f"{_pictures(len(grid.cells))}, {grid.steps:,} steps, at most about {_size(disk)} on the disk"
    return cost_head(cost, parts)


def _pictures(count: int) -> str:
    return "one picture" if count == 1 else f"{count:,} pictures"


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{max(0.1, size / 1e6):,.1f} MB"


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
