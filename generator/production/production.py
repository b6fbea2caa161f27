"""From a recipe to files: pictures that carry their recipe, and a record of what happened and came out.

The command line and the app both make their pictures here. What a record says about a picture is measured on
the saved 8-bit file, read back from the disk, because that is what anybody else will ever see.
"""

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from foundation.errors import StudioError
from foundation.files.text_files import write_json
from foundation.images.animation import contact_sheet, strip
from foundation.images.files import load_image, save_png, to_pil, to_tensor
from foundation.progress import Progress
from foundation.protocols import JobContext
from foundation.work_time import worked
from generator.optimisers.loop import Step
from generator.production.making import Made, between_looks, make
from generator.production.measuring import measure, predict
from generator.production.unit_answers import UnitMeasure
from generator.recipes.pictures import NO_PICTURES, Pictures
from generator.recipes.recipe import Recipe
from generator.records.pictures import PictureFacts, PictureRecord
from generator.synthesis.models import Model
from generator.synthesis.synthesis import Synthesis

__all__ = [
    "INDEX_KEY",
    "PREVIEWED",
    "Outputs",
    "Result",
    "between_looks",
    "output_paths",
    "predict",
    "preview_of",
    "produce",
    "produce_job",
    "save_images",
]

INDEX_KEY = "crossmax-studio-image"
"""Under this key a PNG says which image of its batch it is ("2 of 4"): a recipe makes the whole batch."""
PREVIEWED = 4
"""Images of a batch that a preview shows side by side."""
PREVIEW_SIDE = 1024
"""The longer side that each of them has at most, in pixels."""


@dataclass(frozen=True)
class Outputs:
    """Where the files of one production go. All names are in one folder.

    Attributes:
        images: one name for each.
        record: of the JSON file.
        overview: of one picture of all images, which is made only if there is a name for it: a strip from one
            prompt to another, or a sheet of several seeds.
        with_recipe: whether the pictures carry their recipe; the record always has it.
    """

    images: tuple[Path, ...]
    record: Path
    overview: Path | None = None
    with_recipe: bool = True


@dataclass(frozen=True)
class Result:
    """What was made.

    Attributes:
        recipe: that makes exactly these images again; its steps are those that were taken.
        outputs: the files.
        record: what the JSON file says.
        stopped: whether it ended before all steps were taken.
    """

    recipe: Recipe
    outputs: Outputs
    record: PictureRecord
    stopped: bool


def output_paths(out: Path, count: int) -> Outputs:
    """Name the files for `count` images: x.png gives x.png, or x-1.png, x-2.png..., and x.json.

    A name without .png is taken as a folder, with image.png and so on in it.
    """
    if out.suffix.lower() != ".png":
        if out.suffix and not out.is_dir():
            raise StudioError(
                f"Pictures are saved as PNG: give a name that ends in .png, not '{out.name}', or a folder."
            )
        out = out / "image.png"
    if count == 1:
        return Outputs((out,), out.with_suffix(".json"))
    numbered = tuple(out.with_name(f"{out.stem}-{i}{out.suffix}") for i in range(1, count + 1))
    return Outputs(numbered, out.with_suffix(".json"))


def produce(
    recipe: Recipe,
    models: Mapping[str, Model],
    *,
    outputs: Outputs,
    pictures: Pictures = NO_PICTURES,
    device: torch.device | str = "cpu",
    on_step: Callable[[Step], None] = lambda _step: None,
    should_stop: Callable[[], bool] = lambda: False,
    on_done: Callable[[Synthesis], None] = lambda _synthesis: None,
    on_anew: Callable[[Step, int], None] = lambda _step, _seed: None,
) -> Result:
    """Make the images of a recipe and save them with their record.

    An attack takes its photo among the `pictures`, a text several kinds of them. `on_step` is called after every step
    (what it raises ends the production, and nothing is saved), `should_stop` again and again after the first: what
    there is by then is kept, without the step that was being taken. `on_done` is handed the finished synthesis once its
    pictures are saved, for those who want its layers; it is not called where the layers no longer are those of the
    pictures that are saved: after a divergence, and of several pictures, made by themselves, in the middle of a step.

    Raises StudioError for what does not fit. DivergedError comes after the last good images were saved, if
    there are any that have seen at least one step.
    """
    if len(outputs.images) != recipe.images:
        raise StudioError(f"Name one file for each of {recipe.images} images, not {len(outputs.images)}.")
    started = worked()
    made = make(
        recipe,
        models,
        pictures=pictures,
        device=device,
        on_step=on_step,
        should_stop=should_stop,
        on_anew=on_anew,
    )
    save_images(made, outputs)
    if made.held:
        on_done(made.synthesis)
    if outputs.overview is not None:
        _save_overview(made, outputs.overview, _metadata(made.recipe, outputs))
    plan = made.synthesis.plan
    record = PictureRecord(
        recipe=made.recipe,
        steps_asked=recipe.steps,
        stopped=made.stopped,
        enough=made.enough,
        error=None if made.diverged is None else str(made.diverged),
        images=_measure(outputs, made.synthesis),
        unknown_words=dict(plan.unknown),
        warnings=dict(plan.warnings),
        ran_away=tuple(runaway.record() for runaway in made.runaways),
        taken_for={model: dict(names) for model, names in plan.named.taken_for.items()},
        losses=made.losses,
        device=str(device),
        versions={"python": platform.python_version(), "torch": torch.__version__},
        seconds=round(worked() - started, 3),
    )
    write_json(outputs.record, record.to_json(), "record")
    if made.diverged is not None:
        raise made.diverged
    return Result(made.recipe, outputs, record, made.stopped)


