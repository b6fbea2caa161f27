"""`python -m generator gallery MODEL`: a picture of every class of a model, and one sheet of all of them."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, JsonValue

from foundation.cluster.asked import ClusterAsked, opened, own_device, read_cluster
from foundation.command_line.commands import COMMANDS
from foundation.command_line.flags import AsFlag, Asked, add_flags, read_flags
from foundation.errors import StudioError
from foundation.files.places import result_folder
from foundation.progress import Progress
from foundation.protocols import Classifier, Encoder, Foreground, JobContext
from generator.classes.class_names import class_place
from generator.cli.making import EXIT_INTERRUPTED, ListModels, LoadModel, with_revisions
from generator.cli.making_flags import DEVICE, DEVICE_FLAG
from generator.production.series import MOST_TILE, Piece, draw_series, file_name, save_sheet
from generator.recipes.fields import add_arguments, given_fields
from generator.recipes.presets import DEFAULT_PRESET, preset_fields, presets_of
from generator.recipes.recipe import Recipe

SHEET = "sheet.png"
_NOT_FLAGS = ("task", "norm", "eps", "models", "model_weights", "classes", "weights", "images", "unit")
"""Fields that the command itself decides."""


class GalleryAsked(Asked):
    """What `gallery` is told beside a recipe."""

    model: Annotated[str, AsFlag(("model",), metavar="MODEL")] = Field(description="the classifier that draws")
    out: Annotated[Path, AsFlag(read=result_folder, metavar="FOLDER")] = Field(
        description=f"where the pictures go, with their records and {SHEET}; those that are there are not drawn again"
    )
    only: Annotated[tuple[str, ...] | None, AsFlag(("--class", "--classes"), metavar="NAME", shown="all")] = Field(
        None, description="only these classes"
    )
    preset: Annotated[str | None, AsFlag(choices=lambda: list(presets_of("class")), shown=DEFAULT_PRESET["class"])] = (
        Field(None, description="starting point")
    )
    device: Annotated[str, DEVICE_FLAG] = Field("auto", description=DEVICE)
    quiet: bool = Field(False, description="print errors only")


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command."""
    command = commands.add_parser("gallery", help=COMMANDS["gallery"], allow_abbrev=False)
    add_flags(command, GalleryAsked)
    add_flags(command.add_argument_group("cluster"), ClusterAsked)
    group = command.add_argument_group("recipe", "Defaults are those of the preset.")
    add_arguments(group, _NOT_FLAGS, preset_fields("class"))


def run(arguments: argparse.Namespace, load_model: LoadModel, list_models: ListModels, foreground: Foreground) -> int:
    """Draw the gallery, and return the exit code."""
    asked, where = read_flags(arguments, GalleryAsked), read_cluster(arguments)
    fields = preset_fields("class", asked.preset) | given_fields(arguments)
    template = Recipe.model_validate(fields | {"models": (asked.model,), "classes": ("0",)})

    notes: list[str] = []

    def work(context: JobContext) -> dict[str, JsonValue]:
        context.progress(Progress(0, 0, "Loading the model"))
        model = load_model(asked.model, context.device, context)
        if isinstance(model, Encoder):
            raise StudioError(
                f"The model '{asked.model}' reads texts and knows no classes: choose a classifier, or draw a text."
            )
        recipe = with_revisions(template, list_models())
        pieces = pieces_of(model, recipe, asked.out, asked.only)
        series = draw_series(context, pieces, lambda _piece: {asked.model: model}, cluster=cluster)
        columns = math.ceil(math.sqrt(len(pieces)))
        width = min(MOST_TILE, recipe.size[1])
        if any(piece.path.is_file() for piece in pieces):
            save_sheet(pieces, [piece.title for piece in pieces], asked.out / SHEET, columns=columns, width=width)
        notes.extend(f"{title}: {why}" for title, why in series.failed.items())
        notes.extend(note for piece in pieces if piece.record_path.is_file() for note in _runaways(piece))
        return {
            "pictures": len(pieces),
            "drawn": series.drawn,
            "there": series.there,
            "notes": [*notes],
            "stopped": series.stopped,
        }

    with opened(where, asked.device, quiet=asked.quiet) as cluster:
        record = foreground.run("gallery", own_device(where, asked.device), work, quiet=asked.quiet)
    if record is None:
        print("Interrupted; the pictures that were finished are kept.", file=sys.stderr)
        return EXIT_INTERRUPTED
    if not asked.quiet:
        for note in notes:
            print(f"Note: {note}")
        print(f"{record['drawn']} pictures drawn, {record['there']} were there, of {record['pictures']}.")
        print(asked.out / SHEET)
    return EXIT_INTERRUPTED if record["stopped"] else 0


def pieces_of(model: Classifier, recipe: Recipe, folder: Path, only: Sequence[str] | None) -> list[Piece]:
    """The pictures of a gallery: of each class, or those named; files begin with the class's number.

    StudioError for a name that the model does not know, before anything is drawn.
    """
    names = model.class_names
    places = range(len(names)) if only is None else [class_place(names, name) for name in only]
    digits = len(str(len(names) - 1))
    pieces = []
    for place in dict.fromkeys(places):
        name = names[place]
        path = folder / f"{place:0{digits}d}-{file_name(name)}.png"
        pieces.append(Piece(path, recipe.with_changes(classes=(name,)), name))
    return pieces


def _runaways(piece: Piece) -> list[str]:
    return [f"{piece.title}: {one.sentence}" for one in piece.record().ran_away]
