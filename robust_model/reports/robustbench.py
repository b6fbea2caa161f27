"""RobustBench's form for a leaderboard entry: the JSON files under `model_info/DATASET/THREAT_MODEL/`.

Its fields: https://github.com/RobustBench/robustbench, "model_info". Numbers are strings of per cent, eps a fraction.
"""

from fractions import Fraction
from typing import NotRequired, TypedDict

from foundation.errors import StudioError
from robust_model.attacks import AutoAttackConfig
from robust_model.evaluation.masking.findings import findings_of
from robust_model.evaluation.record.schema import AutoAttackFigures, EvaluationReport

DATASETS = {"cifar10": 10_000, "cifar100": 10_000, "imagenet": 5_000}
"""RobustBench's data sets for the L-inf board, and how many test images its figures are measured on."""


class _Form(TypedDict):
    link: str
    name: str
    authors: str
    additional_data: bool
    number_forward_passes: int
    dataset: str
    venue: str
    architecture: str
    eps: str
    clean_acc: str
    reported: str
    autoattack_acc: str
    external: NotRequired[str]
    footnote: NotRequired[str]


class ModelInfo(_Form):
    """The fields of RobustBench's form, in its order."""

    unreliable: bool


def _dataset(source: str) -> str:
    words = source.replace(":", "/").split("/")
    for name in DATASETS:
        if name in words:
            return name
    raise StudioError(
        f"RobustBench has boards for {', '.join(DATASETS)}; this report is on '{source}'. Evaluate on the test split "
        "of one of them, or name its board with --dataset."
    )


def _standard(report: EvaluationReport) -> AutoAttackFigures:
    for attack in report.attacks:
        config = attack.config
        if attack.autoattack is not None and isinstance(config, AutoAttackConfig) and config.version == "standard":
            return attack.autoattack
    raise StudioError(
        "RobustBench's figure is AutoAttack's standard version, which this report lacks: evaluate again with "
        "--suite autoattack-standard."
    )


def _eps(eps: float) -> str:
    """As a fraction of 255 where it is one."""
    levels = Fraction(eps * 255).limit_denominator(100)
    if abs(float(levels) - eps * 255) < 1e-6 and levels.denominator == 1:
        return f"{levels.numerator}/255"
    return f"{eps:g}"


def model_info(
    report: EvaluationReport,
    *,
    name: str,
    authors: str,
    architecture: str,
    link: str = "",
    venue: str = "Unpublished",
    additional_data: bool = False,
    number_forward_passes: int = 1,
    reported: float | None = None,
    dataset: str = "",
    footnote: str = "",
) -> ModelInfo:
    """The entry of a deterministic model that met AutoAttack `standard`, as RobustBench's JSON form.

    `name` is the paper's title, `reported` the robust accuracy (0 to 1) that it states (empty: AutoAttack's of this
    report), `number_forward_passes` what one answer costs. If the worst case over all attacks is below AutoAttack's
    figure, it becomes the `external` one, by which RobustBench ranks. Raises StudioError for a model that answers at
    random, an unfinished report, other data, or no AutoAttack.
    """
    if report.defence.noise != "off":
        raise StudioError(
            "RobustBench takes only deterministic models, and this one was evaluated with noise: evaluate it with "
            "--noise off, if that is how it is meant to be used."
        )
    if not report.complete or report.worst_case is None:
        raise StudioError("The report is not complete: finish the evaluation first.")
    if dataset and dataset not in DATASETS:
        raise StudioError(f"RobustBench has no data set '{dataset}': use {', '.join(DATASETS)}.")
    board = dataset or _dataset(report.data.source)
    own = _standard(report).own_accuracy
    worst = report.worst_case.accuracy
    n = report.data.n
    notes = [footnote] if footnote else []
    if n != DATASETS[board]:
        notes.append(f"Measured on {n:,} images, where RobustBench takes {DATASETS[board]:,}.")
    if worst < own:
        notes.append(f"{worst:.2%} robust accuracy is the worst case per image over AutoAttack and adaptive attacks.")
    info: _Form = {
        "link": link,
        "name": name,
        "authors": authors,
        "additional_data": additional_data,
        "number_forward_passes": number_forward_passes,
        "dataset": board,
        "venue": venue,
        "architecture": architecture,
        "eps": _eps(report.config.eps),
        "clean_acc": f"{report.clean.accuracy * 100:.2f}",
        "reported": f"{(own if reported is None else reported) * 100:.2f}",
        "autoattack_acc": f"{own * 100:.2f}",
    }
    if worst < own:
        info["external"] = f"{worst * 100:.2f}"
    if notes:
        info["footnote"] = " ".join(notes)
    return {**info, "unreliable": any(finding.verdict == "found" for finding in findings_of(report))}
