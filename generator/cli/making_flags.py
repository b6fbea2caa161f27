"""The flags of the commands that make pictures: files, and every field of a recipe.

They leave their values in the namespace, beside the fields of the recipe that were given.
"""

import argparse
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from foundation.command_line.flags import AsFlag, Asked, add_flags
from foundation.files.places import path_text, result_file, result_folder, result_pictures
from generator.recipes.fields import add_arguments, add_prompt
from generator.recipes.presets import DEFAULT_PRESET, all_presets_of, preset_fields
from generator.recipes.schema import TASK_DEFAULTS
from generator.synthesis.drawers import DRAWERS

NOT_FLAGS = {"text": ("task", "prompt"), "class": ("task", "norm", "eps"), "attack": ("task", "size")}
"""Fields that the command itself decides, or that mean nothing to it."""
DEVICE, DEVICE_FLAG = "cpu, cuda, cuda:1...", AsFlag(shown="a GPU if there is one")
"""What the option `device` says, and how it is written, in all commands."""
_PHOTO = AsFlag(read=path_text, metavar="PHOTO")


class GuidesAsked(Asked):
    """The pictures that a text can refer to."""

    source_file: Annotated[str | None, AsFlag(("--start",), read=path_text, metavar="PHOTO")] = Field(
        None, description="photo to start from and to change"
    )
    mask_file: Annotated[str | None, AsFlag(("--mask",), read=path_text, metavar="PNG")] = Field(
        None,
        description="where the start photo may change: white where it may, black (or transparent) where not; of its "
        "size",
    )
    target_file: Annotated[str | None, AsFlag(("--target",), read=path_text, metavar="PHOTO")] = Field(
        None, description="picture whose embedding is to be matched"
    )
    style_file: Annotated[str | None, AsFlag(("--style",), read=path_text, metavar="PHOTO")] = Field(
        None, description="picture whose embedding joins in; try --start, --margin 0.1"
    )


class PhotoAsked(Asked):
    """What an attack changes, and a picture that it is led by."""

    photo: Annotated[str, AsFlag(("photo",), read=path_text)] = Field(description="the photo to change")
    target_file: Annotated[str | None, AsFlag(("--target",), read=path_text, metavar="PHOTO")] = Field(
        None, description="picture whose embedding is to be matched, in the eyes of the CLIP models"
    )


class SwitchAsked(Asked):
    """Whether pictures carry their recipe."""

    with_recipe: Annotated[bool, AsFlag(("--no-recipe",), turns_off=True, shown="")] = Field(
        True, description="leave the recipe out of the PNG files; the JSON files beside them have it"
    )


class FilesAsked(Asked):
    """What is written."""

    out: Annotated[Path | None, AsFlag(read=result_pictures)] = Field(
        None, description="the PNG to write (several: x-1.png, x-2.png...), or a folder"
    )
    frames: Annotated[Path | None, AsFlag(read=result_folder, metavar="FOLDER")] = Field(
        None, description="also save the picture after every step"
    )
    video: Annotated[Path | None, AsFlag(read=result_file, metavar="MP4")] = Field(
        None, description="also save a video: of the picture forming, or of the way from one prompt to another and back"
    )
    layers: Annotated[Path | None, AsFlag(read=result_folder, metavar="FOLDER")] = Field(
        None,
        description="also save every layer, by itself with more contrast (layer-*.png) and with all coarser ones "
        "(upto-*.png)",
    )
    spectrum: Annotated[Path | None, AsFlag(read=result_file, metavar="JSON")] = Field(
        None, description="also save the variance of each layer and the Fourier spectrum, with their log-log fits"
    )
    spectrum_photo: Annotated[str | None, _PHOTO] = Field(
        None, description="a photo whose spectrum is put beside that of the picture"
    )


class LoudnessAsked(Asked):
    """How much is said."""

    json_only: bool = Field(False, description="print nothing but the record, as JSON")


def settings_asked(task: str) -> type[Asked]:
    """What a recipe of the task begins with, and where and how loudly it is carried out."""

    class SettingsAsked(Asked):
        origin: Annotated[str | None, AsFlag(("--from",), read=path_text, metavar="PNG")] = Field(
            None, description="repeat the recipe that a picture carries; flags given beside it change it"
        )
        preset: Annotated[
            str | None, AsFlag(choices=lambda: list(all_presets_of(task)), shown=DEFAULT_PRESET[task])
        ] = Field(None, description="starting point")
        device: Annotated[str, DEVICE_FLAG] = Field("auto", description=DEVICE)
        quiet: bool = Field(False, description="print errors only")

    return SettingsAsked


def add_text(command: argparse.ArgumentParser) -> None:
    """Add the prompt, and the pictures that a text can refer to."""
    add_prompt(command)
    add_flags(command.add_argument_group("pictures"), GuidesAsked, in_full=True)


def add_photo(command: argparse.ArgumentParser) -> None:
    """Add the photo that an attack changes."""
    add_flags(command, PhotoAsked, in_full=True)


def add_making(command: argparse.ArgumentParser, task: str) -> None:
    """Add the flags of a command that makes pictures; of the recipe's only those given appear in its arguments."""
    files = command.add_argument_group("files")
    add_flags(files, FilesAsked, ("out",), in_full=True)
    add_recipe_switch(files)
    add_flags(files, FilesAsked, [name for name in FilesAsked.model_fields if name != "out"], in_full=True)
    add_settings(command, task)
    add_flags(command, LoudnessAsked, in_full=True)
    add_recipe(command, task)


def add_recipe_switch(files: "argparse._ArgumentGroup") -> None:
    """Add the flag that leaves the recipe out of the pictures."""
    add_flags(files, SwitchAsked, in_full=True)


def add_settings(command: argparse.ArgumentParser, task: str) -> None:
    """Add what a recipe begins with, and where and how loudly it is carried out."""
    add_flags(command, settings_asked(task), in_full=True)


_WHO_DRAWS: Mapping[str, str] = {
    "class": f"Where none are named, {' and '.join(DRAWERS['class'])} draw a class of that name that both know, and "
    "one of them what it alone knows, unless the default does, too.",
    "text": "Classifiers lead along to what the prompt names, and take no part where they know no class for it.",
}
_DRAWN_BY: Mapping[str, Mapping[str, object]] = {"text": {"models": DRAWERS["text"]}}


def add_recipe(command: argparse.ArgumentParser, task: str, without: Collection[str] = ()) -> None:
    """Add a flag for every field of a recipe, but those that the command decides and those it goes without."""
    group = command.add_argument_group(
        "recipe",
        f"Defaults are those of the preset '{DEFAULT_PRESET[task]}'; with --from, they are the picture's own. "
        + _WHO_DRAWS.get(task, ""),
    )
    defaults = {**TASK_DEFAULTS.get(task, {}), **preset_fields(task), **_DRAWN_BY.get(task, {})}
    add_arguments(group, (*NOT_FLAGS[task], *without), defaults, task=task)
