"""Pictures of classes and of texts, by the recipes of the command line: the same recipe, the same file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from crossmax_studio.models import (
    Context,
    Network,
    OnProgress,
    ShouldStop,
    catalogue,
    classifier,
    load_named,
    never,
)
from foundation.devices import choose_device
from foundation.images.files import to_pil
from foundation.progress import Progress, silent
from generator.optimisers.loop import Step
from generator.production.making import Made, make
from generator.production.production import output_paths, save_images
from generator.recipes.common import TASK_DEFAULTS
from generator.recipes.presets import preset_fields, rule_fields
from generator.recipes.recipe import Recipe
from generator.synthesis.drawers import usual_models
from generator.synthesis.models import Model

PROBED_SIDE = 64
"""Of the images by which it is found out what a network that takes any size answers, before it draws."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture, or several of the seeds from that of the recipe on: [B, 3, H, W] in [0, 1], multiples of 1/255."""

    made: Made

    @property
    def images(self) -> Tensor:
        """[B, 3, H, W] in [0, 1], on the device where they were made."""
        return self.made.images

    @property
    def recipe(self) -> Recipe:
        """That makes the same again."""
        return self.made.recipe

    @property
    def stopped(self) -> bool:
        """Whether it was stopped before its last step."""
        return self.made.stopped

    def pil(self) -> Image.Image:
        """The first one as an image of Pillow."""
        return to_pil(self.images[:1])[0]

    def save(self, path: str | Path) -> None:
        """Save x.png, or x-1.png, x-2.png and so on; they carry their recipe. StudioError if that fails."""
        save_images(self.made, output_paths(Path(path), len(self.images)))


def class_image(
    model: Network,
    name: str,
    *,
    preset: str = "balanced",
    seed: int = 0,
    image_size: int | None = None,
    device: str = "auto",
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
    **fields: Any,
) -> Picture:
    """What a classifier believes that a class looks like, as `crossmax-generator class` draws it.

    Args:
        model: as for `attack`.
        name: of the class, a synonym, or its number as a text.
        preset: "quick", "balanced" or "best".
        seed: of all random numbers.
        image_size: the side of the images that a network of your own takes; None for one that takes any size.
        device: where a model that is named is loaded.
        on_progress: hears a `Progress` after every step.
        should_stop: is asked after every step; what there is by then is returned.
        fields: others of the recipe, by their names: size=(128, 128), steps=40, images=4...

    Raises StudioError for what does not fit.
    """
    context = Context(device, on_progress, should_stop)
    side = PROBED_SIDE if image_size is None else image_size
    with classifier(model, (side, side), context, of_one_size=image_size is not None) as loaded:
        known = {"models": (loaded.name,), "revisions": (loaded.revision,) if loaded.revision else ()}
        given = {**known, "classes": (str(name),), "seed": seed, **fields}
        return _drawn("class", preset, given, {loaded.name: loaded.model}, loaded.device, context)


def text_image(
    prompt: str,
    *,
    model: str | Sequence[str] | None = None,
    preset: str = "balanced",
    seed: int = 0,
    device: str = "auto",
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
    **fields: Any,
) -> Picture:
    """A picture of a prompt, as `crossmax-generator text` draws it.

    Args:
        prompt: for example "a frog", or with weights "a frog:1.2 | oil painting:0.5".
        model: the name of a CLIP model, which may be downloaded first; or several names, of classifiers too, which lead
            along to what the prompt names. None for those that draw best of what is here: `tiny-clip`,
            `crossmax-imagenet64` and `lite0`.
        preset: "fast", "balanced", "best" or "das".

    The others are as for `class_image`. Raises StudioError for what does not fit.
    """
    context = Context(device, on_progress, should_stop)
    place = choose_device(device)
    if model is None:
        usual = usual_models("text", preset, fields.get("classes", ()), catalogue().list())
        names = usual.get("models", TASK_DEFAULTS["text"]["models"])
    else:
        names = (model,) if isinstance(model, str) else tuple(model)
    loaded = {name: load_named(name, place, context, "encoder") for name in names}
    revisions = tuple(revision for _, revision in loaded.values())
    known = {"models": names, "revisions": revisions if all(revisions) else ()}
    given = {**known, "prompt": prompt, "seed": seed, **fields}
    return _drawn("text", preset, given, {name: found for name, (found, _) in loaded.items()}, place, context)


def _drawn(
    task: str, preset: str, given: Mapping[str, object], models: Mapping[str, Model], device: str, context: Context
) -> Picture:
    rule = rule_fields(str(given.get("optimiser", "sgd")))
    recipe = Recipe.model_validate({**preset_fields(task, preset), **rule, **given})

    def report(step: Step) -> None:
        context.progress(Progress(step.index, step.steps, "Optimising"))

    made = make(recipe, models, device=device, on_step=report, should_stop=context.should_stop)
    if made.diverged is not None:
        raise made.diverged
    return Picture(made)
