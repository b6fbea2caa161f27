"""Accuracy by layer: clean, and under attacks through the final head and through the mean of the predictors.

Source: arXiv 2408.05446, section 3.2 (read-outs at intermediate layers, and their robustness to an attack on the
final one).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PIL import Image
from pydantic import Field

from robust_model.analyses import plotting
from robust_model.analyses.base import Analysis, AnalysisReport, BudgetConfig, Material, Measured, Monitor, Table
from robust_model.analyses.bench import combinations, predictors
from robust_model.analyses.under_attack import FINAL_ITERATES, AnswersPerImage, per_image, under_attack
from robust_model.evaluation.accounting import proportion
from robust_model.evaluation.record.values import Positive, Proportion, Reported

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class LayersResult(Reported):
    """The accuracy of every read-out, by how the images were attacked."""

    readouts: tuple[str, ...] = Field(description="The predictors by depth, then what combines them.")
    predictors: Positive = Field(description="How many of them are predictors.")
    classes: Positive = Field(description="How many classes there are.")
    accuracy: dict[str, tuple[Proportion, ...]] = Field(description="By curve: the accuracy of each read-out.")
    per_image: AnswersPerImage = Field(description="The answers, image by image.")


Report = AnalysisReport[BudgetConfig, LayersResult]


def measure(config: BudgetConfig, material: Material, monitor: Monitor) -> Measured[LayersResult]:
    """The accuracy of every read-out on clean images, and attacked through the final head and through the mean."""
    (_, defence), *_ = material.models
    layers = predictors(defence)
    combined = combinations(defence, config.crossmax)
    tested = (*layers, *combined)
    sources = (layers[-1], *(r for r in combined if r.source == "mean"))
    answers = under_attack(defence, config, material, monitor, sources=sources, tested=tested)
    curves = {"clean": answers.clean_right}
    curves |= {f"attack on {s.title}": right for s, right in zip(sources, answers.attacked_right, strict=True)}
    result = LayersResult(
        readouts=tuple(r.title for r in tested),
        predictors=len(layers),
        classes=len(defence.class_names),
        accuracy={name: tuple(proportion(column) for column in right.T) for name, right in curves.items()},
        per_image=per_image(answers, sources),
    )
    return Measured(result, ("Bars are 95 % Wilson intervals.", FINAL_ITERATES))


def tabulate(report: Report) -> Table:
    """A row per read-out, a column per curve."""
    result = report.result
    curves = result.accuracy
    rows = (
        (name, *(plotting.with_interval(figures[i]) for figures in curves.values()))
        for i, name in enumerate(result.readouts)
    )
    return Table(("read-out", *curves), tuple(rows))


def draw(report: Report, _pictures: Mapping[str, Image.Image]) -> "Figure":
    """Accuracy over depth, one line per curve; what combines the predictors stands apart, on the right."""
    result = report.result
    names, depth = result.readouts, result.predictors
    places = [i if i < depth else i + 0.5 for i in range(len(names))]
    figure = plotting.figure(max(4.8, 0.75 * len(names) + 1.6), 3.9)
    axes = figure.add_subplot()
    plotting.accuracies(axes, places, result.accuracy, joined=slice(depth), classes=result.classes)
    if len(names) > depth:
        axes.axvline(depth - 0.25, color=plotting.LIGHT, linewidth=1)
    axes.set_xticks(places, names)
    plotting.slant_if_crowded(axes, names)
    axes.set_xlim(places[0] - 0.5, places[-1] + 0.5)
    axes.set_xlabel("predictors by depth" + (", then what combines them" if len(names) > depth else ""))
    plotting.legend(axes)
    plotting.headline(figure, "Accuracy by layer", report)
    return figure


LAYERS = Analysis(
    "Accuracy by layer",
    "clean accuracy of every read-out, and under PGD on the final head and on the mean",
    BudgetConfig,
    LayersResult,
    measure,
    draw,
    tabulate,
)
