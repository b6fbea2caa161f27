"""Evaluations that evaluate nothing: figures that fall from attack to attack, at a speed that one can watch."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.evaluation.order import Cost, DataChoice, EvaluationOrder, KnownReport, ReportFiles, ShippedReport, SuiteChoice
from app.records.params import EvaluateParams
from foundation.errors import StudioError
from foundation.jobs.context import JobContext
from foundation.progress import Progress
from robust_model.evaluation.record.reading import read_report
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.evaluation.record.values import Proportion
from tests.browser.holding import is_held
from tests.reports import attack_report, plain_report

BATCHES = 12
BATCH_SECONDS = 0.05
DATA = (
    DataChoice("drawings", "Two example drawings", "Two drawings with the labels frog and ship.", 2, whole=True),
    DataChoice("photos", "Photos", "A data set of photos.", 5000),
    DataChoice("own", "My own images", "Images that you bring, each with a label.", pictures="own"),
    DataChoice("results", "My results", "Pictures that you made here.", pictures="results"),
    DataChoice("far", "Far away", "A data set.", note="not here", why_not="Put it into the folder 'datasets'."),
)
SUITES = (
    SuiteChoice("quick", "Quick", "One short attack: a first look, no result."),
    SuiteChoice("adaptive", "Adaptive", "Attacks that know the defence."),
    SuiteChoice("thorough", "Thorough", "An attack that takes its time."),
)
ATTACKS = {
    "quick": ("mean/margin",),
    "adaptive": ("mean/margin", "defence/ce", "mean/targeted"),
    "thorough": ("square",),
}


def interval(correct: int, total: int) -> tuple[float, float]:
    """Something round an accuracy, wider for fewer images."""
    half = 1 / max(total, 1) ** 0.5
    return max(0.0, correct / total - half), min(1.0, correct / total + half)


def proportion(correct: int, total: int) -> dict[str, Any]:
    low, high = interval(correct, total)
    return {"accuracy": correct / total, "correct": correct, "n": total, "ci95": [low, high]}


def attack_entry(name: str, figure: dict[str, Any]) -> dict[str, Any]:
    """What an attack left, as a report has it."""
    return {**attack_report(name, 0, 1, config={}), **figure}


class StandInEvaluations:
    """Two suites on a handful of data, for models that know nothing."""

    def data(self, model: str) -> Sequence[DataChoice]:
        return DATA

    def suites(self) -> Sequence[SuiteChoice]:
        return SUITES

    def precision(self, correct: int, total: int) -> tuple[float, float]:
        return interval(correct, total)

    def costs(
        self, model: str, chosen: Sequence[str], count: int, eps: float
    ) -> tuple[Mapping[str, Cost], Cost | None]:
        def cost(suites: Sequence[str]) -> Cost:
            passes = count * sum(50 * len(ATTACKS[name]) for name in suites)
            return Cost(2 * passes, passes, 0.01 * passes)

        return {name: cost((name,)) for name in ATTACKS}, cost(chosen) if chosen else None

    def params(self, order: EvaluationOrder) -> EvaluateParams:
        if order.data == "far":
            raise StudioError("These data are not here.")
        config = {"model": order.model, "data": order.data, "count": order.count, "eps": order.eps, "seed": 0}
        images = [{"digest": image.digest, "label": image.label} for image in order.images]
        return EvaluateParams.asked({"config": {**config, "suites": order.suites}, "images": images})

    def continued(self, job_id: str, asked: EvaluateParams, suites: Sequence[str]) -> EvaluateParams:
        return EvaluateParams.of(asked, continues=job_id)

    def shipped(self) -> Sequence[ShippedReport]:
        return ()

    def report(self, folder: Path) -> KnownReport | None:
        path, planned = folder / "report.json", folder / "planned.json"
        if not path.is_file():
            return None
        return KnownReport(read_report(path), tuple(json.loads(planned.read_text()) if planned.is_file() else ()))

    def files(self, folder: Path) -> ReportFiles:
        known = self.report(folder)
        if known is None:
            raise StudioError("There is no report yet.")
        html, markdown = folder / "report.html", folder / "report.md"
        title = f"Report on {known.report.config.model}"
        html.write_text(f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>")
        markdown.write_text(f"# {title}\n")
        return ReportFiles(folder / "report.json", html, markdown)

    def compare(self, folders: Sequence[Path]) -> "StandInComparison":
        return compare([known.report for folder in folders if (known := self.report(folder)) is not None])


@dataclass(frozen=True)
class StandInDifference:
    measure: str
    first: str
    second: str
    points: float
    words: str


@dataclass(frozen=True)
class StandInComparison:
    """Reports side by side, all of whose differences are chance."""

    names: tuple[str, ...]
    settings: tuple[str, ...]
    figures: Mapping[str, tuple[Proportion | None, ...]]
    differences: tuple[StandInDifference, ...]
    warnings: tuple[str, ...] = ("These are stand-ins.",)


def compare(reports: Sequence[EvaluationReport]) -> StandInComparison:
    names = tuple(f"{report.config.model} ({place})" for place, report in enumerate(reports, start=1))
    return StandInComparison(
        names,
        tuple(report.data.source for report in reports),
        {name: tuple(getattr(report, name) for report in reports) for name in ("clean", "worst_case")},
        (StandInDifference("worst_case", names[0], names[1], 1.5, "not significant"),),
    )


def wait(context: JobContext, batch: int) -> None:
    """Let time pass; after the first batch for as long as a test holds the work back, until the job is stopped."""
    time.sleep(BATCH_SECONDS)
    while batch > 1 and is_held(context):
        time.sleep(BATCH_SECONDS)


def evaluate(context: JobContext) -> dict[str, Any]:
    """Let a model fall, batch by batch."""
    config = context.params["config"]
    attacks = list(dict.fromkeys(name for suite in config["suites"] for name in ATTACKS[suite]))
    n = int(config["count"])
    report: dict[str, Any] = {}
    for done in range(1, BATCHES + 1):
        wait(context, done)
        counted = max(1, n * done // BATCHES)
        right = [proportion(counted * 3 // (place + 4), counted) for place in range(len(attacks))]
        report = plain_report(n, complete=done == BATCHES, clean=proportion(n * 4 // 5, n), worst_case=right[-1])
        report["config"] |= config
        report["data"] |= {"source": config["data"]}
        report["attacks"] = [attack_entry(name, figure) for name, figure in zip(attacks, right, strict=True)]
        (context.dir / "planned.json").write_text(json.dumps(attacks))
        draft = context.dir / "report.draft"
        draft.write_text(json.dumps(report))
        draft.replace(context.dir / "report.json")
        context.progress(
            Progress(done, BATCHES, f"{attacks[-1]}: {right[-1]['correct']} of {counted} images still stand")
        )
        if context.stop_requested and done < BATCHES:
            break
    return report
