"""CrossMax against the mean, on independent networks: attacked directly, and each through the other.

Source: arXiv 2408.05446, section 4 (CrossMax over independently trained networks). That a direct attack on CrossMax
says little was shown with ten small networks (K. Jordan): attacked itself it kept 77.8 %, attacked through
the mean of the same networks 2.2 %. For that protocol choose 6/255, 100 steps and the targeted loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from foundation.command_line.flags import AsFlag
from foundation.errors import StudioError
from robust_model.analyses import plotting
from robust_model.analyses.base import Analysis, AnalysisReport, BudgetConfig, Material, Measured, Monitor, Table
from robust_model.analyses.bench import (
    ANSWER,
    ReadOut,
    Workbench,
    choose_crossmax,
    combined_by,
    over_batches,
    predictors,
)
from robust_model.analyses.defences import ReadAs, Together
from robust_model.analyses.under_attack import pgd
from robust_model.attacks import Defence, PgdConfig
from robust_model.evaluation.accounting import proportion
from robust_model.evaluation.record.values import Flag, Positive, Proportion, Reported

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLEAN, WORST = "clean", "worst of these"
SPACING = 0.17
"""Between the points of a row of the figure; rows are 1 apart."""
NOTES = (
    "Every accuracy is counted over all images, those that are wrong from the start included; bars are 95 % Wilson "
    "intervals.",
    "An image is broken as soon as one iterate of an attack is confirmed to be misclassified by the answer that "
    "the row names, whichever logits the attack followed; the worst case is per image over the row's attacks.",
    "If what is attacked through the mean falls below what is attacked directly, the direct attack was the weak part, "
    "not CrossMax the strong one.",
)


class CrossmaxConfig(BudgetConfig):
    """CrossMax against the mean of `model` and `others`, independent networks of the same classes.

    Without `others` the predictors that vote in `model` stand for the networks. Each attack has `restarts`.
    """

    others: Annotated[tuple[str, ...], AsFlag(("others",), metavar="MODEL")] = Field(
        (), description="further networks of the same classes"
    )
    restarts: int = Field(1, ge=1, le=1000, description="of each attack")

    @property
    def models(self) -> tuple[str, ...]:
        """All networks, in order."""
        return (self.model, *self.others)


class AnswerRow(Reported):
    """One answer, and what is left of it under each attack."""

    title: str = Field(description="Whose answer it is.")
    accuracy: dict[str, Proportion] = Field(description="Clean, by the attack, and the worst of these.")


class CrossmaxResult(Reported):
    """The networks alone, their mean, and CrossMax."""

    networks: Positive = Field(description="How many networks (or predictors) there are.")
    independent: Flag = Field(description="Whether they are networks of their own.")
    rows: tuple[AnswerRow, ...] = Field(description="One for each answer.")


Report = AnalysisReport[CrossmaxConfig, CrossmaxResult]


@dataclass(frozen=True)
class _Row:
    """One answer, and the read-outs it is attacked through (by the name of the attack in the result)."""

    title: str
    defence: Defence
    attacks: dict[str, ReadOut]


def measure(config: CrossmaxConfig, material: Material, monitor: Monitor) -> Measured[CrossmaxResult]:
    """Attack every network alone, the mean, and CrossMax: directly, and the two combinations through each other."""
    rows = _rows(config, material)
    plans = [{name: _attack(config, row.defence, r) for name, r in row.attacks.items()} for row in rows]
    monitor.begin(len(material.images) * sum(attack.units for plan in plans for attack in plan.values()))
    benches = [Workbench(row.defence, config, material, monitor) for row in rows]

    def work(images: Tensor, labels: Tensor, place: str) -> list[dict[str, Tensor]]:
        return [
            _standing(bench, plan, images, labels, f"{row.title}, {place}")
            for row, plan, bench in zip(rows, plans, benches, strict=True)
        ]

    batches = over_batches(material, config.batch, work, monitor)
    result = CrossmaxResult(
        networks=len(rows) - 2,
        independent=len(material.models) > 1,
        rows=tuple(
            AnswerRow(
                title=row.title,
                accuracy={
                    name: proportion(torch.cat([found[number][name] for found in batches]))
                    for name in batches[0][number]
                },
            )
            for number, row in enumerate(rows)
        ),
    )
    return Measured(result, NOTES)


def _rows(config: CrossmaxConfig, material: Material) -> list[_Row]:
    """The networks alone, their mean, CrossMax."""
    networks = dict(material.models)
    if len(networks) > 1:
        together: Defence = Together(tuple(networks), tuple(networks.values()))
        alone = [_Row(name, network, {"directly": ANSWER}) for name, network in networks.items()]
    else:
        (together,) = networks.values()
        voters = together.voting(torch.zeros(1, len(together.readout_names), len(together.class_names))).shape[1]
        if voters < 2:
            raise StudioError("A single answer has nothing to combine: name several networks of the same classes.")
        alone = [
            _Row(r.title, ReadAs(together, r.source), {"directly": ANSWER}) for r in predictors(together)[-voters:]
        ]
    # The paper combines a network's predictors by top-k, and equal networks by the median.
    crossmax = choose_crossmax(together, config.crossmax or ("crossmax-median" if len(networks) > 1 else ""))
    mean, cross = combined_by("mean"), combined_by(crossmax)
    return [
        *alone,
        _Row(mean.title, ReadAs(together, mean.source), {"directly": ANSWER, "through CrossMax": cross}),
        _Row(cross.title, ReadAs(together, cross.source), {"directly": ANSWER, "through the mean": mean}),
    ]


def _attack(config: CrossmaxConfig, defence: Defence, through: ReadOut) -> PgdConfig:
    return pgd(config, defence, through.source, restarts=config.restarts)


def _standing(
    bench: Workbench, plan: dict[str, PgdConfig], images: Tensor, labels: Tensor, place: str
) -> dict[str, Tensor]:
    """Which images stand, bool [B] on the CPU: clean, after each attack, and after all of them."""
    clean = bench.answers(images, (ANSWER,), place)[:, 0] == labels
    standing = {CLEAN: clean}
    first = bench.monitor.done
    for name, attack in plan.items():
        after = clean.clone()
        if bool(clean.any()):
            after[clean] = ~bench.attack(images[clean], labels[clean], attack, place).broken
        first += len(images) * attack.units
        bench.monitor.at(first, place)  # images that were wrong from the start are done, too
        standing[name] = after
    if len(plan) > 1:
        standing[WORST] = torch.stack([standing[name] for name in plan]).all(0)
    return {name: mask.cpu() for name, mask in standing.items()}


def tabulate(report: Report) -> Table:
    """A row per answer; a column per way to attack it."""
    columns = _columns(report)
    rows = [
        (row.title, *(plotting.with_interval(row.accuracy[c]) if c in row.accuracy else "" for c in columns))
        for row in report.result.rows
    ]
    return Table(("answer of", *columns), tuple(rows))


def _columns(report: Report) -> list[str]:
    found = [name for row in report.result.rows for name in row.accuracy]
    return [*dict.fromkeys(name for name in found if name != WORST), WORST]


def draw(report: Report, _pictures: Mapping[str, Image.Image]) -> "Figure":
    """A line of points for every answer: clean on the right, what an attack leaves of it further left."""
    rows = report.result.rows
    figure = plotting.figure(7.4, 0.52 * len(rows) + 1.9)
    axes = figure.add_subplot()
    looks = dict(zip(_columns(report), plotting.LOOKS, strict=False))
    heights = [-i - (0.6 if i >= len(rows) - 2 else 0) for i in range(len(rows))]  # the combinations stand apart
    for name, look in looks.items():
        found = [
            (
                height - SPACING * (list(row.accuracy).index(name) - (len(row.accuracy) - 1) / 2),
                row.accuracy[name],
            )
            for height, row in zip(heights, rows, strict=True)
            if name in row.accuracy
        ]
        middle, errors = plotting.intervals([figures for _height, figures in found])
        plotting.points(axes, middle, [height for height, _figures in found], errors, look, name, sideways=True)
    plotting.percent_axis(axes, "accuracy", along="x")
    axes.axhline((heights[-3] + heights[-2]) / 2, color=plotting.LIGHT, linewidth=1)
    axes.set_yticks(heights, [row.title for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.spines.left.set_visible(False)
    axes.set_ylim(heights[-1] - 0.6, 0.6)
    plotting.legend(axes, columns=5)
    plotting.headline(figure, "CrossMax against the mean", report)
    return figure


CROSSMAX = Analysis(
    "CrossMax against the mean",
    "independent networks (or one network's predictors) alone, averaged, and by CrossMax: attacked directly and "
    "through each other",
    CrossmaxConfig,
    CrossmaxResult,
    measure,
    draw,
    tabulate,
)
