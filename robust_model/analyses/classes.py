"""What a model believes its classes look like: all of them on one sheet, as the generator draws them.

The figure of arXiv 2408.05446, section 5 (class images by gradient ascent), drawn with the generator's presets.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated

import torch
from PIL import Image
from pydantic import Field, JsonValue

from foundation.command_line.flags import AsFlag
from foundation.images.files import quantise, to_pil
from foundation.protocols import Classifier
from generator.recipes.presets import DEFAULT_PRESET, from_preset, presets_of
from generator.synthesis.synthesis import synthesise
from robust_model.analyses import plotting
from robust_model.analyses.base import (
    Analysis,
    AnalysisConfig,
    AnalysisReport,
    Material,
    Measured,
    Monitor,
    Stopped,
    Table,
)
from robust_model.evaluation.record.values import Positive, Reported, Share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 10
NOTES = (
    "Pictures start from noise and follow the gradients of this model alone; nothing was copied and no generator was "
    "trained. The same seed draws them again.",
    "Below each name: the probability that the model gives its class on these pictures, saved with 8 bits (one pass, "
    "the mean over the pictures).",
)


class ClassesConfig(AnalysisConfig):
    """The class images of `model` by the generator's `preset`, `images` of each class (seeds `seed`, `seed` + 1, ...).

    `steps` 0: the preset's.
    """

    preset: Annotated[str, AsFlag(choices=lambda: tuple(presets_of("class")))] = Field(
        DEFAULT_PRESET["class"], description="of the generator"
    )
    images: int = Field(2, ge=1, le=16, description="pictures of each class")
    steps: int = Field(0, ge=0, le=100_000, description="steps of a picture (0: the preset's)")


class DrawnClass(Reported):
    """The pictures of one class."""

    title: str = Field(alias="class", description="The class.")
    probability: Share = Field(description="What the model gives it on these pictures, saved with 8 bits: the mean.")
    pictures: tuple[str, ...] = Field(description="Their files.")


class ClassesResult(Reported):
    """What the model believes its classes look like."""

    classes: Positive = Field(description="How many classes there are.")
    drawn: tuple[DrawnClass, ...] = Field(description="Those that were drawn.")
    recipe: dict[str, JsonValue] = Field(description="The generator's recipe, but for the class.")


Report = AnalysisReport[ClassesConfig, ClassesResult]


def measure(config: ClassesConfig, material: Material, monitor: Monitor) -> Measured[ClassesResult]:
    """Draw every class; a stop keeps those that are finished."""
    (name, model), *_ = material.models
    assert isinstance(model, Classifier)  # every network of ours is: what is loaded is a torch module
    recipe_of = partial(from_preset, "class", config.preset, models=(name,), images=config.images, seed=config.seed)
    if config.steps:
        recipe_of = partial(recipe_of, steps=config.steps)
    recipes = [recipe_of(classes=(title,)) for title in model.class_names]
    monitor.begin(sum(recipe.steps for recipe in recipes))
    drawn: list[DrawnClass] = []
    pictures: dict[str, Image.Image] = {}
    try:
        for number, (title, recipe) in enumerate(zip(model.class_names, recipes, strict=True)):
            synthesis = synthesise(recipe, {name: model}, device=material.device)
            for _ in synthesis.steps:
                monitor.at(monitor.done + 1, f"Drawing '{title}', class {number + 1} of {len(recipes)}")
            with torch.no_grad():
                images = quantise(synthesis.prior.render())
                probability = model(images).softmax(1)[:, number].mean()
            files = [f"class-{number:03d}-{i + 1}.png" for i in range(len(images))]
            pictures |= zip(files, to_pil(images), strict=True)
            drawn.append(
                DrawnClass.model_validate({"class": title, "probability": float(probability), "pictures": files})
            )
    except Stopped:
        if not drawn:
            raise
        monitor.complete = False
    result = ClassesResult(
        classes=len(recipes),
        drawn=tuple(drawn),
        recipe=recipes[0].model_dump(mode="json", exclude={"classes"}),
    )
    return Measured(result, NOTES, pictures)


def tabulate(report: Report) -> Table:
    """A row per class."""
    rows = ((c.title, plotting.percent(c.probability), ", ".join(c.pictures)) for c in report.result.drawn)
    return Table(("class", "probability", "pictures"), tuple(rows))


def draw(report: Report, pictures: Mapping[str, Image.Image]) -> "Figure":
    """The sheet: the classes in the model's order, the pictures of one below each other."""
    drawn = report.result.drawn
    columns = min(COLUMNS, len(drawn))
    each = len(drawn[0].pictures)
    rows = -(-len(drawn) // columns)
    height = each + 0.5  # of one row: its pictures, and the name above them
    sheet = plotting.Sheet(columns, rows * height, unit=1.1)
    for number, entry in enumerate(drawn):
        x, y = number % columns, number // columns * height
        sheet.text(x + 0.48, y + 0.24, entry.title, size=8.5, anchor="center")
        sheet.text(x + 0.48, y + 0.4, f"{entry.probability:.0%}", size=7, anchor="center", colour=plotting.GREY)
        for i, picture in enumerate(entry.pictures):
            sheet.picture(pictures[picture], x, y + 0.48 + i, 0.96)
    return sheet.finish("What the model believes its classes look like", report)


CLASSES = Analysis(
    "Class images",
    "what the model believes its classes look like: all of them on one sheet",
    ClassesConfig,
    ClassesResult,
    measure,
    draw,
    tabulate,
)