def produce_job(
    context: JobContext,
    recipe: Recipe,
    models: Mapping[str, Model],
    *,
    outputs: Outputs,
    pictures: Pictures = NO_PICTURES,
    on_step: Callable[[Step], None] = lambda _step: None,
    on_done: Callable[[Synthesis], None] = lambda _synthesis: None,
) -> Result:
    """`produce` on the device of a job, which hears of every step, is offered previews, and may stop it."""

    def report(step: Step) -> None:
        losses = {name: sum(values) / len(values) for name, values in step.losses.items()}
        context.progress(
            Progress(step.index, step.steps, "Optimising", losses=losses, preview=lambda: preview_of(step.shown()))
        )
        on_step(step)

    def report_anew(step: Step, seed: int) -> None:
        words = f"It ran away: drawing it anew with seed {seed}"
        context.progress(Progress(step.index, step.steps, words, preview=lambda: preview_of(step.shown())))

    context.progress(Progress(0, recipe.steps, "Preparing"))
    return produce(
        recipe,
        models,
        outputs=outputs,
        pictures=pictures,
        device=context.device,
        on_step=report,
        should_stop=lambda: context.stop_requested,
        on_done=on_done,
        on_anew=report_anew,
    )


def preview_of(images: Tensor) -> Image.Image:
    """The first of the images [B, 3, H, W] side by side, no larger than a preview is shown."""
    shown = images[:PREVIEWED]
    factor = PREVIEW_SIDE / max(shown.shape[2:])
    if factor < 1:  # scaled down before it is rounded: a large picture has many pixels to round
        size = [max(1, round(factor * side)) for side in shown.shape[2:]]
        shown = functional.interpolate(shown, size=size, mode="bilinear", align_corners=False, antialias=True)
    return to_pil(torch.cat(list(shown), dim=2)[None])[0]


def save_images(made: Made, outputs: Outputs) -> None:
    """Save the images alone, which carry their recipe unless that is left out. StudioError if they cannot be."""
    try:
        for folder in {path.parent for path in (*outputs.images, outputs.record)}:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudioError(f"The folder '{folder}' cannot be made: {error.strerror or error}.") from error
    metadata = _metadata(made.recipe, outputs)
    for number, (image, path) in enumerate(zip(made.images, outputs.images, strict=True), start=1):
        position = {INDEX_KEY: f"{number} of {len(made.images)}"} if metadata and len(made.images) > 1 else {}
        save_png(image, path, {**metadata, **position})


def _metadata(recipe: Recipe, outputs: Outputs) -> Mapping[str, str]:
    """What the pictures say of themselves."""
    return recipe.png_metadata() if outputs.with_recipe else {}


def _save_overview(made: Made, path: Path, metadata: Mapping[str, str]) -> None:
    """Save one picture of all images. Only those that a seed leads back to have it below them."""
    images, seeds = made.images, made.synthesis.seeds
    if made.recipe.prompt_to:
        overview = strip(images)
    else:
        numbered = [f"{number} of {len(images)}" for number in range(1, len(images) + 1)]
        overview = contact_sheet(images, [f"seed {seed}" for seed in seeds] or numbered)
    save_png(overview, path, metadata)


def _measure(outputs: Outputs, synthesis: Synthesis) -> tuple[PictureFacts, ...]:
    """Measure what was saved, one image at a time, each read back from its file."""
    of_unit = UnitMeasure(synthesis) if synthesis.plan.unit is not None else None
    found = []
    for index, path in enumerate(outputs.images):
        saved = to_tensor(load_image(path))
        file = os.path.relpath(path, outputs.record.parent)
        unit = None if of_unit is None else of_unit(index, saved)
        found.append(measure(synthesis, index, saved, file=file, unit=unit))
    return tuple(found)
