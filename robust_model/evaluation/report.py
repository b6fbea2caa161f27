"""The report of an evaluation, made of what is known (see `schema` for what it holds)."""

import platform
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust_model.attacks.answers import NO_ANSWER
from robust_model.data.datasets import LabelledImages
from robust_model.evaluation.accounting import by_draws, proportion
from robust_model.evaluation.masking.diagnostics import added
from robust_model.evaluation.masking.findings import findings
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.record.schema import (
    SCHEMA,
    Accounting,
    AttackReport,
    AutoAttackFigures,
    Curves,
    Data,
    DefenceFacts,
    Diagnostics,
    EvaluationReport,
    FinishedWorstCase,
    PerImage,
)
from robust_model.evaluation.record.values import Numbers, Passes, WorstDrawCounts
from robust_model.evaluation.results import AttackResults, Results
from robust_model.zoo.subjects import EvaluatedModel


@dataclass(frozen=True)
class Setting:
    """What was evaluated on what, for the report: `model` as it was configured, `indices` the places in the split."""

    config: EvalConfig
    model: EvaluatedModel
    data: LabelledImages
    indices: list[int]
    device: str


class Further(NamedTuple):
    """The parts that tell of masked gradients, as far as there are any."""

    diagnostics: Diagnostics | None = None
    sweep: Curves | None = None
    convergence: Curves | None = None


def build_report(setting: Setting, results: Results, further: Further, *, complete: bool) -> EvaluationReport:
    """The report of what is known. Every figure counts the images that it is known of: all of them once complete.

    Attack by attack: `accuracy` and its interval count images that stand, right when clean and not broken, judged while
    the attack ran; `rescored` judges the images that it returned again, by fresh draws; `accounting` counts these in
    other ways (see `by_draws`), for a random model. The worst case is per image over all attacks.
    """
    named, seen, clean, counted = results.named, results.seen, results.clean, results.counted
    model, names = setting.model, setting.model.readout_names
    standing = clean & ~results.broken(results.attacks)
    met = [attack for attack in results.attacks if bool(attack.met.any())]
    report = EvaluationReport(
        schema=SCHEMA,
        complete=complete,
        config=setting.config,
        suites=() if setting.config.attacks else setting.config.suites,
        data=Data(
            source=setting.data.source,
            n=len(setting.data),
            indices=tuple(setting.indices),
            class_names=model.class_names,
        ),
        defence=DefenceFacts(
            aggregator=model.config.aggregator,
            voters=model.voting(torch.zeros(1, len(names), 1)).shape[1],
            noise="fresh" if model.random else "off",
            draws=results.answers.shape[0],
        ),
        clean=proportion(clean[seen]),
        clean_by_readout={name: proportion((named[:, i] == results.labels)[seen]) for i, name in enumerate(names)},
        attacks=tuple(_attack(attack, results, clean) for attack in met),
        worst_case=proportion(standing[counted]) if bool(counted.any()) else None,
        worst_case_finished=None if complete else _finished(results, clean),
        accounting=_accounting(results, counted) if model.random else None,
        per_image=PerImage(
            label=results.labels.tolist(),
            clean=clean.tolist(),
            counted=counted.tolist(),
            standing={attack.planned.name: (clean & ~attack.broken).tolist() for attack in met},
            own={attack.planned.name: attack.own.tolist() for attack in met if attack.own is not None},
        ),
        passes=Passes.of(results.passes),
        seconds=round(results.seconds, 1),
        versions={"torch": torch.__version__, "python": platform.python_version()},
        device=setting.device,
        warnings=tuple(_warnings(setting, results)),
        samples=tuple(sample for attack in met for sample in attack.samples),
        **further._asdict(),
        findings=(),
    )
    return report.model_copy(update={"findings": findings(report)}) if met else report


def _finished(results: Results, clean: Tensor) -> FinishedWorstCase | None:
    """The worst case over the attacks that have met every image, while others still go on: what is known stays."""
    finished = [attack for attack in results.attacks if bool(attack.met.all())]
    if not finished or len(finished) == len(results.attacks):
        return None
    names = tuple(attack.planned.name for attack in finished)
    return FinishedWorstCase(attacks=names, **proportion(clean & ~results.broken(finished)).parts())


