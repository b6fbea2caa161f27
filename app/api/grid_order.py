"""A grid as programs ask for it: a recipe, and two of its fields with their values."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StrictBool, StrictFloat, StrictInt, ValidationError

from app.api.values import Digest, RecipeOrder, Value
from app.records.params import AxisOrder
from app.records.params import GridOrder as GridAxes
from generator.grids.axis import MOST_VALUES, axis_of, find_field, read_axis

AxisValue = Annotated[str, Field(min_length=1, max_length=2000)] | StrictInt | StrictFloat | StrictBool


class Axis(Value):
    """A field of the recipe, and the values that it takes."""

    field: str = Field(min_length=1, max_length=60, description="A field of the recipe by its name: 'seed', 'steps'...")
    values: (
        Annotated[str, Field(min_length=1, max_length=20_000)]
        | Annotated[tuple[AxisValue, ...], Field(min_length=1, max_length=MOST_VALUES)]
    ) = Field(description="One by one; or a text as the command line writes them: '1..6', '50, 100', 'a frog; a ship'.")

    def asked(self, task: str) -> AxisOrder:
        """The axis of recipes of a task, with each value as it is written. StudioError names what does not fit."""
        if isinstance(self.values, str):
            axis = read_axis(self.field, self.values, task)
        else:
            axis = axis_of(find_field(self.field, task), [_written(value) for value in self.values])
        return AxisOrder(field=axis.field, values=tuple(value.text for value in axis.values))

    def first(self, task: str) -> Mapping[str, object]:
        """Its field with the first of its values. StudioError, likewise."""
        asked = self.asked(task)
        field = find_field(asked.field, task)
        return {field.name: axis_of(field, asked.values[:1]).values[0].given}


def _written(value: AxisValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else repr(value)


class GridOrder(RecipeOrder):
    """A picture of a class or of a text for every pair of values of two fields of the recipe."""

    task = "class"
    x: Axis = Field(description="From left to right.")
    y: Axis = Field(description="From top to bottom.")
    source: Digest | None = Field(None, description="Of texts: a picture to start from.")
    target: Digest | None = Field(None, description="Of texts: a picture that they should be like.")
    style: Digest | None = Field(None, description="Of texts: a picture whose style they should have.")
    mask: Digest | None = Field(None, description="Of texts: white where the source may change.")

    def axes(self) -> GridAxes:
        """Both axes, as a job is told them. StudioError names what does not fit."""
        return GridAxes(x=self.x.asked(self.recipe.task), y=self.y.asked(self.recipe.task))

    @classmethod
    def _task(cls, fields: Mapping[str, object]) -> str:
        task = fields.get("task", cls.task)
        if task not in ("class", "text"):
            raise ValueError(
                "A grid is of pictures of a 'class' or of a 'text': give the recipe one of these as its 'task'."
            )
        return str(task)

    @classmethod
    def _first_values(cls, order: Mapping[str, object], task: str) -> Mapping[str, object]:
        """The first values of the axes, for fields that the recipe leaves out: some are needed before any cell is."""
        found: dict[str, object] = {}
        for name in ("x", "y"):
            try:
                found |= Axis.model_validate(order.get(name)).first(task)
            except ValidationError:  # said in its place, with the rest of the order
                continue
        return found
