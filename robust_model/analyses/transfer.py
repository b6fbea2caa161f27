"""The layer-to-layer transfer matrix: attack one read-out, test another.

Source: arXiv 2408.05446, section 3.2 (what fools one layer need not fool another).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PIL import Image
from pydantic import Field
from torch import Tensor

from foundation.intervals import wilson
from robust_model.analyses import plotting
from robust_model.analyses.base import Analysis, AnalysisReport, BudgetConfig, Material, Measured, Monitor, Table
from robust_model.analyses.bench import combinations, predictors
from robust_model.analyses.under_attack import FINAL_ITERATES, AnswersPerImage, per_image, under_attack
from robust_model.evaluation.accounting import proportion
from robust_model.evaluation.record.values import Count, Positive, Proportion, Reported, Share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DENOMINATOR = (
    "Attack success is the share that the tested read-out gets wrong of the images that it got right when they were "
    "clean: every column has its own denominator, the last row of the table."
)


class Success(Reported):
    """How often attacks through one read-out fool another."""

    rate: Share | None = Field(description="Broken of n; null for n = 0.")
    broken: Count = Field(description="Images that the tested read-out gets wrong after the attack.")
    n: Count = Field(description="Images that it gets right when clean.")
    ci95: tuple[Share, Share] = Field(description="The ends of the 95 % Wilson interval of the rate.")


class TransferResult(Reported):
    """The transfer matrix."""

    readouts: tuple[str, ...] = Field(description="The predictors by depth, then what combines them.")
    predictors: Positive = Field(description="How many of them are predictors.")
    clean: tuple[Proportion, ...] = Field(description="The accuracy of each read-out on clean images.")
    success: tuple[tuple[Success, ...], ...] = Field(description="By the attacked read-out, then the tested one.")
    per_image: AnswersPerImage = Field(description="The answers, image by image.")


Report = AnalysisReport[BudgetConfig, TransferResult]


def measure(config: BudgetConfig, material: Material, monitor: Monitor) -> Measured[TransferResult]:
    """Attack through every read-out, and test them all on each attack's final iterates."""
    (_, defence), *_ = material.models
    read_outs = (*predictors(defence), *combinations(defence, config.crossmax))
    answers = under_attack(defence, config, material, monitor, sources=read_outs, tested=read_outs)
    result = TransferResult(
        readouts=tuple(r.title for r in read_outs),
        predictors=len(defence.readout_names),
        clean=tuple(proportion(column) for column in answers.clean_right.T),
        success=success(answers.clean_right, answers.attacked_right),
        per_image=per_image(answers, read_outs),
    )
    return Measured(result, (DENOMINATOR, FINAL_ITERATES))


def success(clean: Tensor, attacked: Tensor) -> tuple[tuple[Success, ...], ...]:
    """The transfer matrix [A][R] from what is right, bool [n, R] when clean and [A, n, R] attacked through each of A.

    Entry (a, b): `broken` of the `n` images that b gets right clean, as `rate` (null for n = 0) with its 95 % Wilson
    interval.
    """
    broken = (clean & ~attacked).sum(1).tolist()
    counts = clean.sum(0).tolist()
    return tuple(tuple(_success(k, n) for k, n in zip(row, counts, strict=True)) for row in broken)


def _success(broken: int, n: int) -> Success:
    return Success(rate=broken / n if n else None, broken=broken, n=n, ci95=wilson(broken, n))


def tabulate(report: Report) -> Table:
    """The matrix: attacked in the rows, tested in the columns; below it the denominators."""
    result = report.result
    names = result.readouts
    rows = [
        (name, *(plotting.percent(cell.rate) for cell in row)) for name, row in zip(names, result.success, strict=True)
    ]
    counts = ("images right when clean", *(str(figure.correct) for figure in result.clean))
    return Table(("attacked \\ tested", *names), (*rows, counts))


def draw(report: Report, _pictures: Mapping[str, Image.Image]) -> "Figure":
    """The matrix as a heat map with its numbers; the diagonal is framed: attacked and tested alike."""
    import numpy as np

    result = report.result
    names, depth = result.readouts, result.predictors
    rates = np.array([[np.nan if c.rate is None else 100 * c.rate for c in row] for row in result.success])
    size = len(names)
    figure = plotting.figure(0.62 * size + 3.0, 0.5 * size + 2.3)
    axes = figure.add_subplot()
    image = axes.imshow(np.ma.masked_invalid(rates), cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for a in range(size):
        for b in range(size):
            text = "–" if np.isnan(rates[a, b]) else f"{rates[a, b]:.0f}"
            colour = "white" if rates[a, b] > 55 else plotting.INK
            axes.text(b, a, text, ha="center", va="center", color=colour, fontweight="bold" if a == b else "normal")
    for i in range(size):
        axes.add_patch(plotting.frame(i, i))
    for edge in (depth - 0.5,) if size > depth else ():  # between the predictors and what combines them
        axes.axhline(edge, color="white", linewidth=3)
        axes.axvline(edge, color="white", linewidth=3)
    labels = [f"{name}\n({clean.correct})" for name, clean in zip(names, result.clean, strict=True)]
    axes.set_xticks(range(size), labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), names)
    axes.set_xlabel("tested read-out (images that it gets right when clean)")
    axes.set_ylabel("attacked read-out")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.03, ticks=range(0, 101, 25))
    bar.set_label("attack success, % of those images")
    bar.outline.set_visible(False)
    plotting.headline(figure, "Do attacks transfer between layers?", report)
    return figure


TRANSFER = Analysis(
    "Layer-to-layer transfer of attacks",
    "attack every read-out, test every read-out: the matrix of success rates",
    BudgetConfig,
    TransferResult,
    measure,
    draw,
    tabulate,
)
