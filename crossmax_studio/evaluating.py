"""The robustness of any network on images in memory, by the suites of `crossmax-robust-model evaluate`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from torch import Tensor

from crossmax_studio.checks import checked_images, checked_labels
from crossmax_studio.models import Context, Network, OnProgress, ShouldStop, classifier, defence, never
from foundation.command_line.settings import validated
from foundation.files.text_files import write_json
from foundation.progress import silent
from robust_model.data.datasets import LabelledImages
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.jobs import evaluate_job
from robust_model.reports.summary import summary

TENSORS = "tensors"
"""What a report calls images that came in memory."""
_ROUNDED = "The images were not made of 8-bit levels; they were rounded to these."


@dataclass(frozen=True)
class Report:
    """What an evaluation found. `text()` says it in lines; `details` is all of it, and `facts` the same as plain JSON.

    Its fields are those of `robust_model.evaluation.record.schema`, its schema
    `robust_model/reports/report.schema.json`.
    """

    details: EvaluationReport

    @property
    def facts(self) -> dict[str, JsonValue]:
        """All of it, as plain JSON types."""
        return self.details.to_json()

    @property
    def complete(self) -> bool:
        """Whether it was not stopped before its end."""
        return self.details.complete

    @property
    def clean(self) -> float:
        """The share of the images that the model gets right, 0 to 1."""
        return self.details.clean.accuracy

    @property
    def robust(self) -> float | None:
        """The share that stands in the worst case per image over all attacks; None while no image has met all."""
        worst = self.details.worst_case
        return None if worst is None else worst.accuracy

    @property
    def robust_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of that share."""
        worst = self.details.worst_case
        return None if worst is None else worst.ci95

    @property
    def standing(self) -> list[bool]:
        """Of each image, whether the model gets it right and no attack has broken it."""
        each = self.details.per_image
        return [right and all(alive) for right, *alive in zip(each.clean, *each.standing.values(), strict=True)]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What bears on the figures, in sentences."""
        return self.details.warnings

    def text(self) -> str:
        """The figures with their intervals, and the signs of masked gradients, as the command line says them."""
        return summary(self.details)

    def save(self, path: str | Path) -> None:
        """Write all of it as JSON, which `crossmax-robust-model compare` reads. StudioError if that fails."""
        write_json(Path(path), self.facts, "report")

    def __str__(self) -> str:
        return self.text()


def evaluate(
    model: Network,
    images: Tensor,
    labels: Tensor,
    *,
    suite: str | Sequence[str] = "adaptive",
    eps: float = 8 / 255,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
    **settings: Any,
) -> Report:
    """Attack a model by one or several suites and report what stands, as `crossmax-robust-model evaluate` does.

    Args:
        model: as for `attack`. One that draws random numbers is judged by the majority of several passes.
        images: [B, 3, H, W] in [0, 1]; rounded to 8 bits, with a warning in the report where that changes them.
        labels: int64 [B], the true classes.
        suite: "quick", "adaptive", "apgd", "square", "thorough", "autoattack-standard", "autoattack-rand", or several.
        eps: the L-inf budget in [0, 1] pixel units.
        device: where a model that is named is loaded: "auto", "cpu", "cuda".
        out: a folder in which everything is kept while it runs, from where the same call goes on after a kill.
        on_progress: hears a `Progress`: `done` of at most `total` passes, and the `message` says what is known.
        should_stop: is asked between steps; the report then says that it is not complete.
        settings: others, by their names in `EvalConfig`: steps=20, restarts=1, batch=100, seed=3, sweep=50...

    Raises StudioError for what does not fit, before the work.
    """
    found = checked_images(images)
    context = Context(device, on_progress, should_stop)
    with classifier(model, (found.shape[2], found.shape[3]), context) as loaded:
        judged = defence(loaded)
        places = checked_labels(labels, len(found), len(judged.class_names))
        levels = found.cpu().mul(255)
        pixels = levels.round()
        note = _ROUNDED if float((levels - pixels).abs().max()) > 1e-3 else ""
        data = LabelledImages(pixels.byte(), places, judged.class_names, TENSORS, note)
        suites = [suite] if isinstance(suite, str) else list(suite)
        wanted = {"model": loaded.name, "data": TENSORS, "count": 0, "eps": eps, "suites": suites, "samples": 0}
        config = validated(EvalConfig, {**wanted, **settings})
        report = evaluate_job(context, config, judged, None if out is None else Path(out), data=data)
        warnings = (*getattr(judged, "notes", ()), *report.warnings)
    return Report(report.model_copy(update={"warnings": warnings}))
