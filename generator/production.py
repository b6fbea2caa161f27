"""From a recipe to files: pictures that carry their recipe, and a record of what happened and came out.

The command line and the app both make their pictures here. What a record says about a picture is measured on
the saved 8-bit file, read back from the disk, because that is what anybody else will ever see.
"""

import contextlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from generator.animation import contact_sheet, strip
from generator.apart import rendered
from generator.errors import StudioError
from generator.guidance import Pictures
from generator.image import load_image, save_png, to_pil, to_tensor
from generator.loop import DivergedError, Step
from generator.measuring import measure, predict
from generator.progress import Progress
from generator.protocols import JobContext
from generator.recipe import Recipe
from generator.recipe_checks import may_end_early
from generator.recipe_objective import taken_for
from generator.redrawing import Drawn, Runaway, draw_anew
from generator.synthesis import Model, Synthesis, as_saved, synthesise
from generator.text_files import write_json
from generator.units.measuring import UnitMeasure

__all__ = [
    "INDEX_KEY",
    "PREVIEWED",
    "Outputs",
    "Result",
    "between_looks",
    "output_paths",
    "predict",
    "produce",
    "produce_job",
]

INDEX_KEY = "crossmax-studio-image"
"""Under this key a PNG says which image of its batch it is ("2 of 4"): a recipe makes the whole batch."""
LOOKS = 20
"""How often the best step is looked for on the way."""
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
    record: dict[str, Any]
    stopped: bool


@dataclass
class _Progress:
    """What is collected while the steps go by."""

    images: Tensor
    updates: int = 0
    stopped: bool = False
    enough: bool = False
    losses: dict[str, list[list[float]]] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        self.updates = step.index
        for name, values in step.losses.items():
            self.losses.setdefault(name, []).append(values)


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
    source: Tensor | None = None,
    pictures: Pictures | None = None,
    device: torch.device | str = "cpu",
    on_step: Callable[[Step], None] = lambda _step: None,
    should_stop: Callable[[], bool] = lambda: False,
    on_done: Callable[[Synthesis], None] = lambda _synthesis: None,
    on_anew: Callable[[Step, int], None] = lambda _step, _seed: None,
) -> Result:
    """Make the images of a recipe and save them with their record.

    `source` [1, 3, H, W] is the photo of an attack; a text takes `pictures` of several kinds. `on_step` is called
    after every step (what it raises ends the production, and nothing is saved), `should_stop` before every step
    after the first: what there is by then is kept. `on_done` is handed the finished synthesis once its pictures are
    saved, for those who want its layers; it is not called after a divergence, when the layers no longer are those of
    the picture that is saved.

    Raises StudioError for what does not fit. DivergedError comes after the last good images were saved, if
    there are any that have seen at least one step.
    """
    if len(outputs.images) != recipe.images:
        raise StudioError(f"Name one file for each of {recipe.images} images, not {len(outputs.images)}.")
    started = time.monotonic()
    synthesis = synthesise(recipe, models, source=source, pictures=pictures, device=device)
    progress = _Progress(synthesis.start)
    diverged: DivergedError | None = None
    try:
        _run(synthesis, progress, on_step, should_stop)
    except DivergedError as error:
        if error.images is None or error.updates == 0:
            raise
        diverged, progress.images, progress.updates = error, error.images, error.updates
    runaways: list[Runaway] = []
    if not (diverged or progress.stopped or synthesis.pictures.source is not None):
        drawn = Drawn(synthesis, progress.images, progress.losses)

        def again(single: Recipe) -> Drawn | None:
            return _again(single, models, pictures, device, progress, on_anew, should_stop)

        (synthesis, progress.images, losses), runaways = draw_anew(drawn, recipe, again)
        progress.losses = {name: [list(values) for values in steps] for name, steps in losses.items()}
    made = synthesis.recipe.with_changes(steps=progress.updates)
    images = _save_images(progress.images, made, synthesis.source, outputs)
    if diverged is None:
        on_done(synthesis)
    if outputs.overview is not None:
        _save_overview(images, synthesis.seeds, made, outputs.overview, _metadata(made, outputs))
    record = {
        "recipe": json.loads(made.to_json()),
        "steps_asked": recipe.steps,
        "stopped": progress.stopped,
        "enough": progress.enough,
        "error": None if diverged is None else str(diverged),
        "images": _measure(outputs, made, synthesis),
        "unknown_words": dict(synthesis.unknown),
        "warnings": dict(synthesis.warnings),
        "ran_away": [runaway.to_json() for runaway in runaways],
        "taken_for": taken_for(recipe, synthesis.classifiers),
        "losses": progress.losses,
        "device": str(device),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "seconds": round(time.monotonic() - started, 3),
    }
    _write_json(record, outputs.record)
    if diverged is not None:
        raise diverged
    return Result(made, outputs, record, progress.stopped)


def produce_job(
    context: JobContext,
    recipe: Recipe,
    models: Mapping[str, Model],
    *,
    outputs: Outputs,
    source: Tensor | None = None,
    pictures: Pictures | None = None,
    on_step: Callable[[Step], None] = lambda _step: None,
    on_done: Callable[[Synthesis], None] = lambda _synthesis: None,
) -> Result:
    """`produce` on the device of a job, which hears of every step, is offered previews, and may stop it."""

    def report(step: Step) -> None:
        losses = {name: sum(values) / len(values) for name, values in step.losses.items()}
        context.progress(
            Progress(step.index, step.steps, "Optimising", losses=losses, preview=lambda: _side_by_side(step.image()))
        )
        on_step(step)

    def report_anew(step: Step, seed: int) -> None:
        words = f"It ran away: drawing it anew with seed {seed}"
        context.progress(Progress(step.index, step.steps, words, preview=lambda: _side_by_side(step.image())))

    context.progress(Progress(0, recipe.steps, "Preparing"))
    return produce(
        recipe,
        models,
        outputs=outputs,
        source=source,
        pictures=pictures,
        device=context.device,
        on_step=report,
        should_stop=lambda: context.stop_requested,
        on_done=on_done,
        on_anew=report_anew,
    )


