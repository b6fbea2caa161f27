"""A grid as others write it: as the command line, and as a few lines of Python, that make the same pictures."""

import shlex
from collections.abc import Mapping

from foundation.errors import StudioError
from generator.grids.axis import Axis, read_axis
from generator.grids.grid import Grid
from generator.recipes.spelling import FILES, FLAGS, arguments_of, said_fields

FOLDER = "grid"
"""Where the pictures go where nobody says."""
CELL = "CELL.png"
_BETWEEN = (", ", "; ", "\n")


def written_axis(axis: Axis, task: str) -> str | None:
    """An axis as `FIELD=VALUES`, which reads back the same; None where nothing does, as for a text of several lines."""
    for between in _BETWEEN:
        values = between.join(value.text for value in axis.values)
        try:
            if read_axis(axis.field, values, task) == axis:
                return f"{axis.field}={values}"
        except StudioError:
            continue
    return None


def grid_command_of(grid: Grid, files: Mapping[str, str] = FILES, *, of_cell: bool = False) -> str | None:
    """The command line that makes a grid, quoted for a POSIX shell; None where its axes cannot be written in one line.

    Args:
        files: the pictures' that its recipe names.
        of_cell: the recipe is read from one of the grid's own pictures, for what no flag says.
    """
    task = grid.base.task
    x, y = (written_axis(axis, task) for axis in (grid.x, grid.y))
    if x is None or y is None:
        return None
    axes = ["--x", x, "--y", y, "--out", FOLDER]
    brought = [part for name in FLAGS if getattr(grid.base, name) for part in (FLAGS[name], files[name])]
    said = ["--from", CELL, *brought] if of_cell else arguments_of(grid.base, files)[1:]
    return shlex.join(["python", "-m", "generator", "grid", task, *axes, *said])


def grid_python_of(grid: Grid, files: Mapping[str, str] = FILES) -> str:
    """Lines of Python that have a running studio make a grid, and save it in a folder."""
    fields = {name: repr(value) for name, value in said_fields(grid.base).items() if name != "task"}
    fields |= {name: f"studio.upload({files[name]!r})" for name in FLAGS if getattr(grid.base, name)}
    axes = [f"({axis.field!r}, {[value.text for value in axis.values]!r})" for axis in (grid.x, grid.y)]
    lines = [
        "from crossmax_studio.client import Studio",
        "",
        'with Studio("http://127.0.0.1:7860") as studio:',
        "    job = studio.grid(",
        *(f"        {axis}," for axis in axes),
        f"        task={grid.base.task!r},",
        '        preset="",',
        *(f"        {name}={value}," for name, value in fields.items()),
        "    )",
        f"    studio.save(studio.wait(job), {FOLDER!r})",
    ]
    return "\n".join(lines) + "\n"
