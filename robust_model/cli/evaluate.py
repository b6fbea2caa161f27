"""The commands about evaluations: `python -m robust_model evaluate | compare | model-info`."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field

from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.fetching import fetch_missing
from foundation.cluster.asked import ClusterAsked, opened, own_device, read_cluster
from foundation.command_line.arguments import MOST_THREADS
from foundation.command_line.flags import AsFlag, Asked, add_flags, given, read_flags
from foundation.command_line.settings import validated
from foundation.errors import StudioError
from foundation.files.places import result_file, result_folder, user_path, writable_folder
from foundation.files.text_files import read_json, write_text
from foundation.protocols import Foreground, JobContext
from robust_model.cards.card import write_card
from robust_model.commands import EXIT_INTERRUPTED, THREADS, THREADS_FLAG, set_threads
from robust_model.data.class_match import match_classes
from robust_model.evaluation.cost import estimate
from robust_model.evaluation.record.config import EvalConfig, evaluation_data, shape_of_images
from robust_model.evaluation.record.reading import read_report
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.evaluation.suites import SUITES
from robust_model.jobs import evaluate_job
from robust_model.reports import DATASETS, compare, model_info, render_html, render_markdown
from robust_model.reports.summary import summary
from robust_model.training.provenance import command_line
from robust_model.zoo.registry import KIND
from robust_model.zoo.subjects import Subject, load_subject

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
DATA = "cifar10"
"""What is evaluated where nobody says."""
_WHAT = ("data", "count", "size", "match", "noise", "aggregator")
_HOW = (*("eps", "steps", "restarts", "eot", "draws", "attack_all", "cascade", "precision", "sweep", "batch", "seed"),)
_PLACES = ("--out", "--json", "--html", "--markdown")
"""Options that say where results go: no part of the command that makes them again."""


class EvaluateAsked(Asked):
    """What `evaluate` is told beside its `EvalConfig`."""

    model: Annotated[str, AsFlag(("model",))] = Field(
        description="a model's name, the folder of an exported one, crossmax-hub:ORG/NAME (one of ours on the hub), "
        "ensemble:NAME+NAME, torchvision:NAME, timm:NAME, robustbench:NAME, or MODULE:FUNCTION (of yours, in this "
        "folder; returns a network, or (network, class names))"
    )
    suites: Annotated[
        tuple[str, ...], AsFlag(("--suite",), repeats=True, choices=lambda: sorted(SUITES), shown="adaptive")
    ] = Field((), description="a list of attacks, see below; may be repeated")
    attacks: Annotated[Path | None, AsFlag(read=user_path, metavar="FILE")] = Field(
        None, description="a list of attacks as JSON, in place of suites"
    )
    device: str = Field("auto", description="auto, cpu or cuda")
    threads: Annotated[int | None, THREADS_FLAG] = Field(None, ge=1, le=MOST_THREADS, description=THREADS)
    out: Annotated[Path | None, AsFlag(read=result_folder, metavar="FOLDER")] = Field(
        None,
        description="keep everything here while it runs: after a kill the same command goes on, and with more suites "
        "it goes on from what is broken already",
    )
    json_file: Annotated[Path | None, AsFlag(("--json",), read=result_file, metavar="JSON")] = Field(
        None, description="write the report here"
    )
    html: Annotated[Path | None, AsFlag(read=result_file)] = Field(
        None, description="write the report here as a page of its own"
    )
    markdown: Annotated[Path | None, AsFlag(read=result_file)] = Field(
        None, description="write the report's table here"
    )
    save: bool = Field(False, description="keep the report with the model and renew its card")
    estimate: bool = Field(False, description="say what it would cost at most, and end")


class CompareAsked(Asked):
    """What `compare` is told."""

    reports: Annotated[tuple[Path, ...], AsFlag(("reports",), read=user_path, metavar="REPORT.json")] = Field(
        description="reports as evaluate --json writes them, two or more"
    )
    markdown: Annotated[Path | None, AsFlag(read=result_file)] = Field(
        None, description="write the tables here as Markdown"
    )


class ModelInfoAsked(Asked):
    """What `model-info` is told: a report, and what RobustBench's form has beside its numbers."""

    report: Annotated[Path, AsFlag(("report",), read=user_path, metavar="REPORT.json")] = Field(
        description="a report as evaluate --json writes it"
    )
    name: str = Field(description="the paper's title, or what the model is known by")
    authors: str = Field(description="who made the model")
    architecture: str = Field(description="the network, such as ResNet-18")
    link: str = Field("", description="where the paper lies")
    venue: str = Field("Unpublished", description="where it was published")
    dataset: Annotated[str, AsFlag(shown="as the report's data are called")] = Field(
        "", description=", ".join(DATASETS)
    )
    additional_data: bool = Field(False, description="trained with more than the data set's own images")


def add_parsers(commands: Commands) -> None:
    """Add these commands to a command line's."""
    _add_evaluate(commands)
    several = "several reports side by side: what differs by more than chance"
    add_flags(commands.add_parser("compare", help=several), CompareAsked)
    form = "a report as RobustBench's model_info (deterministic models)"
    add_flags(commands.add_parser("model-info", help=form), ModelInfoAsked)


