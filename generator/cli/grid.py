"""`python -m generator grid text | class`: a picture for every pair of values of two fields, and one sheet of them."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, JsonValue

from foundation.catalogue.entry import Kind
from foundation.catalogue.names import spelled
from foundation.cluster.asked import ClusterAsked, opened, own_device, read_cluster
from foundation.command_line.commands import COMMANDS
from foundation.command_line.flags import AsFlag, Asked, add_flags
from foundation.errors import StudioError
from foundation.files.places import result_folder
from foundation.progress import Progress
from foundation.protocols import Foreground, JobContext
from generator.cli.making import (
    EXIT_INTERRUPTED,
    ListModels,
    LoadModel,
    by_origin,
    read_pictures,
    read_recipe,
    with_revisions,
)
from generator.cli.making_flags import add_recipe, add_recipe_switch, add_settings, add_text
from generator.grids.axis import NO_AXES, Axis, parse_axis
from generator.grids.grid import Grid, disk_of
from generator.grids.output import SHEET, TABLE
from generator.grids.running import make_grid
from generator.production.series import Series
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model

TASKS: Mapping[str, Kind] = {"text": "encoder", "class": "classifier"}
"""The tasks of which there are grids, and what models each asks first."""
_AXIS = (
    "a field of the recipe and its values, for example seed=1..6, steps=50,100,200, 'prompt=a frog; a ship' or "
    "'model=a; b'"
)


class GridAsked(Asked):
    """What `grid` is told beside a recipe."""

    x: Annotated[str, AsFlag(metavar="FIELD=VALUES")] = Field(description=f"from left to right: {_AXIS}")
    y: Annotated[str, AsFlag(metavar="FIELD=VALUES")] = Field(description=f"from top to bottom: {_AXIS}")
    out: Annotated[Path, AsFlag(read=result_folder, metavar="FOLDER")] = Field(
        description=f"where the pictures go, with their records, {SHEET} and {TABLE}; those that are there are not "
        "made again, so the same command goes on where it was ended"
    )


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command."""
    parser = commands.add_parser("grid", help=COMMANDS["grid"])
    tasks = parser.add_subparsers(dest="task", required=True)
    for task in TASKS:
        command = tasks.add_parser(task, help=f"{COMMANDS[task]}, for every pair of values", allow_abbrev=False)
        if task == "text":
            add_text(command)
        axes = command.add_argument_group("grid")
        add_flags(axes, GridAsked)
        add_recipe_switch(axes)
        add_settings(command, task)
        add_flags(command.add_argument_group("cluster"), ClusterAsked)
        add_recipe(command, task, sorted(NO_AXES))


def run(
    arguments: argparse.Namespace, named: LoadModel, typed: LoadModel, list_models: ListModels, foreground: Foreground
) -> int:
    """Make the grid, and return the exit code. `named` loads models that files say, `typed` those that flags say."""
    where = read_cluster(arguments)
    pictures = read_pictures(arguments, arguments.task)
    grid = read_grid(arguments, list_models, pictures)
    load_model = by_origin(arguments, named, typed, also=_models_of((grid.x, grid.y)))
    if not arguments.quiet:
        print(_size_words(grid, pictures), flush=True)
    loaded: dict[str, Model] = {}
    found: list[Series] = []

    def work(context: JobContext) -> dict[str, JsonValue]:
        def load(recipe: Recipe) -> tuple[Mapping[str, Model], tuple[str, ...]]:
            for name in recipe.models:
                if name not in loaded:
                    context.progress(Progress(0, 0, f"Loading {name}", unit="items"))
                    loaded[name] = load_model(name, context.device, context)
            return loaded, with_revisions(recipe, list_models()).revisions

        series, _ = make_grid(
            context,
            grid,
            arguments.out,
            load,
            pictures=pictures,
            with_recipe=arguments.with_recipe,
            cluster=cluster,
        )
        found.append(series)
        return {}

    with opened(where, arguments.device, quiet=arguments.quiet) as cluster:
        done = foreground.run("grid", own_device(where, arguments.device), work, quiet=arguments.quiet)
    if done is None:
        print("Interrupted; the pictures that were finished are kept.", file=sys.stderr)
        return EXIT_INTERRUPTED
    if not arguments.quiet:
        _print(found[0], grid, arguments.out)
    return EXIT_INTERRUPTED if found[0].stopped else 0


def read_grid(arguments: argparse.Namespace, list_models: ListModels, pictures: Pictures) -> Grid:
    """The grid that the arguments say. StudioError names what does not fit, or the cell that cannot be made."""
    task = arguments.task
    x, y = (_spelled(parse_axis(text, task), TASKS[task]) for text in (arguments.x, arguments.y))
    if hasattr(arguments, "models"):
        arguments.models = tuple(spelled(name, TASKS[task]) for name in arguments.models)
    chosen, named = hasattr(arguments, "models") or arguments.origin is not None, hasattr(arguments, "classes")
    grid = Grid(_base(arguments, (x, y), list_models, pictures), x, y)
    return grid if chosen else grid.drawn_by_usual_models(arguments.preset, list_models(), named=named)


def _spelled(axis: Axis, kind: Kind) -> Axis:
    """The axis with the names of models as they are written where only models of a kind are meant."""
    if axis.field != "models":
        return axis
    values = (
        replace(value, given=tuple(spelled(name, kind) for name in value.given))
        if isinstance(value.given, tuple)
        else value
        for value in axis.values
    )
    return Axis(axis.field, tuple(values))


def _models_of(axes: Sequence[Axis]) -> set[str]:
    """The names of models that axes say."""
    given = [value.given for axis in axes if axis.field == "models" for value in axis.values]
    return {name for names in given if isinstance(names, tuple) for name in names}


def _base(arguments: argparse.Namespace, axes: Sequence[Axis], list_models: ListModels, pictures: Pictures) -> Recipe:
    """The recipe of the flags; one that is none without what an axis says takes its first value."""
    try:
        return read_recipe(arguments, arguments.task, list_models(), pictures)
    except StudioError:
        for axis in axes:
            if not hasattr(arguments, axis.field):
                setattr(arguments, axis.field, axis.values[0].given)
        return read_recipe(arguments, arguments.task, list_models(), pictures)


def _size_words(grid: Grid, pictures: Pictures) -> str:
    photo = None if pictures.source is None else (pictures.source.shape[2], pictures.source.shape[3])
    disk = disk_of([cell.recipe for cell in grid.cells], photo)
    return (
        f"{grid.title} ({len(grid.x.values)} x {len(grid.y.values)}), {grid.steps:,} steps, at most about "
        f"{max(0.1, disk / 1e6):,.1f} MB. How long it takes is told once a few steps are taken."
    )


def _print(series: Series, grid: Grid, folder: Path) -> None:
    for title, why in series.failed.items():
        print(f"Note: {title}: {why}")
    print(f"{series.drawn} pictures drawn, {series.there} were there, of {len(grid.cells)}.")
    for name in (SHEET, TABLE):
        print(folder / name)
