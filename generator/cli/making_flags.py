"""The flags of the commands that make pictures: files, and every field of a recipe."""

import argparse
from collections.abc import Collection

from foundation.files.places import path_text, result_file, result_folder, result_pictures
from generator.cli.making import add_recipe_switch
from generator.recipes.fields import add_arguments
from generator.recipes.presets import DEFAULT_PRESET, all_presets_of, preset_fields
from generator.recipes.recipe import Recipe
from generator.recipes.schema import TASK_DEFAULTS

NOT_FLAGS = {"text": ("task", "prompt"), "class": ("task", "norm", "eps"), "attack": ("task", "size")}
"""Fields that the command itself decides, or that mean nothing to it."""


def add_text(command: argparse.ArgumentParser) -> None:
    """Add the prompt, and the pictures that a text can refer to."""
    described = Recipe.model_fields["prompt"].description
    command.add_argument("prompt", nargs="?", default=argparse.SUPPRESS, metavar="PROMPT", help=described)
    pictures = command.add_argument_group("pictures")
    pictures.add_argument(
        "--start", dest="source_file", type=path_text, metavar="PHOTO", help="photo to start from and to change"
    )
    pictures.add_argument(
        "--mask",
        dest="mask_file",
        type=path_text,
        metavar="PNG",
        help="where the start photo may change: white where it may, black (or transparent) where not; of its size",
    )
    pictures.add_argument(
        "--target", dest="target_file", type=path_text, metavar="PHOTO", help="picture whose embedding is to be matched"
    )
    pictures.add_argument(
        "--style",
        dest="style_file",
        type=path_text,
        metavar="PHOTO",
        help="picture whose embedding joins in; try --start, --margin 0.1",
    )


def add_making(command: argparse.ArgumentParser, task: str) -> None:
    """Add the flags of a command that makes pictures; of the recipe's only those given appear in its arguments."""
    files = command.add_argument_group("files")
    files.add_argument(
        "--out", type=result_pictures, help="the PNG to write (several: x-1.png, x-2.png...), or a folder"
    )
    add_recipe_switch(files)
    files.add_argument("--frames", type=result_folder, metavar="FOLDER", help="also save the picture after every step")
    files.add_argument(
        "--video",
        type=result_file,
        metavar="MP4",
        help="also save a video: of the picture forming, or of the way from one prompt to another and back",
    )
    files.add_argument(
        "--layers",
        type=result_folder,
        metavar="FOLDER",
        help="also save every layer, by itself with more contrast (layer-*.png) and with all coarser ones (upto-*.png)",
    )
    files.add_argument(
        "--spectrum",
        type=result_file,
        metavar="JSON",
        help="also save the variance of each layer and the Fourier spectrum, with their log-log fits",
    )
    files.add_argument(
        "--spectrum-photo",
        type=path_text,
        metavar="PHOTO",
        help="a photo whose spectrum is put beside that of the picture",
    )
    add_settings(command, task)
    command.add_argument("--json-only", action="store_true", help="print nothing but the record, as JSON")
    add_recipe(command, task)


def add_settings(command: argparse.ArgumentParser, task: str) -> None:
    """Add what a recipe begins with, and where and how loudly it is carried out."""
    command.add_argument(
        "--from",
        dest="origin",
        type=path_text,
        metavar="PNG",
        help="repeat the recipe that a picture carries; flags given beside it change it",
    )
    command.add_argument(
        "--preset", choices=list(all_presets_of(task)), help=f"starting point; default: {DEFAULT_PRESET[task]}"
    )
    command.add_argument("--device", default="auto", help="cpu, cuda, cuda:1...; default: a GPU if there is one")
    command.add_argument("--quiet", action="store_true", help="print errors only")


def add_recipe(command: argparse.ArgumentParser, task: str, without: Collection[str] = ()) -> None:
    """Add a flag for every field of a recipe, but those that the command decides and those it goes without."""
    group = command.add_argument_group(
        "recipe", f"Defaults are those of the preset '{DEFAULT_PRESET[task]}'; with --from, they are the picture's own."
    )
    defaults = {**TASK_DEFAULTS.get(task, {}), **preset_fields(task)}
    add_arguments(group, (*NOT_FLAGS[task], *without), defaults, task=task)
