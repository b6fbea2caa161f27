"""The commands about evaluations: `python -m robust_model evaluate | compare | model-info`."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.fetching import fetch_missing
from foundation.command_line.flags import add_flags, given
from foundation.command_line.settings import validated
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.files.places import result_file, result_folder, user_path, writable_folder
from foundation.files.text_files import read_json, write_text
from foundation.protocols import Foreground, JobContext
from robust_model.cards.card import write_card
from robust_model.commands import EXIT_INTERRUPTED, add_threads, set_threads
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


def add_parsers(commands: Commands) -> None:
    """Add these commands to a command line's."""
    _add_evaluate(commands)
    several = commands.add_parser("compare", help="several reports side by side: what differs by more than chance")
    several.add_argument(
        "reports",
        nargs="+",
        type=user_path,
        metavar="REPORT.json",
        help="reports as evaluate --json writes them, two or more",
    )
    several.add_argument("--markdown", type=result_file, help="write the tables here as Markdown")
    info = commands.add_parser("model-info", help="a report as RobustBench's model_info (deterministic models)")
    info.add_argument("report", type=user_path, metavar="REPORT.json", help="a report as evaluate --json writes it")
    info.add_argument("--name", required=True, help="the paper's title, or what the model is known by")
    info.add_argument("--authors", required=True, help="who made the model")
    info.add_argument("--architecture", required=True, help="the network, such as ResNet-18")
    info.add_argument("--link", default="", help="where the paper lies")
    info.add_argument("--venue", default="Unpublished", help="where it was published (default: %(default)s)")
    info.add_argument("--dataset", default="", help=f"{', '.join(DATASETS)} (default: as the report's data are called)")
    info.add_argument("--additional-data", action="store_true", help="trained with more than the data set's own images")


def _add_evaluate(commands: Commands) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="clean accuracy, accuracy by layer, and what is left under attacks",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Attacks a model and reports what stands.",
        epilog="suites:\n" + "\n".join(f"  {name:<20} {suite.description}" for name, suite in SUITES.items()),
    )
    evaluate.add_argument(
        "model",
        help="a model's name, the folder of an exported one, crossmax-hub:ORG/NAME (one of ours on the hub), "
        "ensemble:NAME+NAME, torchvision:NAME, timm:NAME, robustbench:NAME, or MODULE:FUNCTION (of yours, in this "
        "folder; returns a network, or (network, class names))",
    )
    what = evaluate.add_argument_group("what is evaluated")
    add_flags(what, EvalConfig, _WHAT, {"data": DATA})

    how = evaluate.add_argument_group("how it is attacked")
    how.add_argument(
        "--suite",
        action="append",
        choices=sorted(SUITES),
        help="a list of attacks, see below; may be repeated (default: adaptive)",
    )
    how.add_argument("--attacks", type=user_path, metavar="FILE", help="a list of attacks as JSON, in place of suites")
    add_flags(how, EvalConfig, _HOW)
    evaluate.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    add_threads(evaluate)

    where = evaluate.add_argument_group("where results go")
    where.add_argument(
        "--out",
        type=result_folder,
        metavar="FOLDER",
        help="keep everything here while it runs: after a kill the same command goes on, and with more suites it goes "
        "on from what is broken already",
    )
    add_flags(where, EvalConfig, ("samples",))
    where.add_argument("--json", type=result_file, help="write the report here")
    where.add_argument("--html", type=result_file, help="write the report here as a page of its own")
    where.add_argument("--markdown", type=result_file, help="write the report's table here")
    where.add_argument("--save", action="store_true", help="keep the report with the model and renew its card")
    where.add_argument("--estimate", action="store_true", help="say what it would cost at most, and end")


def configuration(args: argparse.Namespace) -> EvalConfig:
    """The configuration that the arguments of `evaluate` stand for. Raises StudioError."""
    settings = {"data": DATA, **given(args, EvalConfig)}
    if args.suite:
        settings["suites"] = args.suite
    if args.attacks is not None:
        settings["attacks"] = read_json(args.attacks, "list of attacks")
    return validated(EvalConfig, {**settings, "model": Path(args.model).name})


def run_evaluate(args: argparse.Namespace, argv: Sequence[str], foreground: Foreground, catalogue: Catalogue) -> int:
    """Evaluate, say what came of it, and write what was asked for; returns the exit code. Raises StudioError."""
    set_threads(args.threads)
    device = choose_device(args.device)
    config = configuration(args)
    fetch_missing(catalogue, [args.model], device, foreground, KIND)
    subject = load_subject(args.model, device, catalogue, shape=lambda: shape_of_images(config))
    config = config.model_copy(update={"model": subject.name})
    if args.save and subject.folder is None:
        raise StudioError(f"'{subject.name}' is no exported model, with which a report could be kept: use --json FILE.")
    if args.save and subject.folder is not None:
        writable_folder(subject.folder, "model's folder")
    data = evaluation_data(config, subject.model.config.image_size)
    data = match_classes(data, subject.model.class_names, config.match)
    notes = [*subject.notes, *filter(None, [data.note])]
    for note in notes:
        print(f"Note: {note}", file=sys.stderr)
    cost = estimate(subject.model, config, data).text()
    if args.estimate:
        print(cost)
        return 0
    print(cost, file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="evaluation-") as scratch:
        folder = args.out or (Path(scratch) if args.html else None)  # a page shows pictures, which lie in the folder
        found: list[EvaluationReport] = []

        def work(context: JobContext) -> dict[str, bool]:
            found.append(evaluate_job(context, config, subject.model, folder, data=data))
            return {"complete": found[0].complete}

        if foreground.run("evaluate", device, work) is None:
            kept = f"what was finished is kept in '{args.out}'" if args.out else "nothing was kept"
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
        _write(args, report, folder, subject)
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


def _write(args: argparse.Namespace, report: EvaluationReport, folder: Path | None, subject: Subject) -> None:
    if args.out:
        _write_json(args.out / "report.json", report)
    alone = report.model_copy(update={"samples": ()})  # without the folder there are no pictures
    if args.json:
        _write_json(args.json, alone)
    if args.html:
        write_text(args.html, render_html(report, folder), "report")
    if args.markdown:
        write_text(args.markdown, render_markdown(report), "report")
    if args.save and not report.complete:
        print("Not kept with the model: a report that was stopped replaces no whole one.", file=sys.stderr)
    elif args.save and subject.folder is not None:
        _write_json(subject.folder / "evaluation.json", alone)
        write_card(subject.folder)


def _write_json(path: Path, report: EvaluationReport) -> None:
    write_text(path, report.text(), "report")


def run_compare(args: argparse.Namespace) -> int:
    """Compare reports; returns the exit code. Raises StudioError."""
    comparison = compare([read_report(path) for path in args.reports])
    print(comparison.text())
    if args.markdown:
        write_text(args.markdown, comparison.markdown(), "comparison")
    return 0


def run_model_info(args: argparse.Namespace) -> int:
    """Print a report as RobustBench's form; returns the exit code. Raises StudioError."""
    names = ("name", "authors", "architecture", "link", "venue", "additional_data", "dataset")
    found = model_info(read_report(args.report), **{name: getattr(args, name) for name in names})
    print(json.dumps(found, indent=2))
    return 0
