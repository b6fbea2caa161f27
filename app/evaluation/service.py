"""Evaluations for the page: what there is to choose, what it costs here, and what came out.

In a job's folder, `evaluation` is a folder of `robust_model.evaluation`: its journal, from which a later job goes on,
and the report as far as it is known. `report.html` and `report.md` are written there when somebody asks for them.
"""

import contextlib
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.evaluation.data import EvaluationData
from app.evaluation.order import Cost, DataChoice, EvaluationOrder, KnownReport, ReportFiles, ShippedReport, SuiteChoice
from app.evaluation.shipped import shipped_reports
from app.evaluation.speeds import Speeds
from app.records.params import EvaluateParams
from app.visitors.data_dir import DataDir
from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.entry import ModelInfo
from foundation.command_line.settings import validated
from foundation.errors import StudioError
from foundation.files.read_once import read_once
from foundation.files.text_files import read_json, replace_whole
from foundation.intervals import wilson
from robust_model.evaluation.cost import passes_of
from robust_model.evaluation.engine import configured
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.record.reading import read_report
from robust_model.evaluation.suites import SUITES
from robust_model.reports import Comparison, compare, render_html, render_markdown
from robust_model.zoo.registry import KIND
from robust_model.zoo.subjects import evaluated

FOLDER = "evaluation"
REPORT = "report.json"
BATCH = {"cpu": 50}
"""Images that are attacked at once, so that figures come early even where passes are slow."""
LARGE_BATCH = 250
_NOT_TAKEN = ("report.json", "report.html", "report.md")
_JOB_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Evaluations:
    """What the page asks about evaluations.

    Attributes:
        catalogue: the models.
        list_models: the list of classifiers.
        data_dir: where the jobs are.
        images: the data.
        speeds: how long passes take.
        device: where models run.
    """

    catalogue: Catalogue
    list_models: Callable[[], Sequence[ModelInfo]]
    data_dir: DataDir
    images: EvaluationData
    speeds: Speeds
    device: str

    def data(self, model: str) -> Sequence[DataChoice]:
        """The data for a model: those that can be used first."""
        return self.images.choices(self._class_names(model))

    def suites(self) -> Sequence[SuiteChoice]:
        """All suites, the cheapest first."""
        return [SuiteChoice(name, suite.title, suite.description) for name, suite in SUITES.items()]

    def precision(self, correct: int, total: int) -> tuple[float, float]:
        """The 95 % interval of an accuracy."""
        return wilson(correct, total)

    def costs(
        self, model: str, chosen: Sequence[str], count: int, eps: float
    ) -> tuple[Mapping[str, Cost], Cost | None]:
        """What each suite costs at most, and those that are chosen together: an attack they share is run once."""
        info = self.catalogue.find(model, KIND)
        if info.origin == "download" and not info.ready:
            raise StudioError(f"What evaluating '{model}' costs is known once it is here. {info.why_not}")
        subject = evaluated(self.catalogue.load(model, self.device, kind=KIND), model)
        forward, backward = self.speeds.of(f"{model} {info.revision}", subject, self.device)

        def cost(suites: tuple[str, ...]) -> Cost:
            config = self._config(EvaluationOrder(model, "", suites, count, eps))
            passes = passes_of(configured(subject, config), config, count)
            return Cost(*passes, passes.forward * forward + passes.backward * backward)

        return {name: cost((name,)) for name in SUITES}, cost(tuple(chosen)) if chosen else None

    def params(self, order: EvaluationOrder) -> EvaluateParams:
        """The parameters of the job that does what is ordered. StudioError: something in it does not fit."""
        choice = next((choice for choice in self.data(order.model) if choice.name == order.data), None)
        if choice is None:
            raise StudioError("These images are no longer there. Choose others.")
        if choice.why_not:
            raise StudioError(choice.why_not)
        images = self.images.images(order.data, self._class_names(order.model), order.images, order.owner)
        config = self._config(order)
        return EvaluateParams(config=config, images=images, **self._known(config, len(order.images) or order.count))

    def measure(self, model: str) -> tuple[float, float]:
        """Seconds of one image's passes through a model, measured where nothing is known of it. StudioError."""
        info = self.catalogue.find(model, KIND)
        key = f"{model} {info.revision}"
        known = self.speeds.known(key, self.device)
        if known is not None:
            return known
        subject = evaluated(self.catalogue.load(model, self.device, kind=KIND), model)
        return self.speeds.of(key, subject, self.device)

    def _known(self, config: EvalConfig, count: int) -> dict[str, float]:
        """What an evaluation takes at most, as its parameters have it; nothing where its model is not here yet."""
        with contextlib.suppress(StudioError):
            if not self.catalogue.find(config.model, KIND).ready:
                return {}
            subject = evaluated(self.catalogue.load(config.model, self.device, kind=KIND), config.model)
            passes = passes_of(configured(subject, config), config, count)
            forward, backward = self.measure(config.model)
            return {"at_most_seconds": passes.forward * forward + passes.backward * backward}
        return {}

    def continued(self, job_id: str, asked: EvaluateParams, suites: Sequence[str]) -> EvaluateParams:
        """The parameters of the job that goes on from where an earlier one ended, with these suites too."""
        folder = job_folder(self.data_dir, job_id)
        known = self.report(folder.parent)
        if known is None:
            raise StudioError("There is nothing yet to go on from: start the evaluation again.")
        config = asked.config
        every = tuple(dict.fromkeys((*config.suites, *suites)))
        if known.report.complete and set(every) == set(config.suites):
            raise StudioError("These attacks are all done. Choose more of them above to go on from here.")
        wanted = config.model_copy(update={"suites": every})
        seconds = self._known(wanted, len(asked.images or ()) or config.count or 0).get("at_most_seconds")
        return EvaluateParams.of(asked, config=wanted, continues=job_id, at_most_seconds=seconds)

    def shipped(self) -> Sequence[ShippedReport]:
        """The evaluations that came with the models, each with a folder like a job's."""
        return shipped_reports(self.list_models(), self.data_dir.shipped, Path(FOLDER, REPORT))

    def report(self, folder: Path) -> KnownReport | None:
        """What is known so far of the evaluation in a job's folder; None before there is anything.

        StudioError: the report is damaged.
        """
        path = folder / FOLDER / REPORT
        try:
            return _read(path)
        except FileNotFoundError:
            return None

    def files(self, folder: Path) -> ReportFiles:
        """The report in a job's folder as files, brought up to date. StudioError: there is none yet."""
        place = folder / FOLDER
        files = ReportFiles(place / REPORT, place / "report.html", place / "report.md")
        known = self.report(folder)
        if known is None:
            raise StudioError("There is no report yet: it comes with the first figures.")
        written = [path.stat().st_mtime_ns if path.is_file() else 0 for path in (files.html, files.markdown)]
        if min(written) <= files.json.stat().st_mtime_ns:
            replace_whole(files.html, render_html(known.report, place).encode(), durable=False)
            replace_whole(files.markdown, render_markdown(known.report).encode(), durable=False)
        return files

    def compare(self, folders: Sequence[Path]) -> Comparison:
        """The reports in these folders side by side. StudioError: one has no figures yet, or there is but one."""
        known = [self.report(folder) for folder in folders]
        if None in known:
            raise StudioError("One of these evaluations has no figures yet. Wait for it, or choose others.")
        return compare([one.report for one in known if one is not None])

    def _config(self, order: EvaluationOrder) -> EvalConfig:
        """The configuration of an order: what a browser cannot choose is as on the command line."""
        settings = {
            "model": order.model,
            "data": order.data,
            "suites": order.suites,
            "count": order.count,
            "eps": order.eps,
            "batch": BATCH.get(self.device, LARGE_BATCH),
        }
        return validated(EvalConfig, settings)

    def _class_names(self, model: str) -> tuple[str, ...]:
        try:
            return self.catalogue.find(model, KIND).class_names
        except StudioError:  # what is wrong with the model is said beside its name
            return ()


@read_once(32)
def _read(path: Path) -> KnownReport:
    report = read_report(path)
    settings = path.parent / "config.json"
    # A report that came with a model came without the settings of its run: it is complete as it is.
    if not settings.is_file():
        return KnownReport(report, tuple(attack.name for attack in report.attacks))
    return KnownReport(report, tuple(str(planned["name"]) for planned in read_json(settings)["plan"]))


def job_folder(data: DataDir, job_id: str, name: str = FOLDER) -> Path:
    """A folder in that of a job: that of its evaluation, or another. StudioError: there is no such job."""
    folder = data.root / "jobs" / job_id / name
    if not _JOB_ID.fullmatch(job_id) or not folder.is_dir():
        raise StudioError("What this was to go on from is no longer there: start it again.")
    return folder


def take_over(data: DataDir, job_id: object, folder: Path, name: str = FOLDER) -> None:
    """Copy what an earlier job has in its folder called `name`; nothing where the new one begins afresh.

    Raises:
        StudioError: the earlier job is gone.
    """
    if job_id:
        earlier = job_folder(data, str(job_id), name)
        shutil.copytree(earlier, folder, ignore=shutil.ignore_patterns(*_NOT_TAKEN, ".*"), dirs_exist_ok=True)
