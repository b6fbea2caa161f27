"""The epsilon sweep: how accuracy falls with the budget, and whether it reaches zero.

A model whose accuracy does not reach zero at budgets that turn any image into any other is not robust: its gradients
are masked (Carlini et al. 2019, arXiv 1902.06705, section 4.8).
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import torch
from PIL import Image
from pydantic import Field, field_validator
from torch import Tensor

from foundation.command_line.flags import AsFlag
from robust_model.analyses import plotting
from robust_model.analyses.base import Analysis, AnalysisReport, AttackedConfig, Material, Measured, Monitor, Table
from robust_model.analyses.bench import ANSWER, Workbench, combined_by, over_batches
from robust_model.attacks import PgdConfig, source_of
from robust_model.evaluation.accounting import proportion
from robust_model.evaluation.plan import generator_of
from robust_model.evaluation.record.schema import Curve, CurvePoint
from robust_model.evaluation.record.values import Distance, Number, Positive, Proportion, Reported
from robust_model.evaluation.sweep import Ladder, SweepConfig, epsilon_sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORST = "worst of these"
NOTES = (
    "An image that is broken at one budget counts as broken at every larger one, whose ball contains the smaller "
    "one's, and is attacked no further. The worst case is per image over the sources. Bands are 95 % Wilson intervals.",
    "Accuracy is counted over all images, those that are wrong from the start included.",
)
MASKED = (
    "Accuracy does not reach zero within these budgets. Unless the largest of them is small, that is a sign of masked "
    "gradients or of too weak an attack: go on with larger budgets and more steps."
)


class EpsilonConfig(AttackedConfig):
    """A sweep over `budgets` (L-inf, [0, 1] units, rising), each met by PGD on every one of `sources`."""

    budgets: Annotated[tuple[float, ...], AsFlag(levels=True, shown="")] = Field(
        tuple(e / 255 for e in (1, 2, 4, 6, 8, 12, 16, 24, 32, 64, 128)),
        description="rising L-inf budgets",
    )
    sources: tuple[str, ...] = Field(("defence", "mean"), description="whose logits are attacked, one after the other")
    restarts: int = Field(1, ge=1, le=1000, description="of each attack")

    @field_validator("budgets")
    @classmethod
    def _rising(cls, budgets: tuple[float, ...]) -> tuple[float, ...]:
        if not budgets or list(budgets) != sorted(set(budgets)) or budgets[0] <= 0 or budgets[-1] > 1:
            raise ValueError("budgets must rise, from above 0 to at most the whole range of pixel values (255 levels)")
        return budgets


class _At(Reported):
    eps: Distance = Field(description="The L-inf budget.")


class BudgetPoint(Proportion, _At):
    """The accuracy with one budget."""


class EpsilonResult(Reported):
    """Accuracy against the budget."""

    classes: Positive = Field(description="How many classes there are.")
    curves: dict[str, tuple[BudgetPoint, ...]] = Field(description="By the attacked source, and the worst of all.")
    zero_at: Distance | None = Field(description="The smallest budget that leaves nothing; null where none does.")
    broken_at: dict[str, tuple[Number | None, ...]] = Field(
        description="By source, for each image: the first budget that broke it; null: none did; -1: wrong when clean."
    )


Report = AnalysisReport[EpsilonConfig, EpsilonResult]


def measure(config: EpsilonConfig, material: Material, monitor: Monitor) -> Measured[EpsilonResult]:
    """Sweep epsilon for every source until nothing stands."""
    (_, defence), *_ = material.models
    bench = Workbench(defence, config, material, monitor)
    sources = config.sources if len(defence.readout_names) > 1 else ("defence",)
    for source in sources:
        source_of(defence, source)  # refuses now, not after the clean answers

    def work(images: Tensor, labels: Tensor, place: str) -> tuple[Tensor, Tensor, Tensor]:
        return images, labels, bench.answers(images, (ANSWER,), place)[:, 0] == labels

    images, labels, clean = (
        torch.cat(p) for p in zip(*over_batches(material, config.batch, work, monitor), strict=True)
    )
    judged = 0

    def stands(x: Tensor, y: Tensor) -> Tensor:
        nonlocal judged
        judged += 1
        return bench.answers(x, (ANSWER,), f"judged {judged}")[:, 0] == y

    ladder = Ladder(
        defence,
        images,
        labels,
        clean,
        stands,
        bench.noise("sweep"),
        generator_of(config.seed, "sweep"),
        batch=config.batch,
        on_progress=monitor.on_progress,
        should_stop=monitor.should_stop,
    )
    attack = PgdConfig(
        loss=config.loss, steps=config.steps, restarts=config.restarts, eot=config.eot if defence.random else 1
    )
    swept = epsilon_sweep(ladder, SweepConfig(attack=attack, sources=sources, eps=config.budgets))
    monitor.complete &= not ladder.stopped
    monitor.passes += ladder.passes
    curves = {
        f"attack on {combined_by(source).title}": _points(curve.points)
        for source, curve in zip(sources, swept.curves, strict=False)  # a stop may have left the last ones out
    }
    found = [[math.inf if at is None else at for at in curve.broken_at] for curve in swept.curves]
    worst = worst_case(found, [0.0, *config.budgets], _reach(swept.curves))
    if len(curves) > 1:
        curves[WORST] = worst
    zero = next((p.eps for p in worst if p.correct == 0), None)
    result = EpsilonResult(
        classes=len(defence.class_names),
        curves=curves,
        zero_at=zero,
        broken_at={s: c.broken_at for s, c in zip(sources, swept.curves, strict=False)},
    )
    verdict = MASKED if zero is None else f"Accuracy reaches zero at {255 * zero:.3g}/255."
    return Measured(result, (*((verdict,) if monitor.complete else ()), *NOTES))


def _points(points: Sequence[CurvePoint]) -> tuple[BudgetPoint, ...]:
    return tuple(BudgetPoint(eps=p.value, **p.parts()) for p in points)


def _reach(curves: Sequence[Curve]) -> float:
    """Up to which budget all curves are known: a curve that ends at zero is known for ever."""
    ends = [c.points[-1] for c in curves]
    return min(math.inf if end.correct == 0 else float(end.value) for end in ends)


def worst_case(broken_at: Sequence[Sequence[float]], budgets: Sequence[float], reach: float) -> tuple[BudgetPoint, ...]:
    """Accuracy at each of the `budgets` up to `reach`, per image over all sources, until nothing stands.

    `broken_at` [sources][images]: the smallest budget that breaks the image (infinite if none, negative if it is
    wrong when clean).
    """
    first = torch.tensor(broken_at, dtype=torch.float64).amin(0)
    points: list[BudgetPoint] = []
    for eps in budgets:
        if eps > reach or (points and points[-1].correct == 0):
            break
        points.append(BudgetPoint(eps=eps, **proportion(first > eps).parts()))
    return tuple(points)


def tabulate(report: Report) -> Table:
    """A row per budget, a column per curve."""
    curves = report.result.curves
    budgets = sorted({p.eps for points in curves.values() for p in points})
    by_eps = [{p.eps: plotting.with_interval(p) for p in points} for points in curves.values()]
    rows = ((f"{255 * eps:.3g}/255", *(column.get(eps, "") for column in by_eps)) for eps in budgets)
    return Table(("L-inf budget", *curves), tuple(rows))


def draw(report: Report, _pictures: Mapping[str, Image.Image]) -> "Figure":
    """Accuracy over the budget, on a scale that doubles from 1/255 on."""
    result = report.result
    figure = plotting.figure(6.4, 3.9)
    axes = figure.add_subplot()
    for (name, points), look in zip(result.curves.items(), plotting.LOOKS[1:], strict=False):
        eps = [255 * p.eps for p in points]
        heights, (below, above) = plotting.intervals(points)
        low = [h - e for h, e in zip(heights, below, strict=True)]
        high = [h + e for h, e in zip(heights, above, strict=True)]
        if name == WORST:  # a broad line below the others: it often runs along one of them
            axes.plot(eps, heights, color=plotting.GREY, alpha=0.4, linewidth=6, label=name, zorder=2)
            continue
        axes.plot(
            eps, heights, color=look.colour, marker=look.marker, markersize=4.5, linewidth=1.4, label=name, zorder=3
        )
        axes.fill_between(eps, low, high, color=look.colour, alpha=0.13, linewidth=0)
    axes.set_xscale("symlog", base=2, linthresh=1, linscale=0.7)
    ticks = [0, *(255 * e for e in report.config.budgets)]
    last = max(255 * p.eps for points in result.curves.values() for p in points)
    shown = [t for t in ticks if t <= max(last, 1)]
    axes.set_xticks(shown, [f"{t:.3g}" for t in shown])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("L-inf budget, of 255 levels")
    plotting.percent_axis(axes, "accuracy")
    plotting.chance(axes, result.classes)
    plotting.legend(axes)
    plotting.headline(figure, "Accuracy against the budget", report)
    return figure


SWEEP = Analysis(
    "Epsilon sweep",
    "accuracy against the attack's budget, until nothing stands",
    EpsilonConfig,
    EpsilonResult,
    measure,
    draw,
    tabulate,
)
