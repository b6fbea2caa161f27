"""The command line: `python -m generator class | attack | presets | models | show`.

Every field of a recipe is a flag; defaults come from presets, and from the recipe for what those leave open.
Models, and the runner of foreground jobs, are handed in from outside (see `main`): this package knows neither.
Exit codes: 0 done, 2 for an error that a sentence explains, 130 after Ctrl-C (which keeps what there is; a second
one throws it away).
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from generator.devices import choose_device
from generator.errors import StudioError
from generator.image import load_image, save_png, to_tensor
from generator.loop import Step
from generator.presets import DEFAULT_PRESET, PRESETS, preset_fields, presets_of
from generator.production import Outputs, output_paths, produce_job
from generator.protocols import Classifier, Foreground, JobContext
from generator.recipe import Recipe
from generator.recipe_fields import add_arguments, from_arguments

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
_NOT_FLAGS = {"class": ("task", "norm", "eps"), "attack": ("task", "size")}
"""Fields that the command itself decides, or that mean nothing to it."""


class ModelListing(Protocol):
    """What the command line asks of an entry in the list of models."""

    @property
    def name(self) -> str:
        """What recipes call it."""
        ...

    @property
    def title(self) -> str:
        """What people call it."""
        ...

    @property
    def ready(self) -> bool:
        """Whether it can be loaded."""
        ...

    @property
    def why_not(self) -> str:
        """Why it cannot, as a sentence; empty if it can."""
        ...

    @property
    def revision(self) -> str:
        """The start of the SHA-256 of its weights; empty if it has none."""
        ...


LoadModel = Callable[[str, str], Classifier]
"""(name, device) -> the model; StudioError if there is no such model."""
ListModels = Callable[[], Sequence[ModelListing]]


class _Parser(argparse.ArgumentParser):
    """Refuses in one sentence, like everything else here."""

    def error(self, message: str) -> NoReturn:
        raise StudioError(f"{message[:1].upper()}{message[1:]}. Try: {self.prog} --help")


def main(argv: Sequence[str], *, load_model: LoadModel, list_models: ListModels, foreground: Foreground) -> int:
    """Run one command and return the exit code; `foreground` runs what takes a while."""
    try:
        arguments = _parser().parse_args(argv)
        match arguments.command:
            case "class" | "attack":
                return _make(arguments, load_model, list_models, foreground)
            case "presets":
                _print_presets()
            case "models":
                _print_models(list_models())
            case "show":
                print(json.dumps(json.loads(Recipe.from_png(arguments.picture).to_json()), indent=2))
    except StudioError as error:
        print(error, file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("Interrupted; what was not saved by then is lost.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m generator", description="Pictures by optimisation against image classifiers.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    drawn = commands.add_parser("class", help="draw a picture of a class", allow_abbrev=False)
    attacked = commands.add_parser(
        "attack", help="change a photo so that models see something else", allow_abbrev=False
    )
    attacked.add_argument("photo", help="the photo to change")
    for task, command in (("class", drawn), ("attack", attacked)):
        _add_making(command, task)
    commands.add_parser("presets", help="list the presets")
    commands.add_parser("models", help="list the models")
    shown = commands.add_parser("show", help="print the recipe that a picture carries")
    shown.add_argument("picture", help="a PNG made by this program")
    return parser


def _add_making(command: argparse.ArgumentParser, task: str) -> None:
    """Add the flags of a command that makes pictures; only those given appear in its arguments' `fields`."""
    command.add_argument("--out", type=Path, help="the PNG to write (several: x-1.png, x-2.png...), or a folder")
    command.add_argument(
        "--from",
        dest="origin",
        metavar="PNG",
        help="repeat the recipe that a picture carries; flags given beside it change it",
    )
    command.add_argument(
        "--preset", choices=sorted(presets_of(task)), help=f"starting point; default: {DEFAULT_PRESET[task]}"
    )
    command.add_argument("--device", default="auto", help="cpu, cuda, cuda:1...; default: a GPU if there is one")
    command.add_argument("--frames", type=Path, metavar="FOLDER", help="also save the picture after every step")
    command.add_argument("--quiet", action="store_true", help="print errors only")
    command.add_argument("--json-only", action="store_true", help="print nothing but the record, as JSON")
    group = command.add_argument_group(
        "recipe", f"Defaults are those of the preset '{DEFAULT_PRESET[task]}'; with --from, they are the picture's own."
    )
    add_arguments(group, _NOT_FLAGS[task], preset_fields(task))


