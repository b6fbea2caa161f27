"""The flags of the commands `batch` (attack a folder of photos) and `transfer` (which attack fools which model).

They leave their values in the namespace, beside the fields of the recipe that were given.
"""

import argparse
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from foundation.cluster.asked import ClusterAsked
from foundation.command_line.commands import COMMANDS
from foundation.command_line.flags import AsFlag, Asked, add_flags
from foundation.files.places import path_text, result_folder, user_path
from generator.classes.labels import LABEL_LISTS
from generator.cli import vlm
from generator.cli.making_flags import DEVICE, DEVICE_FLAG, add_recipe_switch
from generator.recipes.fields import add_arguments
from generator.recipes.presets import DEFAULT_PRESET, all_presets_of, preset_fields
from generator.victims.survival import SURVIVALS

TASK = "attack"
_NOT_FLAGS = {"batch": ("task", "size", "images"), "transfer": ("task", "size", "images", "models")}


class TransferAsked(Asked):
    """What `transfer` attacks with, or the pictures that it measures instead."""

    surrogate: Annotated[tuple[str, ...], AsFlag(repeats=True, metavar="MODELS")] = Field(
        (), description="models to attack with, together: A+B; give it several times for several sets"
    )
    matrix: bool = Field(False, description="attack with each of the victims alone: all pairs")
    attacked: Annotated[tuple[Path, ...], AsFlag(repeats=True, read=user_path, metavar="PATH")] = Field(
        (), description="attack nothing: measure these pictures (files or folders), which were made of the photos"
    )


class PhotosAsked(Asked):
    """Which photos."""

    photos: Annotated[tuple[Path, ...], AsFlag(("photos",), read=user_path, metavar="PHOTOS")] = Field(
        description="photos, and folders with photos"
    )


class FilesAsked(Asked):
    """Where results go, and what is said about the photos."""

    out: Annotated[Path, AsFlag(read=result_folder, metavar="FOLDER")] = Field(
        description="where the pictures and the report go; a run that was ended goes on there"
    )
    labels: Annotated[Path | None, AsFlag(read=user_path, metavar="CSV")] = Field(
        None,
        description="label file with the columns ImageId,TrueLabel,TargetClass (NIPS 2017) or "
        "filename,label,targeted_label (TransferAttack). In prompts {target} and {label} stand for what it says of a "
        "photo",
    )
    label_names: Annotated[str | None, AsFlag(read=path_text, metavar="LIST", shown="the surrogates' classes")] = Field(
        None, description=f"what its numbers count: {', '.join(LABEL_LISTS)}, or a text file"
    )
    first_label: Annotated[int | None, AsFlag(metavar="N", shown="1 in NIPS 2017, else 0")] = Field(
        None, ge=0, le=1_000_000, description="the number of the first class"
    )


class MeasuringAsked(Asked):
    """On whom, and after what, the pictures are tested."""

    victim: Annotated[
        tuple[str, ...],
        AsFlag(repeats=True, metavar="MODEL", shown="the models attacked with, or, in a transfer, all that are here"),
    ] = Field(
        (),
        description="a model to test on, several times for several; of a CLIP model, MODEL=LIST chooses among the "
        f"labels of a list ({', '.join(LABEL_LISTS)}) or the lines of a text file; vlm, or vlm:MODEL, is the "
        "vision-language model that this computer is set up for",
    )
    choice: Annotated[tuple[str, ...], AsFlag(repeats=True, metavar="TEXT")] = Field(
        (), description="a caption that CLIP victims choose among"
    )
    choices: Annotated[Path | None, AsFlag(read=user_path, metavar="FILE")] = Field(
        None, description="a text file of such captions, one on each line"
    )
    survival: Annotated[tuple[str, ...], AsFlag(metavar="NAME")] = Field(
        (), description=f"what may happen to the files: all, or some of {', '.join(SURVIVALS)}"
    )
    same: Annotated[tuple[str, ...], AsFlag(repeats=True, metavar="CLASS=LABEL,...")] = Field(
        (), description="labels of victims that mean a class, too, for example dog=beagle,husky"
    )


class AttackAsked(Asked):
    """What the attack begins with, and where and how loudly it is carried out."""

    target_file: Annotated[str | None, AsFlag(("--target",), read=path_text, metavar="PHOTO")] = Field(
        None, description="picture whose embedding is to be matched by CLIP models"
    )
    origin: Annotated[str | None, AsFlag(("--from",), read=path_text, metavar="PNG")] = Field(
        None, description="use the recipe that an attacked picture carries"
    )
    preset: Annotated[str | None, AsFlag(choices=lambda: list(all_presets_of(TASK)), shown=DEFAULT_PRESET[TASK])] = (
        Field(None, description="starting point")
    )
    device: Annotated[str, DEVICE_FLAG] = Field("auto", description=DEVICE)
    quiet: bool = Field(False, description="print errors only")
    json_only: bool = Field(False, description="print nothing but the report, as JSON")


def add_parsers(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add both commands."""
    batch = commands.add_parser("batch", help=COMMANDS["batch"], allow_abbrev=False)
    transfer = commands.add_parser("transfer", help=COMMANDS["transfer"], allow_abbrev=False)
    add_flags(transfer, TransferAsked, in_full=True)
    for name, command in (("batch", batch), ("transfer", transfer)):
        add_flags(command, PhotosAsked, in_full=True)
        files = command.add_argument_group("files")
        add_flags(files, FilesAsked, ("out",), in_full=True)
        add_recipe_switch(files)
        add_flags(files, FilesAsked, ("labels", "label_names", "first_label"), in_full=True)
        add_flags(command.add_argument_group("measuring"), MeasuringAsked, in_full=True)
        vlm.add_vlm_flags(command)
        add_flags(command, AttackAsked, in_full=True)
        add_flags(command.add_argument_group("cluster"), ClusterAsked, in_full=True)
        group = command.add_argument_group("recipe", f"Defaults are those of the preset '{DEFAULT_PRESET[TASK]}'.")
        add_arguments(group, _NOT_FLAGS[name], preset_fields(TASK), task=TASK)
