"""The command line: `python -m generator text | class | attack | gallery | batch | transfer | units | ...`.

Every field of a recipe is a flag; defaults come from presets, and from the recipe for what those leave open.
Models, and the runner of foreground jobs, are handed in from outside (see `main`): this package knows neither.
Exit codes: 0 done, 2 for an error that a sentence explains, 130 after Ctrl-C (which keeps what there is; a second
one throws it away).
"""

import argparse
import json
from collections.abc import Mapping, Sequence

from foundation.catalogue.entry import Kind, ModelInfo
from foundation.catalogue.names import spelled
from foundation.command_line.commands import COMMANDS, DESCRIPTION
from foundation.command_line.program import Parser, answered, called
from foundation.files.places import path_text, result_file, result_folder, result_pictures
from foundation.protocols import Foreground
from generator.cli import gallery, units
from generator.cli import transfer as explorer
from generator.cli.making import ListModels, LoadModel, add_recipe_switch, by_origin, make
from generator.cli.vlm import ReadSettings, no_settings
from generator.recipes.fields import add_arguments
from generator.recipes.presets import DEFAULT_PRESET, all_presets_of, preset_fields
from generator.recipes.recipe import Recipe
from generator.recipes.schema import TASK_DEFAULTS

_NOT_FLAGS = {"text": ("task", "prompt"), "class": ("task", "norm", "eps"), "attack": ("task", "size")}
"""Fields that the command itself decides, or that mean nothing to it."""

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
        arguments = _parser().parse_args(argv)
        _spell_out(arguments)
        load = by_origin(arguments, load_model, load_typed or load_model)
        match arguments.command:
            case "text" | "class" | "attack":
                return make(arguments, load, list_models, foreground)
            case "gallery":
                return gallery.run(arguments, load_typed or load_model, list_models, foreground)
            case "batch" | "transfer":
                return explorer.run(arguments, load, list_models, foreground, read_vlm)
            case "units":
                return units.run(arguments, load_typed or load_model, foreground)
            case "presets":
                _print_presets()
            case "models":
                _print_models(list_models())
            case "show":
                print(json.dumps(json.loads(Recipe.from_png(arguments.picture).to_json()), indent=2))
        return 0

    return answered(work)


def _spell_out(arguments: argparse.Namespace) -> None:
    """Say which kind of model a name of the hub means, where the command takes but one."""
    kind = _TAKES.get(arguments.command)
    if kind is not None and hasattr(arguments, "models"):
        arguments.models = tuple(spelled(name, kind) for name in arguments.models)
    if kind is not None and hasattr(arguments, "model"):
        arguments.model = spelled(arguments.model, kind)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=called("generator"), description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    drawn = commands.add_parser("text", help=COMMANDS["text"], allow_abbrev=False)
    _add_text(drawn)
    classes = commands.add_parser("class", help=COMMANDS["class"], allow_abbrev=False)
    attacked = commands.add_parser("attack", help=COMMANDS["attack"], allow_abbrev=False)
    attacked.add_argument("photo", type=path_text, help="the photo to change")
    attacked.add_argument(
        "--target",
        dest="target_file",
        type=path_text,
        metavar="PHOTO",
        help="picture whose embedding is to be matched, in the eyes of the CLIP models",
    )
    for task, command in (("text", drawn), ("class", classes), ("attack", attacked)):
        _add_making(command, task)
    gallery.add_parser(commands)
    explorer.add_parsers(commands)
    units.add_parser(commands)
    for name in ("presets", "models"):
        commands.add_parser(name, help=COMMANDS[name])
    shown = commands.add_parser("show", help=COMMANDS["show"])
    shown.add_argument("picture", type=path_text, help="a PNG made by this program")
    return parser


def _add_text(command: argparse.ArgumentParser) -> None:
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


def _add_making(command: argparse.ArgumentParser, task: str) -> None:
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
    command.add_argument("--json-only", action="store_true", help="print nothing but the record, as JSON")
    group = command.add_argument_group(
        "recipe", f"Defaults are those of the preset '{DEFAULT_PRESET[task]}'; with --from, they are the picture's own."
    )
    add_arguments(group, _NOT_FLAGS[task], {**TASK_DEFAULTS.get(task, {}), **preset_fields(task)}, task=task)


def _print_presets() -> None:
    width = max(len(name) for task in DEFAULT_PRESET for name in all_presets_of(task))
    for task in DEFAULT_PRESET:
        for name, preset in all_presets_of(task).items():
            print(f"{task:6}  {name:{width}}  {preset.description}")


def _print_models(models: Sequence[ModelInfo]) -> None:
    width = max((len(model.name) for model in models), default=0)
    for model in models:
        print(f"{model.name:{width}}  {model.title if model.ready else model.why_not}")