def _add_evaluate(commands: Commands) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="clean accuracy, accuracy by layer, and what is left under attacks",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Attacks a model and reports what stands.",
        epilog="suites:\n" + "\n".join(f"  {name:<20} {suite.description}" for name, suite in SUITES.items()),
    )
    add_flags(evaluate, EvaluateAsked, ("model",))
    add_flags(evaluate.add_argument_group("what is evaluated"), EvalConfig, _WHAT, {"data": DATA})
    how = evaluate.add_argument_group("how it is attacked")
    add_flags(how, EvaluateAsked, ("suites", "attacks"))
    add_flags(how, EvalConfig, _HOW)
    add_flags(evaluate, EvaluateAsked, ("device", "threads"))
    add_flags(evaluate.add_argument_group("cluster"), ClusterAsked)
    where = evaluate.add_argument_group("where results go")
    add_flags(where, EvaluateAsked, ("out",))
    add_flags(where, EvalConfig, ("samples",))
    add_flags(where, EvaluateAsked, ("json_file", "html", "markdown", "save", "estimate"))


def configuration(args: argparse.Namespace) -> EvalConfig:
    """The configuration that the arguments of `evaluate` stand for. Raises StudioError."""
    asked = read_flags(args, EvaluateAsked)
    settings = {"data": DATA, **given(args, EvalConfig)}
    if asked.suites:
        settings["suites"] = asked.suites
    if asked.attacks is not None:
        settings["attacks"] = read_json(asked.attacks, "list of attacks")
    return validated(EvalConfig, {**settings, "model": Path(asked.model).name})


def run_evaluate(args: argparse.Namespace, argv: Sequence[str], foreground: Foreground, catalogue: Catalogue) -> int:
    """Evaluate, say what came of it, and write what was asked for; returns the exit code. Raises StudioError."""
    asked = read_flags(args, EvaluateAsked)
    where = read_cluster(args)
    set_threads(asked.threads)
    device = own_device(where, asked.device)
    config = configuration(args)
    fetch_missing(catalogue, [asked.model], device, foreground, KIND)
    subject = load_subject(asked.model, device, catalogue, shape=lambda: shape_of_images(config))
    config = config.model_copy(update={"model": subject.name})
    if asked.save and subject.folder is None:
        raise StudioError(f"'{subject.name}' is no exported model, with which a report could be kept: use --json FILE.")
    if asked.save and subject.folder is not None:
        writable_folder(subject.folder, "model's folder")
    data = evaluation_data(config, subject.model.config.image_size)
    data = match_classes(data, subject.model.class_names, config.match)
    notes = [*subject.notes, *filter(None, [data.note])]
    for note in notes:
        print(f"Note: {note}", file=sys.stderr)
    cost = estimate(subject.model, config, data).text()
    if asked.estimate:
        print(cost)
        return 0
    print(cost, file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="evaluation-") as scratch:
        folder = asked.out or (Path(scratch) if asked.html else None)  # a page shows pictures, which lie in the folder
        found: list[EvaluationReport] = []

        def work(context: JobContext) -> dict[str, bool]:
            found.append(evaluate_job(context, config, subject.model, folder, data=data, cluster=cluster))
            return {"complete": found[0].complete}

        with opened(where, asked.device) as cluster:
            outcome = foreground.run("evaluate", device, work)
        if outcome is None:
            kept = f"what was finished is kept in '{asked.out}'" if asked.out else "nothing was kept"
            print(f"Interrupted; {kept}.", file=sys.stderr)
            return EXIT_INTERRUPTED
        report = found[0]
        told = {
            "warnings": (*subject.notes, *report.warnings),
            "command": command_line("robust_model", recorded(argv)),
            # A folder's place on this machine is not part of the result.
            "config": report.config.model_copy(update={"data": report.data.source}),
        }
        report = report.model_copy(update=told)
        print(summary(report))
        _write(asked, report, folder, subject)
    return 0 if report.complete else EXIT_INTERRUPTED


def recorded(argv: Sequence[str]) -> list[str]:
    """The words of the command that makes the report again: without those that say where it goes."""
    words, skip = [], False
    for word in argv:
        if skip:
            skip = False
        elif word in _PLACES:
            skip = True
        elif word != "--save" and word.partition("=")[0] not in _PLACES:
            words.append(word)
    return words


def _write(asked: EvaluateAsked, report: EvaluationReport, folder: Path | None, subject: Subject) -> None:
    if asked.out:
        _write_json(asked.out / "report.json", report)
    alone = report.model_copy(update={"samples": ()})  # without the folder there are no pictures
    if asked.json_file:
        _write_json(asked.json_file, alone)
    if asked.html:
        write_text(asked.html, render_html(report, folder), "report")
    if asked.markdown:
        write_text(asked.markdown, render_markdown(report), "report")
    if asked.save and not report.complete:
        print("Not kept with the model: a report that was stopped replaces no whole one.", file=sys.stderr)
    elif asked.save and subject.folder is not None:
        _write_json(subject.folder / "evaluation.json", alone)
        write_card(subject.folder)


def _write_json(path: Path, report: EvaluationReport) -> None:
    write_text(path, report.text(), "report")


def run_compare(args: argparse.Namespace) -> int:
    """Compare reports; returns the exit code. Raises StudioError."""
    asked = read_flags(args, CompareAsked)
    comparison = compare([read_report(path) for path in asked.reports])
    print(comparison.text())
    if asked.markdown:
        write_text(asked.markdown, comparison.markdown(), "comparison")
    return 0


def run_model_info(args: argparse.Namespace) -> int:
    """Print a report as RobustBench's form; returns the exit code. Raises StudioError."""
    asked = read_flags(args, ModelInfoAsked)
    found = model_info(read_report(asked.report), **asked.model_dump(exclude={"report"}))
    print(json.dumps(found, indent=2))
    return 0
