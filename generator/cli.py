"""The command line: `python -m generator class | attack | presets | models | show`.

Every field of a recipe is a flag; defaults come from presets, and from the recipe for what those leave open.
Models are handed in from outside (see `main`): this package knows none. Exit codes: 0 done, 2 for an error
that a sentence explains, 130 after Ctrl-C (which keeps what there is; a second one throws it away).
"""

import argparse
import contextlib
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

import torch
from torch import Tensor

from generator.cli_progress import ProgressLine
from generator.errors import StudioError
from generator.image import load_image, save_png, to_tensor
from generator.loop import Step
from generator.presets import DEFAULT_PRESET, PRESETS, preset_fields, presets_of
from generator.production import Outputs, Result, output_paths, produce
from generator.protocols import Classifier
from generator.recipe import Recipe

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
_NOT_FLAGS = frozenset({"version", "task", "revisions", "source"})
_FLAG_NAMES = {"classes": ("--class", "--classes"), "models": ("--model", "--models")}
_SEVERAL = frozenset({"classes", "models", "weights", "size"})


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


def main(argv: Sequence[str], *, load_model: LoadModel, list_models: ListModels) -> int:
    """Run one command and return the exit code."""
    try:
        arguments = _parser().parse_args(argv)
        match arguments.command:
            case "class" | "attack":
                return _make(arguments, load_model, list_models)
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
        print("Interrupted; nothing was kept.", file=sys.stderr)
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
    group = command.add_argument_group("recipe")
    for name, field in Recipe.model_fields.items():
        if name in _NOT_FLAGS or (name == "size" and task == "attack"):
            continue
        if task == "class" and name in ("norm", "eps"):
            continue
        flags = _FLAG_NAMES.get(name, (f"--{name.replace('_', '-')}",))
        options: dict[str, Any] = {"nargs": "+"} if name in _SEVERAL else {}
        if field.annotation is bool:
            options = {"action": argparse.BooleanOptionalAction}
        else:
            options["metavar"] = name.removesuffix("es" if name == "classes" else "s").upper()
        text = (field.description or "").replace("%", "%%")
        group.add_argument(*flags, dest=f"recipe_{name}", default=argparse.SUPPRESS, help=text, **options)


def _given_fields(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the recipe fields that flags set. Numbers may be fractions, such as 8/255."""
    prefix = "recipe_"
    given = {name.removeprefix(prefix): value for name, value in vars(arguments).items() if name.startswith(prefix)}
    if isinstance(given.get("eps"), str):
        given["eps"] = _fraction(given["eps"])
    return given


def _fraction(text: str) -> str | float:
    """Return 8/255 as a number, and anything else as it is, for the recipe to judge."""
    above, slash, below = text.partition("/")
    try:
        return float(above) / float(below) if slash else text
    except (ValueError, ZeroDivisionError):
        raise StudioError(f"'{text}' is no number: write 0.03 or 8/255.") from None


def _recipe(arguments: argparse.Namespace, models: Sequence[ModelListing]) -> Recipe:
    """Put together the picture's own recipe or the defaults, a preset, and what the flags say."""
    task: str = arguments.command
    given = _given_fields(arguments)
    fields: dict[str, Any] = {"task": task}
    if arguments.origin is not None:
        origin = Recipe.from_png(arguments.origin)
        if origin.task != task:
            raise StudioError(
                f"'{arguments.origin}' was made by the command '{origin.task}': use that command to repeat it."
            )
        fields = origin.model_dump()
    if arguments.origin is None or arguments.preset is not None:
        fields |= preset_fields(task, arguments.preset)
    if given.get("objective") == "leave" and "classes" not in given and arguments.origin is None:
        fields["classes"] = ()
    if given.get("norm") == "none":
        fields["eps"] = 0.0
    recorded = tuple(fields.pop("revisions", ()))
    recipe = Recipe(**(fields | given))
    by_name = {model.name: model.revision for model in models}
    revisions = tuple(by_name.get(name, "") for name in recipe.models)
    if "models" not in given and any(
        then and now and not (then.startswith(now) or now.startswith(then))
        for then, now in zip(recorded, revisions, strict=False)
    ):
        _say(arguments, "Note: a model has changed since that picture was made; it will not come out the same.")
    return recipe.with_changes(revisions=revisions) if any(revisions) else recipe


def _make(arguments: argparse.Namespace, load_model: LoadModel, list_models: ListModels) -> int:
    recipe = _recipe(arguments, list_models())
    source = to_tensor(load_image(arguments.photo)) if arguments.command == "attack" else None
    outputs = output_paths(arguments.out or _default_name(arguments, recipe), recipe.images)
    if source is not None and Path(arguments.photo).resolve() in [path.resolve() for path in outputs.images]:
        raise StudioError("The result would overwrite the photo: give another name with --out.")
    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    with _stop_on_interrupt(arguments) as stopping:
        classifiers = {name: load_model(name, device) for name in recipe.models}
        result = _run(arguments, recipe, classifiers, outputs, source, device, stopping.is_set)
    if arguments.json_only:
        print(json.dumps(result.record, allow_nan=False))
    elif not arguments.quiet:
        _print_result(result)
    return EXIT_INTERRUPTED if result.stopped else 0


def _run(
    arguments: argparse.Namespace,
    recipe: Recipe,
    classifiers: dict[str, Classifier],
    outputs: Outputs,
    source: Tensor | None,
    device: str,
    should_stop: Callable[[], bool],
) -> Result:
    line = ProgressLine(sys.stderr, enabled=not (arguments.quiet or arguments.json_only))

    def on_step(step: Step) -> None:
        line.update(step.index, step.steps, step.losses["total"])
        if arguments.frames is not None:
            _save_frames(step, arguments.frames)

    try:
        return produce(
            recipe,
            classifiers,
            outputs=outputs,
            source=source,
            device=device,
            on_step=on_step,
            should_stop=should_stop,
        )
    finally:
        line.close()


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


@contextlib.contextmanager
def _stop_on_interrupt(arguments: argparse.Namespace) -> Iterator[threading.Event]:
    """While inside, the first Ctrl-C sets the event; a second one interrupts. For the main thread."""
    stopping = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return

    def interrupt(_number: int, _frame: object) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()
        _say(arguments, "\nStopping after this step; what there is will be saved (Ctrl-C again: throw it away).")

    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, previous)


def _say(arguments: argparse.Namespace, text: str) -> None:
    if not (arguments.quiet or arguments.json_only):
        print(text, file=sys.stderr)


def _print_result(result: Result) -> None:
    for path, facts in zip(result.outputs.images, result.record["images"], strict=True):
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
