"""`python -m robust_model analyse KIND MODEL`: options, loading, and the run in the foreground."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.fetching import fetch_missing
from foundation.command_line.arguments import number, whole_of
from foundation.command_line.settings import validated
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.files.places import result_folder, writable_folder
from foundation.protocols import Foreground, JobContext
from generator.recipes.presets import presets_of
from robust_model.analyses import ANALYSES
from robust_model.analyses.base import AnalysisConfig, DataConfig, Material, Stopped
from robust_model.analyses.defences import InOrder
from robust_model.analyses.report import Found, analyse_job, write
from robust_model.commands import EXIT_INTERRUPTED, add_threads, set_threads
from robust_model.data.class_match import match_classes
from robust_model.evaluation.record.config import EvalConfig, choose, evaluation_data, shape_of_images
from robust_model.networks.crossmax import crossmaxes
from robust_model.training.provenance import command_line
from robust_model.weights.checkpoint import file_digest
from robust_model.zoo.registry import KIND
from robust_model.zoo.subjects import load_subject

LEVELS = ("eps", "budgets")
"""Settings that the command line takes in grey levels of 255."""

OPTIONS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "others": (("others",), {"nargs": "*", "metavar": "MODEL", "help": "further networks of the same classes"}),
    "data": (("--data",), {"help": "cifar10, cifar100, folder:PATH or synthetic:COUNT; the test split is used"}),
    "count": (("-n", "--count"), {"type": int, "help": "images, 0 = all"}),
    "size": (("--size",), {"type": int, "help": "read a class folder at so many pixels a side, 0 = the model's own"}),
    "match": (("--match",), {"choices": ("name", "order"), "help": "how the data's classes are the model's"}),
    "eps": (("--eps",), {"type": number(0, 255), "help": "L-inf budget in grey levels of 255"}),
    "budgets": (
        ("--budgets",),
        {"type": number(0, 255), "nargs": "+", "help": "L-inf budgets in grey levels of 255, rising"},
    ),
    "sources": (("--sources",), {"nargs": "+", "help": "whose logits are attacked, one after the other"}),
    "steps": (("--steps",), {"type": int, "help": "steps of an attack, or of a picture (0: the preset's)"}),
    "restarts": (("--restarts",), {"type": int, "help": "of each attack"}),
    "loss": (("--loss",), {"choices": ("ce", "margin", "targeted"), "help": "what PGD climbs"}),
    "eot": (("--eot",), {"type": int, "help": "passes per gradient, where noise is on"}),
    "draws": (("--draws",), {"type": int, "help": "votes per answer, where noise is on"}),
    "noise": (("--noise",), {"choices": ("model", "off", "fresh"), "help": "the network's random draws"}),
    "crossmax": (("--crossmax",), {"help": "which CrossMax (default: the model's own)"}),
    "examples": (("--examples",), {"type": int, "help": "successful attacks to show"}),
    "preset": (("--preset",), {"choices": tuple(presets_of("class")), "help": "of the generator"}),
    "images": (("--images",), {"type": int, "help": "pictures of each class"}),
    "batch": (("--batch",), {"type": int, "help": "images at a time; a stop keeps whole batches"}),
    "seed": (("--seed",), {"type": int, "help": "of the choice of images, the starts and the noise"}),
}
"""The options, by the setting that each stands for; an analysis has those of its configuration."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `analyse` and its kinds to a command line's commands."""
    analyse = commands.add_parser("analyse", help="the paper's analyses: by layer, transfer, CrossMax, sweep, pictures")
    kinds = analyse.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, analysis in ANALYSES.items():
        command = kinds.add_parser(kind, help=analysis.description, description=f"{analysis.title}.")
        command.add_argument("model", help="a model, as for evaluate")
        for name, field in analysis.config.model_fields.items():
            if name in OPTIONS:
                flags, settings = OPTIONS[name]
                text = settings["help"] + _default(name, field.default)
                if name == "crossmax":
                    settings = {**settings, "choices": tuple(crossmaxes())}
                if settings.get("type") is int:
                    settings = {**settings, "type": whole_of(analysis.config, name)}
                # Defaults live in the configuration alone: what nobody says does not appear among the arguments.
                command.add_argument(*flags, **{**settings, "help": text, "default": argparse.SUPPRESS})
        command.add_argument(
            "--out", type=result_folder, help="the folder to write to (default: runs/analyses/KIND-MODEL)"
        )
        command.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
        add_threads(command)


