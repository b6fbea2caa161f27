"""`python -m robust_model analyse KIND MODEL`: options, loading, and the run in the foreground."""

import argparse
import sys
from pathlib import Path
from typing import Annotated

from pydantic import Field

from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.fetching import fetch_missing
from foundation.command_line.arguments import MOST_THREADS
from foundation.command_line.flags import AsFlag, Asked, add_flags, given, read_flags
from foundation.command_line.settings import validated
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.files.places import result_folder, writable_folder
from foundation.protocols import Foreground, JobContext
from robust_model.analyses import ANALYSES
from robust_model.analyses.base import AnalysisConfig, DataConfig, Material, Stopped
from robust_model.analyses.defences import InOrder
from robust_model.analyses.report import Found, analyse_job, write
from robust_model.commands import EXIT_INTERRUPTED, THREADS, THREADS_FLAG, set_threads
from robust_model.data.class_match import match_classes
from robust_model.evaluation.record.config import EvalConfig, choose, evaluation_data, shape_of_images
from robust_model.networks.crossmax import crossmaxes
from robust_model.training.provenance import command_line
from robust_model.weights.checkpoint import file_digest
from robust_model.zoo.registry import KIND
from robust_model.zoo.subjects import load_subject


class AnalyseAsked(Asked):
    """What every analysis is told beside its own configuration."""

    model: Annotated[str, AsFlag(("model",))] = Field(description="a model, as for evaluate")
    out: Annotated[Path | None, AsFlag(read=result_folder, shown="runs/analyses/KIND-MODEL")] = Field(
        None, description="the folder to write to"
    )
    device: str = Field("auto", description="auto, cpu or cuda")
    threads: Annotated[int | None, THREADS_FLAG] = Field(None, ge=1, le=MOST_THREADS, description=THREADS)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `analyse` and its kinds to a command line's commands."""
    analyse = commands.add_parser(
        "analyse", help="the paper's analyses: by layer, by resolution, transfer, CrossMax, sweep, pictures"
    )
    kinds = analyse.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, analysis in ANALYSES.items():
        command = kinds.add_parser(kind, help=analysis.description, description=f"{analysis.title}.")
        add_flags(command, AnalyseAsked, ("model",))
        add_flags(command, analysis.config)
        add_flags(command, AnalyseAsked, ("out", "device", "threads"))


def configuration(args: argparse.Namespace) -> AnalysisConfig:
    """The configuration that the arguments stand for. Raises StudioError."""
    kind = ANALYSES[args.kind].config
    config: AnalysisConfig = validated(kind, {"model": args.model, **given(args, kind)})
    return config


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
    asked = read_flags(args, AnalyseAsked)
    set_threads(asked.threads)
    config, device = configuration(args), choose_device(asked.device)
    writable_folder(asked.out or Path("runs") / "analyses", "analysis' folder")
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
    folder = asked.out or Path("runs") / "analyses" / f"{args.kind}-{found[0].report.models[0].name}".replace(":", "-")
    files = write(found[0], folder)
    print(found[0].text())
    print(f"Written: {', '.join(str(file) for file in files)}", file=sys.stderr)
    return 0 if outcome["complete"] else EXIT_INTERRUPTED