def _recipe(arguments: argparse.Namespace, models: Sequence[ModelListing]) -> Recipe:
    """Put together the picture's own recipe or the defaults, a preset, and what the flags say."""
    task: str = arguments.command
    fields: dict[str, Any] = {}
    if arguments.origin is not None:
        origin = Recipe.from_png(arguments.origin)
        if origin.task != task:
            raise StudioError(
                f"'{arguments.origin}' was made by the command '{origin.task}': use that command to repeat it."
            )
        fields = origin.model_dump()
    recorded = fields.pop("revisions", ())
    if arguments.origin is None or arguments.preset is not None:
        fields |= preset_fields(task, arguments.preset)
    if getattr(arguments, "objective", None) == "leave" and arguments.origin is None:
        fields |= {"objective": "leave", "classes": ()}  # unless a flag names one: the model's own first
    if getattr(arguments, "norm", None) == "none":
        fields |= {"norm": "none", "eps": 0.0}
    recipe = from_arguments(arguments, Recipe(**fields))
    by_name = {model.name: model.revision for model in models}
    revisions = tuple(by_name.get(name, "") for name in recipe.models)
    if not hasattr(arguments, "models") and any(
        then and now and not (then.startswith(now) or now.startswith(then))
        for then, now in zip(recorded, revisions, strict=False)
    ):
        _say(arguments, "Note: a model has changed since that picture was made; it will not come out the same.")
    return recipe.with_changes(revisions=revisions) if any(revisions) else recipe


def _make(arguments: argparse.Namespace, load_model: LoadModel, list_models: ListModels, foreground: Foreground) -> int:
    recipe = _recipe(arguments, list_models())
    source = to_tensor(load_image(arguments.photo)) if arguments.command == "attack" else None
    outputs = output_paths(arguments.out or _default_name(arguments, recipe), recipe.images)
    if source is not None and Path(arguments.photo).resolve() in [path.resolve() for path in outputs.images]:
        raise StudioError("The result would overwrite the photo: give another name with --out.")

    def save_frames(step: Step) -> None:
        if arguments.frames is not None:
            _save_frames(step, arguments.frames)

    def work(context: JobContext) -> dict[str, Any]:
        context.progress(0, recipe.steps, "Loading the models")
        classifiers = {name: load_model(name, context.device) for name in recipe.models}
        return produce_job(context, recipe, classifiers, outputs=outputs, source=source, on_step=save_frames).record

    quiet = arguments.quiet or arguments.json_only
    record = foreground.run(arguments.command, choose_device(arguments.device), work, quiet=quiet)
    if record is None:
        print("Interrupted; nothing was kept.", file=sys.stderr)
        return EXIT_INTERRUPTED
    if arguments.json_only:
        print(json.dumps(record, allow_nan=False))
    elif not arguments.quiet:
        _print_result(outputs, record)
    return EXIT_INTERRUPTED if record["stopped"] else 0


def _default_name(arguments: argparse.Namespace, recipe: Recipe) -> Path:
    if arguments.command == "attack":
        return Path(f"{Path(arguments.photo).stem}-attack.png")
    name = "-".join(recipe.classes)
    return Path("".join(c if c.isalnum() or c == "-" else "-" for c in name) + f"-{recipe.seed}.png")


def _save_frames(step: Step, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudioError(f"The folder '{folder}' cannot be made: {error.strerror or error}.") from error
    images = step.image()
    for number, image in enumerate(images, start=1):
        which = f"-{number}" if len(images) > 1 else ""
        save_png(image, folder / f"frame{which}-{step.index:05d}.png")


def _say(arguments: argparse.Namespace, text: str) -> None:
    if not (arguments.quiet or arguments.json_only):
        print(text, file=sys.stderr)


def _print_result(outputs: Outputs, record: Mapping[str, Any]) -> None:
    for path, facts in zip(outputs.images, record["images"], strict=True):
        print(path)
        for model, after in facts["after"].items():
            before, now = facts["before"][model]["top"][0], after["top"][0]
            print(
                f"  {model}: {before['class']} {before['probability']:.0%} -> {now['class']} {now['probability']:.0%}"
            )
        if "linf" in facts:
            print(f"  largest change {facts['linf'] * 255:.0f}/255, length of the change {facts['l2']:.2f}")


def _print_presets() -> None:
    for name, preset in PRESETS.items():
        print(f"{preset.task:7} {name:10} {preset.description}")


def _print_models(models: Sequence[ModelListing]) -> None:
    for model in models:
        print(f"{model.name:24} {model.title if model.ready else model.why_not}")
