"""The command line: `python -m generator text | class | attack | gallery | grid | batch | transfer | units | ...`.

Every field of a recipe is a flag; defaults come from presets, and from the recipe for what those leave open.
Models, and the runner of foreground jobs, are handed in from outside (see `main`): this package knows neither.
Exit codes: 0 done, 2 for an error that a sentence explains, 130 after Ctrl-C (which keeps what there is; a second
one throws it away).
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from foundation.catalogue.entry import Kind, ModelInfo
from foundation.catalogue.names import spelled
from foundation.command_line.commands import COMMANDS, DESCRIPTION
from foundation.command_line.flags import AsFlag, Asked, add_flags, read_flags
from foundation.command_line.program import Parser, answered, called
from foundation.files.places import path_text
from foundation.protocols import Foreground
from generator.cli import gallery, grid, units
from generator.cli import transfer as explorer
from generator.cli.making import ListModels, LoadModel, by_origin, make
from generator.cli.making_flags import add_making, add_photo, add_text
from generator.cli.vlm import ReadSettings, no_settings
from generator.recipes.presets import DEFAULT_PRESET, all_presets_of
from generator.recipes.recipe import Recipe


class ShowAsked(Asked):
    """What `show` is told."""

    picture: Annotated[str, AsFlag(("picture",), read=path_text)] = Field(description="a PNG made by this program")


_TAKES: Mapping[str, Kind] = {"text": "encoder", "class": "classifier", "gallery": "classifier", "units": "classifier"}
"""What models a command asks first. Attacks ask any."""


def main(
    argv: Sequence[str],
    *,
    load_model: LoadModel,
    list_models: ListModels,
    foreground: Foreground,
    read_vlm: ReadSettings = no_settings,
    load_typed: LoadModel | None = None,
) -> int:
    """Run one command and return the exit code.

    `foreground` runs what takes a while; `read_vlm` is asked for the endpoint of vision-language models when one is
    wanted. `load_model` is given the names of models that files say (the recipe in a PNG), `load_typed` those that
    flags say; None stands for the same.
    """

    def work() -> int:
        arguments = build_parser().parse_args(argv)
        _spell_out(arguments)
        load = by_origin(arguments, load_model, load_typed or load_model)
        match arguments.command:
            case "text" | "class" | "attack":
                return make(arguments, load, list_models, foreground)
            case "gallery":
                return gallery.run(arguments, load_typed or load_model, list_models, foreground)
            case "grid":
                return grid.run(arguments, load_model, load_typed or load_model, list_models, foreground)
            case "batch" | "transfer":
                return explorer.run(arguments, load, list_models, foreground, read_vlm)
            case "units":
                return units.run(arguments, load_typed or load_model, foreground)
            case "presets":
                _print_presets()
            case "models":
                _print_models(list_models())
            case "show":
                print(
                    json.dumps(
                        json.loads(Recipe.from_png(read_flags(arguments, ShowAsked).picture).to_json()), indent=2
                    )
                )
        return 0

    return answered(work)


def _spell_out(arguments: argparse.Namespace) -> None:
    """Say which kind of model a name of the hub means, where the command takes but one."""
    kind = _TAKES.get(arguments.command)
    if kind is not None and hasattr(arguments, "models"):
        arguments.models = tuple(spelled(name, kind) for name in arguments.models)
    if kind is not None and hasattr(arguments, "model"):
        arguments.model = spelled(arguments.model, kind)


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog=called("generator"), description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    drawn = commands.add_parser("text", help=COMMANDS["text"], allow_abbrev=False)
    add_text(drawn)
    classes = commands.add_parser("class", help=COMMANDS["class"], allow_abbrev=False)
    attacked = commands.add_parser("attack", help=COMMANDS["attack"], allow_abbrev=False)
    add_photo(attacked)
    for task, command in (("text", drawn), ("class", classes), ("attack", attacked)):
        add_making(command, task)
    gallery.add_parser(commands)
    grid.add_parser(commands)
    explorer.add_parsers(commands)
    units.add_parser(commands)
    for name in ("presets", "models"):
        commands.add_parser(name, help=COMMANDS[name])
    add_flags(commands.add_parser("show", help=COMMANDS["show"]), ShowAsked)
    return parser


def _print_presets() -> None:
    width = max(len(name) for task in DEFAULT_PRESET for name in all_presets_of(task))
    for task in DEFAULT_PRESET:
        for name, preset in all_presets_of(task).items():
            print(f"{task:6}  {name:{width}}  {preset.description}")


def _print_models(models: Sequence[ModelInfo]) -> None:
    width = max((len(model.name) for model in models), default=0)
    for model in models:
        print(f"{model.name:{width}}  {model.title if model.ready else model.why_not}")