def _attack(attack: AttackResults, results: Results, clean: Tensor) -> AttackReport:
    rescored = proportion((clean & attack.rescored)[attack.met])
    zero = [int(extra["zero_gradients"]) for extra in attack.extras if "zero_gradients" in extra]
    own = _own_count(attack)
    return AttackReport(
        name=attack.planned.name,
        config=attack.planned.config,
        **proportion((clean & ~attack.broken)[attack.met]).parts(),
        cumulative=attack.planned.cumulative,
        attacked=attack.attacked,
        rescored=rescored,
        passes=Passes.of(attack.passes),
        seconds=round(attack.seconds, 1),
        distance_max=attack.distance_max,
        tied=attack.tied,
        accounting=by_draws(attack.right[attack.met]) if results.answers.shape[0] > 1 else None,
        zero_gradients=sum(zero) if zero else None,
        ends=added(attack.ends) if attack.ends else None,
        autoattack=None
        if own is None
        else AutoAttackFigures(
            own_accuracy=own / max(1, int(attack.met.sum())),
            rescored_accuracy=rescored.accuracy,
            warnings=_lines(attack.extras, "warnings"),
        ),
    )


def _own_count(attack: AttackResults) -> int | None:
    """How many images stand by the attack's own count, of one that keeps it."""
    found = [int(extra["own_correct"]) for extra in attack.extras if "own_correct" in extra]
    return sum(found) if found else None


def _lines(extras: list[Numbers], name: str) -> tuple[str, ...]:
    """The different lines that batches report under `name`, in the order in which they first came."""
    return tuple(dict.fromkeys(line for extra in extras for line in str(extra.get(name, "")).splitlines() if line))


def _accounting(results: Results, counted: Tensor) -> Accounting | None:
    """A random model's other figures: clean, and the worst case over all attacks; None while there are none."""
    if not bool(counted.any()):
        return None
    rescored = results.rescored(results.attacks)
    worst = by_draws(results.worst_right(results.attacks)[counted])
    return Accounting(
        clean=by_draws(results.clean_right[results.seen]),
        worst_case=WorstDrawCounts(
            draws=worst.draws, mean=worst.mean, every_draw=worst.every_draw, rescored=proportion(rescored[counted])
        ),
    )


def _differs(attack: AttackResults, clean: Tensor) -> list[str]:
    """A warning, where an attack's own count and the re-scored one differ though nothing is random."""
    own, again = _own_count(attack), int((clean & attack.rescored)[attack.met].sum())
    if own is None or own == again:
        return []
    return [
        f"By its own count '{attack.planned.name}' leaves {own} images, re-scored {again}, though the model is "
        "deterministic: points lie so near to the border that rounding decides. The lower figure is the safer one, and "
        "the worst case is too high by as many as that at most."
    ]


def _warnings(setting: Setting, results: Results) -> list[str]:
    found = [setting.data.note] if setting.data.note else []
    if not setting.model.random and setting.model.with_noise("fresh").random:
        found.append("The network was trained with random draws; evaluated here with their centre (deterministic).")
    if setting.config.precision != "float32":
        found.append(
            f"Attacks computed in {setting.config.precision}, but for AutoAttack; every break was judged in float32."
        )
    for attack in results.attacks:
        if attack.tied:
            found.append(
                f"Of the images that '{attack.planned.name}' breaks, {attack.tied} are exact ties: the true class's "
                "logit is as high as any, and the order of the classes decides. They need not survive being saved; an "
                "aggregator whose name ends in -votes settles CrossMax's ties."
            )
        if attack.speechless:
            found.append(
                f"To {attack.speechless} of the images that '{attack.planned.name}' returned the model answers with "
                "NaN or infinity: that is no answer, and they are counted as wrong."
            )
        found += [] if setting.model.random else _differs(attack, results.clean)
    silent = int((results.named[:, -1] == NO_ANSWER)[results.seen].sum())
    if silent:
        found.append(
            f"To {silent} of the {int(results.seen.sum())} clean images the model answers with NaN or infinity: that "
            "is no answer, and they are counted as wrong."
        )
    clean = results.clean_right[results.seen].any(1)
    if len(clean) and not bool(clean.any()):
        found.append("The model gets no image right: nothing could be attacked.")
    return found
