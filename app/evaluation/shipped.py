"""Reports that came with the models, as past evaluations: to open, and to compare with one's own.

A model's folder holds them as `evaluation*.json`, as `python -m robust_model evaluate --save` writes one. They are
copied to where the app may write, since pages are rendered beside a report.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from app.evaluation.order import ShippedReport
from foundation.catalogue.entry import ModelInfo
from foundation.files.read_once import read_once
from foundation.files.text_files import replace_whole
from robust_model.evaluation.record.reading import read_report
from robust_model.evaluation.record.schema import EvaluationReport

PREFIX = "shipped:"
_STEM = "evaluation"
_logger = logging.getLogger("crossmax")


def shipped_reports(models: Iterable[ModelInfo], place: Path, inside: Path) -> Sequence[ShippedReport]:
    """All reports in the folders of these models, in their order.

    Args:
        models: the list of models.
        place: folder for the copies; it is made when there are any.
        inside: where in a run's folder its report lies.

    Raises:
        OSError: the copies cannot be written.
    """
    found = []
    for model in models:
        for path in [] if model.folder is None else sorted(model.folder.glob(f"{_STEM}*.json")):
            report = _read(path) if path.exists() else None
            if report is None:
                continue
            folder = place / model.name / path.stem
            _copy(report, folder / inside)
            which = path.stem.removeprefix(_STEM).strip("-_ ")
            title = f"{model.title} on {report.data.source}" + (f" ({which})" if which else "")
            found.append(ShippedReport(f"{PREFIX}{model.name}/{path.name}", title, folder, report))
    return found


def _copy(report: EvaluationReport, target: Path) -> None:
    content = report.text().encode()
    if not target.is_file() or target.read_bytes() != content:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_whole(target, content, durable=False)


@read_once(64)
def _read(path: Path) -> EvaluationReport | None:
    """A report without its pictures, which did not come along; None (and a warning) for what is no report."""
    try:
        report = read_report(path)
    except (OSError, ValueError) as error:
        _logger.warning("a report that came with a model is passed over: %s", error)
        return None
    return report.model_copy(update={"samples": ()})