def _default(name: str, value: object) -> str:
    """What an option's help says of its default; nothing of an empty one."""
    if name == "eps":
        value = f"{255 * float(str(value)):g}"
    if name == "budgets":
        return ""
    if isinstance(value, tuple):
        value = " ".join(value)
    return f" (default: {value})" if value not in ("", None) else ""


def configuration(args: argparse.Namespace) -> AnalysisConfig:
    """The configuration that the arguments stand for. Raises StudioError."""
    kind = ANALYSES[args.kind].config
    settings = {name: value for name, value in vars(args).items() if name in kind.model_fields}
    settings |= {name: _as_pixels(settings[name]) for name in LEVELS if name in settings}
    config: AnalysisConfig = validated(kind, settings)
    return config


def _as_pixels(levels: float | Sequence[float]) -> float | list[float]:
    return levels / 255 if isinstance(levels, (int, float)) else [level / 255 for level in levels]


def load_material(
    config: AnalysisConfig, device: str, catalogue: Catalogue | None = None
) -> tuple[AnalysisConfig, Material]:
    """The models (see `robust_model.zoo.subjects`) and the images that `config` speaks of. Raises StudioError.

    With them the configuration, in which a lone model's own CrossMax is named where no other was asked for.
    """
    if isinstance(config, DataConfig):
        wanted = EvalConfig(model=config.model, data=config.data, size=config.size)
        subjects = [
            load_subject(name, device, catalogue, shape=lambda: shape_of_images(wanted)) for name in config.models
        ]
    else:
        subjects = [load_subject(name, device, catalogue) for name in config.models]
    models = {subject.name: subject.model for subject in subjects}
    revisions = {s.name: file_digest(s.folder / "model.safetensors") for s in subjects if s.folder is not None}
    if len(models) < len(subjects) or len(set(revisions.values())) < len(revisions):
        raise StudioError("Independent networks are different ones, with different names: name each of them once.")
    if not isinstance(config, DataConfig):
        return config, Material(tuple(models.items()), revisions, device)
    if config.noise != "model":
        models = {name: model.with_noise(config.noise) for name, model in models.items()}
    first = subjects[0].model
    data = match_classes(evaluation_data(wanted, first.config.image_size), first.class_names, config.match)
    for note in (*(note for subject in subjects for note in subject.notes), *filter(None, [data.note])):
        print(f"Note: {note}", file=sys.stderr)
    images, indices = choose(data, config.count, config.seed)
    if not config.crossmax and len(subjects) == 1 and first.config.aggregator in crossmaxes():
        config = config.model_copy(update={"crossmax": first.config.aggregator})
    classes = first.class_names  # whose order the labels count in, and so do the others' logits
    placed = [(n, model if model.class_names == classes else InOrder(model, classes)) for n, model in models.items()]
    return config, Material(tuple(placed), revisions, device, images, indices)


def run(args: argparse.Namespace, argv: list[str], foreground: Foreground, catalogue: Catalogue) -> int:
    """Run one analysis, write its files and print its table; returns the exit code. Raises StudioError."""
    set_threads(args.threads)
    config, device = configuration(args), choose_device(args.device)
    writable_folder(args.out or Path("runs") / "analyses", "analysis' folder")
    fetch_missing(catalogue, config.models, device, foreground, KIND)
    config, material = load_material(config, device, catalogue)
    found: list[Found] = []

    def work(context: JobContext) -> dict[str, bool]:
        try:
            found.append(analyse_job(context, args.kind, config, material, command=command_line("robust_model", argv)))
        except Stopped:
            return {"complete": False}
        return {"complete": found[0].report.complete}

    outcome = foreground.run("analyse", device, work)
    if outcome is None or not found:
        print("Stopped before anything was finished; nothing was kept.", file=sys.stderr)
        return EXIT_INTERRUPTED
    folder = args.out or Path("runs") / "analyses" / f"{args.kind}-{found[0].report.models[0].name}".replace(":", "-")
    files = write(found[0], folder)
    print(found[0].text())
    print(f"Written: {', '.join(str(file) for file in files)}", file=sys.stderr)
    return 0 if outcome["complete"] else EXIT_INTERRUPTED