def _again(
    single: Recipe,
    models: Mapping[str, Model],
    pictures: Pictures | None,
    device: torch.device | str,
    progress: _Progress,
    on_anew: Callable[[Step, int], None],
    should_stop: Callable[[], bool],
) -> Drawn | None:
    """Draw one picture in place of one that ran away; None if it was stopped (which `progress` is told) or diverged."""
    synthesis = synthesise(single, models, pictures=pictures, device=device)
    own = _Progress(synthesis.start)
    try:
        _run(synthesis, own, lambda step: on_anew(step, single.seed), should_stop)
    except DivergedError:
        return None
    progress.stopped = own.stopped
    return None if own.stopped else Drawn(synthesis, own.images, own.losses)


def _side_by_side(images: Tensor) -> Image.Image:
    shown = images[:PREVIEWED]
    factor = PREVIEW_SIDE / max(shown.shape[2:])
    if factor < 1:  # scaled down before it is rounded: a large picture has many pixels to round
        size = [max(1, round(factor * side)) for side in shown.shape[2:]]
        shown = functional.interpolate(shown, size=size, mode="bilinear", align_corners=False, antialias=True)
    return to_pil(torch.cat(list(shown), dim=2)[None])[0]


def _run(
    synthesis: Synthesis,
    progress: _Progress,
    on_step: Callable[[Step], None],
    should_stop: Callable[[], bool],
) -> None:
    """Take the steps, until they are done or somebody wants to stop; leave what came out in `progress`."""
    every = between_looks(synthesis.recipe)
    with contextlib.closing(synthesis.steps) as steps:
        for step in steps:
            progress.add(step)
            on_step(step)
            ends = step.index == step.steps or should_stop()
            if synthesis.looks and (ends or step.index % every == 0):
                for best, images in zip(synthesis.looks, step.image().chunk(len(synthesis.looks)), strict=True):
                    best.look(images)
            progress.enough = bool(synthesis.looks) and all(best.has_enough for best in synthesis.looks)
            if ends or progress.enough:
                progress.images = step.image()
                progress.stopped = step.index < step.steps and not progress.enough
                break
    if synthesis.looks:
        for best in synthesis.looks:
            best.settle()
        progress.images = rendered(synthesis.prior)


def between_looks(recipe: Recipe) -> int:
    """Steps from one look at the pictures to the next.

    By the plan, so that a run that was stopped, and is made again with fewer steps, looks at the same moments. A look
    costs a third of a view's pass: an attack that may end early has few steps, and spends no more on it than on those.
    """
    return max(2 if may_end_early(recipe) else 1, (recipe.planned_steps or recipe.steps) // LOOKS)


def _save_images(images: Tensor, recipe: Recipe, source: Tensor | None, outputs: Outputs) -> Tensor:
    """Save the images, and return them as they were saved."""
    images = as_saved(images, recipe, source)
    try:
        for folder in {path.parent for path in (*outputs.images, outputs.record)}:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudioError(f"The folder '{folder}' cannot be made: {error.strerror or error}.") from error
    metadata = _metadata(recipe, outputs)
    for number, (image, path) in enumerate(zip(images, outputs.images, strict=True), start=1):
        position = {INDEX_KEY: f"{number} of {len(images)}"} if metadata and len(images) > 1 else {}
        save_png(image, path, {**metadata, **position})
    return images


def _metadata(recipe: Recipe, outputs: Outputs) -> Mapping[str, str]:
    """What the pictures say of themselves."""
    return recipe.png_metadata() if outputs.with_recipe else {}


def _save_overview(
    images: Tensor, seeds: Sequence[int], recipe: Recipe, path: Path, metadata: Mapping[str, str]
) -> None:
    """Save one picture of all images. Only those that a seed leads back to have it below them."""
    if recipe.prompt_to:
        overview = strip(images)
    else:
        numbered = [f"{number} of {len(images)}" for number in range(1, len(images) + 1)]
        overview = contact_sheet(images, [f"seed {seed}" for seed in seeds] or numbered)
    save_png(overview, path, metadata)


def _measure(outputs: Outputs, recipe: Recipe, synthesis: Synthesis) -> list[dict[str, Any]]:
    """Measure what was saved, one image at a time, each read back from its file."""
    of_unit = UnitMeasure(recipe, synthesis) if recipe.unit else None
    return [
        {
            "file": os.path.relpath(path, outputs.record.parent),
            **({"seed": synthesis.seeds[index]} if synthesis.seeds else {}),
            **measure(synthesis, recipe, index, saved),
            **({} if of_unit is None else {"unit": of_unit(index, saved)}),
        }
        for index, path in enumerate(outputs.images)
        for saved in (to_tensor(load_image(path)),)
    ]


def _write_json(record: Mapping[str, Any], path: Path) -> None:
    """Write the record so that the file appears whole or not at all."""
    write_json(path, record, "record")
