"""Accuracy by resolution: what the network makes of clean and attacked images that it sees at one resolution alone.

All channels of the stack show the image at that one. An attack writes what it changes into those resolutions that the
network looks at; how much of it is left when only one of them is shown says where it is.

Source: arXiv 2408.05446, section 3.1 (the image seen at several resolutions at once).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from foundation.errors import StudioError
from robust_model.analyses import plotting
from robust_model.analyses.base import Analysis, AnalysisReport, BudgetConfig, Material, Measured, Monitor, Table
from robust_model.analyses.bench import ANSWER, Workbench, combinations, over_batches
from robust_model.analyses.under_attack import FINAL_ITERATES, pgd
from robust_model.attacks import Defence
from robust_model.evaluation.accounting import proportion
from robust_model.evaluation.record.values import Positive, Proportion, Reported
from robust_model.networks.ensemble import SelfEnsemble

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALL = "all of them"
SHOWN_ALONE = (
    "At one resolution all channels of the stack show the image at that one, which the network was not trained on: so "
    "clean accuracy falls, too, and is what an attack's has to be compared with."
)


class ResolutionsResult(Reported):
    """The accuracy of the answer by what is shown, and by how the images were attacked."""

    resolutions: tuple[Positive, ...] = Field(description="The stack's, the finest first.")
    classes: Positive = Field(description="How many classes there are.")
    accuracy: dict[str, tuple[Proportion, ...]] = Field(
        description="By curve: the accuracy with the whole stack, then with each resolution alone."
    )


Report = AnalysisReport[BudgetConfig, ResolutionsResult]


def resolutions_of(defence: Defence) -> tuple[int, ...]:
    """The resolutions of a network's stack, the finest first. StudioError for one that has no several."""
    found = defence.config.stack.resolutions if isinstance(defence, SelfEnsemble) else ()
    if len(set(found)) < 2:
        raise StudioError("This network does not see its images at several resolutions: there is nothing to compare.")
    return tuple(sorted(set(found), reverse=True))


def measure(config: BudgetConfig, material: Material, monitor: Monitor) -> Measured[ResolutionsResult]:
    """The answer's accuracy with each resolution alone: on clean images, and attacked through the whole network."""
    (_, defence), *_ = material.models
    resolutions = resolutions_of(defence)
    assert isinstance(defence, SelfEnsemble)
    benches = {ALL: Workbench(defence, config, material, monitor)}
    benches |= {f"{r}": Workbench(defence.seeing(r), config, material, monitor) for r in resolutions}
    sources = combinations(defence, config.crossmax) or (ANSWER,)
    attacks = [pgd(config, defence, source.source) for source in sources]
    monitor.begin(len(material.images) * sum(attack.units for attack in attacks))

    def right(images: Tensor, labels: Tensor, place: str) -> Tensor:
        found = [bench.answers(images, (ANSWER,), f"{name}, {place}")[:, 0] for name, bench in benches.items()]
        return torch.stack(found, dim=1) == labels[:, None]

    def work(images: Tensor, labels: Tensor, place: str) -> Tensor:
        kinds = [right(images, labels, place)]
        for attack in attacks:
            last = benches[ALL].attack(images, labels, attack, place, to_the_end=True).last[0]
            kinds.append(right(last, labels, f"{attack.name}, {place}"))
        return torch.stack(kinds).cpu()

    found = torch.cat(over_batches(material, config.batch, work, monitor), dim=1)
    names = ("clean", *(f"attack on {source.title}" for source in sources))
    result = ResolutionsResult(
        resolutions=resolutions,
        classes=len(defence.class_names),
        accuracy={
            name: tuple(proportion(column) for column in kind.T) for name, kind in zip(names, found, strict=True)
        },
    )
    return Measured(result, (SHOWN_ALONE, "Bars are 95 % Wilson intervals.", FINAL_ITERATES))


def _titles(result: ResolutionsResult) -> tuple[str, ...]:
    return (ALL, *(f"{r} x {r}" for r in result.resolutions))


def tabulate(report: Report) -> Table:
    """A row per resolution, a column per curve."""
    curves = report.result.accuracy
    rows = (
        (title, *(plotting.with_interval(figures[i]) for figures in curves.values()))
        for i, title in enumerate(_titles(report.result))
    )
    return Table(("what is shown", *curves), tuple(rows))


def draw(report: Report, _pictures: Mapping[str, Image.Image]) -> "Figure":
    """Accuracy over resolutions, one line per curve; the whole stack stands apart, on the left."""
    result = report.result
    titles = _titles(result)
    places = [0.0, *(i + 1.5 for i in range(len(result.resolutions)))]
    figure = plotting.figure(max(4.8, 0.9 * len(titles) + 1.6), 3.9)
    axes = figure.add_subplot()
    plotting.accuracies(axes, places, result.accuracy, joined=slice(1, None), classes=result.classes)
    axes.axvline(0.75, color=plotting.LIGHT, linewidth=1)
    axes.set_xticks(places, titles)
    axes.set_xlim(-0.5, places[-1] + 0.5)
    axes.set_xlabel("the stack's resolutions, and each of them alone")
    plotting.legend(axes)
    plotting.headline(figure, "Accuracy by resolution", report)
    return figure


RESOLUTIONS = Analysis(
    "Accuracy by resolution",
    "what is right of clean and attacked images that are seen at one resolution alone",
    BudgetConfig,
    ResolutionsResult,
    measure,
    draw,
    tabulate,
)
