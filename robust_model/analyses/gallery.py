"""Successful attacks, each with the verdict of every read-out: clean, adversarial, and the perturbation magnified."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from foundation.images.files import quantise_within, to_pil
from robust_model.analyses import plotting
from robust_model.analyses.base import (
    Analysis,
    AnalysisReport,
    BudgetConfig,
    Material,
    Measured,
    Monitor,
    Stopped,
    Table,
)
from robust_model.analyses.bench import ANSWER, ReadOut, Workbench, combinations, predictors
from robust_model.analyses.under_attack import pgd
from robust_model.attacks import AttackOutcome, Defence, PgdConfig
from robust_model.evaluation.record.values import Count, Reported

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("clean", "adversarial", "perturbation")
LINE, NAMES, SIDE = 0.155, 1.15, 1.04
"""Of a card, in the side of a picture: the height of a line, the width of the names, and of a picture with its gap."""
NOTES = (
    "Shown are the first images, in the data's order, that the model gets right clean and wrong under attack: they are "
    "examples of success, not a rate of it. What is judged is the 8-bit picture that is shown, within the budget; an "
    "attack that rounding undoes is no success.",
    "The perturbation is magnified so that the whole budget fills the range from black to white, with grey for none.",
)


class GalleryConfig(BudgetConfig):
    """At most `examples` successful attacks among `count` images: PGD through the mean, then on against the answer."""

    examples: int = Field(8, ge=1, le=1000, description="successful attacks to show")
    restarts: int = Field(1, ge=1, le=1000, description="of each attack")


class Example(Reported):
    """An attack that succeeded."""

    index: Count = Field(description="The image's place in the split.")
    label: Count = Field(description="The true class.")
    clean: tuple[Count, ...] = Field(description="By read-out, and last the model: the class named when clean.")
    adversarial: tuple[Count, ...] = Field(description="The same of the picture after the attack.")
    linf_levels: Count = Field(description="The largest change, in grey levels of 255.")
    l2: Annotated[float, Field(ge=0)] = Field(description="The L2 norm of the change, in [0, 1] pixel units.")
    pictures: dict[str, str] = Field(description="Their files by kind.")


class GalleryResult(Reported):
    """Attacks that succeeded, in the order of the images."""

    readouts: tuple[str, ...] = Field(description="The predictors by depth, then what combines them.")
    class_names: tuple[str, ...] = Field(description="The classes, which the answers count.")
    images_tried: Count = Field(description="How many images were attacked.")
    examples: tuple[Example, ...] = Field(description="The examples.")


Report = AnalysisReport[GalleryConfig, GalleryResult]


@dataclass(frozen=True)
class Fallen:
    """A success within a batch: its row there, the answers before and after, the change, and the pictures by kind."""

    row: int
    label: int
    clean: tuple[int, ...]
    adversarial: tuple[int, ...]
    linf_levels: int
    l2: float
    shown: dict[str, Image.Image]


def measure(config: GalleryConfig, material: Material, monitor: Monitor) -> Measured[GalleryResult]:
    """Attack batch after batch until there are enough examples; a stop keeps those that there are."""
    (_, defence), *_ = material.models
    bench = Workbench(defence, config, material, monitor)
    read_outs = (*predictors(defence), *combinations(defence, config.crossmax))
    attacks = _attacks(config, defence)
    monitor.begin(len(material.images) * sum(attack.units for attack in attacks))
    examples: list[Example] = []
    pictures: dict[str, Image.Image] = {}
    tried = 0
    try:
        for images, labels in material.images.batches(config.batch):
            place = f"images {tried + 1} to {tried + len(labels)} of {len(material.images)}"
            on_device = images.to(material.device), labels.to(material.device)
            for one in successes(bench, *on_device, place, attacks, read_outs, config.eps):
                if len(examples) < config.examples:
                    index = int(material.indices[tried + one.row])
                    files = {kind: f"{index:05d}-{kind}.png" for kind in one.shown}
                    pictures |= {files[kind]: picture for kind, picture in one.shown.items()}
                    examples.append(_example(index, one, files))
            tried += len(labels)
            monitor.images = tried
            monitor.at(tried * sum(attack.units for attack in attacks), f"{len(examples)} examples found")
            if len(examples) == config.examples:
                break
    except Stopped:
        if not examples:
            raise
        monitor.complete = len(examples) == config.examples
    result = GalleryResult(
        readouts=tuple(r.title for r in read_outs),
        class_names=defence.class_names,
        images_tried=tried,
        examples=tuple(examples),
    )
    return Measured(result, NOTES, pictures)


def _example(index: int, one: Fallen, files: dict[str, str]) -> Example:
    return Example(
        index=index,
        label=one.label,
        clean=one.clean,
        adversarial=one.adversarial,
        linf_levels=one.linf_levels,
        l2=one.l2,
        pictures=files,
    )


def _attacks(config: GalleryConfig, defence: Defence) -> tuple[PgdConfig, ...]:
    """Through the mean and on from there against the answer; a lone predictor has no mean."""
    if len(defence.readout_names) == 1:
        return (pgd(config, defence, ANSWER.source, restarts=config.restarts),)
    return (
        pgd(config, defence, "mean", restarts=config.restarts),
        pgd(config, defence, ANSWER.source, restarts=config.restarts, continues=True),
    )


def successes(
    bench: Workbench,
    images: Tensor,
    labels: Tensor,
    place: str,
    attacks: Sequence[PgdConfig],
    read_outs: Sequence[ReadOut],
    eps: float,
) -> Iterator[Fallen]:
    """The images [B, 3, H, W] that are right clean and wrong, as 8-bit pictures, after the attacks."""
    asked = (*read_outs, ANSWER)
    clean = bench.answers(images, asked, place)
    rows = torch.nonzero(clean[:, -1] == labels).squeeze(1)
    if not len(rows):
        return
    adversarial = _adversarial(bench, images[rows], labels[rows], attacks, place)
    adversarial = quantise_within(adversarial, images[rows], eps)
    answers = bench.answers(adversarial, asked, f"adversarial {place}")
    for which in torch.nonzero(answers[:, -1] != labels[rows]).squeeze(1).tolist():
        row = int(rows[which])
        before, after = images[row], adversarial[which]
        change = after - before
        magnified = (0.5 + change / (2 * max(eps, 1 / 255))).clamp(0, 1)
        shown = dict(zip(KINDS, (before, after, magnified), strict=True))
        yield Fallen(
            row,
            int(labels[row]),
            tuple(clean[row].tolist()),
            tuple(answers[which].tolist()),
            round(255 * float(change.abs().max())),
            float(change.norm()),
            {kind: to_pil(image[None])[0] for kind, image in shown.items()},
        )


def _adversarial(bench: Workbench, images: Tensor, labels: Tensor, attacks: Sequence[PgdConfig], place: str) -> Tensor:
    """What the attacks, each on those that stand after the one before, make of the images; clean where none breaks."""
    found = images.clone()
    standing = torch.arange(len(images), device=images.device)
    before: AttackOutcome | None = None
    for attack in attacks:
        if not len(standing):
            break
        outcome = bench.attack(images[standing], labels[standing], attack, place, before=before)
        found[standing] = outcome.images
        left = outcome.standing()
        standing = standing[left]
        before = AttackOutcome.untouched(images[standing])
        before.last = [last[left] for last in outcome.last]
    return found


def tabulate(report: Report) -> Table:
    """A row per example: what every read-out takes the adversarial picture for."""
    result = report.result
    classes, names = result.class_names, result.readouts
    rows = (
        (
            f"{e.index} ({classes[e.label]})",
            f"{e.linf_levels}/255",
            *(classes[c] for c in e.adversarial),
        )
        for e in result.examples
    )
    return Table(("image", "L-inf", *names, "the model"), tuple(rows))


def draw(report: Report, pictures: Mapping[str, Image.Image]) -> "Figure":
    """A card per example, two in a row."""
    result = report.result
    examples = result.examples
    width, height = NAMES + 3 * SIDE + 0.3, 1.62 + LINE * (len(result.readouts) + 1)
    columns = min(2, max(1, len(examples)))
    sheet = plotting.Sheet(columns * width, max(1, -(-len(examples) // columns)) * height, unit=1.15)
    for number, example in enumerate(examples):
        _card(sheet, number % columns * width, number // columns * height, example, result, pictures)
    if not examples:
        sheet.text(0, 0.3, f"No attack succeeded on {result.images_tried} images.", size=10)
    return sheet.finish("Successful attacks, and what each read-out sees", report)


def _card(
    sheet: plotting.Sheet,
    x: float,
    y: float,
    example: Example,
    result: GalleryResult,
    pictures: Mapping[str, Image.Image],
) -> None:
    classes = result.class_names
    title = f"{classes[example.label]} {chr(8594)} {classes[example.adversarial[-1]]}"
    sheet.text(x, y + 0.14, title, size=9.5, weight="bold")
    about = (f"image {example.index}", f"L-inf {example.linf_levels}/255", f"L2 {example.l2:.2f}")
    for number, line in enumerate(about):
        sheet.text(x, y + 0.4 + LINE * number, line, size=7.5, colour=plotting.GREY)
    columns = [x + NAMES + SIDE * column for column in range(len(KINDS))]
    for column, kind in zip(columns, KINDS, strict=True):
        sheet.picture(pictures[example.pictures[kind]], column, y + 0.24, 1.0)
        sheet.text(column, y + 1.36, kind, size=7.5, colour=plotting.GREY)
    lines = [*zip(result.readouts, example.clean, example.adversarial, strict=False)]
    lines.append(("the model", example.clean[-1], example.adversarial[-1]))
    for number, (name, *named) in enumerate(lines):
        below = y + 1.54 + LINE * number
        heavy: Literal["bold", "normal"] = "bold" if number == len(lines) - 1 else "normal"
        sheet.text(x, below, name, size=7.5, weight=heavy)
        for column, answer in zip(columns, named, strict=False):  # below the picture that it is about
            right = answer == example.label
            mark, colour = (chr(10003), plotting.BLUE) if right else (chr(10007), plotting.VERMILION)
            sheet.text(column, below, f"{mark} {classes[answer]}", size=7.5, weight=heavy, colour=colour)


GALLERY = Analysis(
    "Gallery of successful attacks",
    "clean, adversarial and perturbation of images that fell, with every read-out's verdict",
    GalleryConfig,
    GalleryResult,
    measure,
    draw,
    tabulate,
)
