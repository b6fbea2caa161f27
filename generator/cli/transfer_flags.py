"""The flags of the commands `batch` (attack a folder of photos) and `transfer` (which attack fools which model)."""

import argparse
from typing import Any

from foundation.command_line.arguments import whole
from foundation.command_line.commands import COMMANDS
from foundation.files.places import path_text, result_folder, user_path
from generator.classes.labels import LABEL_LISTS
from generator.cli import vlm
from generator.cli.making import add_recipe_switch
from generator.recipes.fields import add_arguments
from generator.recipes.presets import DEFAULT_PRESET, all_presets_of, preset_fields
from generator.victims.survival import SURVIVALS

TASK = "attack"
_NOT_FLAGS = {"batch": ("task", "size", "images"), "transfer": ("task", "size", "images", "models")}


def add_parsers(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add both commands."""
    batch = commands.add_parser("batch", help=COMMANDS["batch"], allow_abbrev=False)
    transfer = commands.add_parser("transfer", help=COMMANDS["transfer"], allow_abbrev=False)
    transfer.add_argument(
        "--surrogate",
        action="append",
        default=[],
        metavar="MODELS",
        help="models to attack with, together: A+B; give it several times for several sets",
    )
    transfer.add_argument("--matrix", action="store_true", help="attack with each of the victims alone: all pairs")
    transfer.add_argument(
        "--attacked",
        action="append",
        type=user_path,
        default=[],
        metavar="PATH",
        help="attack nothing: measure these pictures (files or folders), which were made of the photos",
    )
    for name, command in (("batch", batch), ("transfer", transfer)):
        _add_files(command)
        _add_measuring(command)
        _add_recipe(command, name)


def _add_files(command: argparse.ArgumentParser) -> None:
    command.add_argument("photos", nargs="+", type=user_path, metavar="PHOTOS", help="photos, and folders with photos")
    files = command.add_argument_group("files")
    files.add_argument(
        "--out",
        type=result_folder,
        required=True,
        metavar="FOLDER",
        help="where the pictures and the report go; a run that was ended goes on there",
    )
    add_recipe_switch(files)
    files.add_argument(
        "--labels",
        type=user_path,
        metavar="CSV",
        help="label file with the columns ImageId,TrueLabel,TargetClass (NIPS 2017) or filename,label,targeted_label "
        "(TransferAttack). In prompts {target} and {label} stand for what it says of a photo",
    )
    files.add_argument(
        "--label-names",
        type=path_text,
        metavar="LIST",
        help=f"what its numbers count: {', '.join(LABEL_LISTS)}, or a text file; default: the surrogates' classes",
    )
    files.add_argument(
        "--first-label",
        type=whole(0, 1_000_000),
        metavar="N",
        help="the number of the first class; default: 1 in NIPS 2017, else 0",
    )


def _add_measuring(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("measuring")
    group.add_argument(
        "--victim",
        action="append",
        default=[],
        metavar="MODEL",
        help="a model to test on, several times for several; of a CLIP model, MODEL=LIST chooses among the labels of a "
        f"list ({', '.join(LABEL_LISTS)}) or the lines of a text file; vlm, or vlm:MODEL, is the vision-language model "
        "that this computer is set up for; default: the models attacked with, or, in a transfer, all that are here",
    )
    group.add_argument(
        "--choice", action="append", default=[], metavar="TEXT", help="a caption that CLIP victims choose among"
    )
    group.add_argument(
        "--choices", type=user_path, metavar="FILE", help="a text file of such captions, one on each line"
    )
    group.add_argument(
        "--survival",
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"what may happen to the files: all, or some of {', '.join(SURVIVALS)}",
    )
    group.add_argument(
        "--same",
        action="append",
        default=[],
        metavar="CLASS=LABEL,...",
        help="labels of victims that mean a class, too, for example dog=beagle,husky",
    )
    vlm.add_flags(command)


def _add_recipe(command: argparse.ArgumentParser, name: str) -> None:
    command.add_argument(
        "--target",
        dest="target_file",
        type=path_text,
        metavar="PHOTO",
        help="picture whose embedding is to be matched by CLIP models",
    )
    command.add_argument(
        "--from", dest="origin", type=path_text, metavar="PNG", help="use the recipe that an attacked picture carries"
    )
    preset = DEFAULT_PRESET[TASK]
    command.add_argument("--preset", choices=list(all_presets_of(TASK)), help=f"starting point; default: {preset}")
    command.add_argument("--device", default="auto", help="cpu, cuda, cuda:1...; default: a GPU if there is one")
    command.add_argument("--quiet", action="store_true", help="print errors only")
    command.add_argument("--json-only", action="store_true", help="print nothing but the report, as JSON")
    group = command.add_argument_group("recipe", f"Defaults are those of the preset '{preset}'.")
    add_arguments(group, _NOT_FLAGS[name], preset_fields(TASK), task=TASK)
