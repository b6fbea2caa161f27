"""From a recipe to a running optimisation: prior, bound, objective, views and optimiser, all from one value.

Random numbers come in separate streams, each derived from the recipe's seed: one for the start of every
image, one for the views, one for each classifier that draws noise of its own, and one for each encoder that sees a
target picture under views. Image i of a batch has the streams of seed + i and is made by itself, so that it is the
single image of that seed, bit for bit. Four kinds of batches are made together instead, with views that are drawn
for all at once, and then only the starts are those of single images: of recipes before version 4, of the way between
two prompts, where the recipe says `together`, and on a GPU, where many small passes take far longer than a large one.
"""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from foundation.images.pixels import quantise, quantise_rows, quantise_within
from foundation.protocols import AcceleratedClassifier, Classifier, Encoder
from foundation.seeds import stream
from generator.optimisers.best_step import BestStep, judged, odds_against
from generator.optimisers.loop import Step, optimise
from generator.optimisers.registry import make_optimiser
from generator.priors.prior import Prior
from generator.priors.small_copy import SmallCopy, canvas_of
from generator.recipes.checks import may_end_early
from generator.recipes.common import MAX_CANVAS
from generator.recipes.completion import AUTO_RESOLUTIONS, auto_resolutions, fill_in, with_source
from generator.recipes.perturbations import ACCELERATED, START_RESOLUTION, bound_of, bound_on, prior_of
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.apart import PriorsApart, in_turn, rendered
from generator.synthesis.guidance import reading_warnings, unknown_words
from generator.synthesis.objective import (
    Model,
    class_index,
    objective_of,
    sorted_models,
    wanted_classes,
    with_own_names,
)
from generator.views.registry import Compose, parse_views
from generator.views.windows import RandomWindow, Roll

__all__ = [
    "AUTO_RESOLUTIONS",
    "MAX_CANVAS",
    "START_RESOLUTION",
    "Model",
    "Pictures",
    "SeededClassifier",
    "Synthesis",
    "as_saved",
    "auto_resolutions",
    "bound_of",
    "class_index",
    "fill_in",
    "stream",
    "synthesise",
    "views_of",
]

OWN_SEEDS = 4
"""The version of recipes from which on the images of a batch are those of their own seeds."""


@runtime_checkable
class SeededClassifier(Classifier, Protocol):
    """A classifier that draws random numbers and can be had with a stream of its own."""

    def with_seed(self, seed: int) -> Classifier:
        """Return this classifier, sharing its weights, with a fresh random generator of the given seed."""
        ...


@dataclass(frozen=True)
class Synthesis:
    """A synthesis under way.

    Attributes:
        recipe: with everything filled in that depends on its pictures (size, resolutions, their digests), and the
            models' own names for classes that were given by synonyms.
        classifiers: by name, as they are used here: with their own random streams.
        encoders: by name.
        pictures: that the recipe refers to, on the device.
        unknown: for each encoder, the words of the prompts that it never saw in training; those without are left out.
        warnings: for each encoder, sentences on prompts that it does not read to their end.
        seeds: by which each image can be had alone; () if they are made together.
        start: the images [B, 3, H, W] before the first step.
        copy: the small copy of a large photo that the steps change in its place, if there is one: then `start`, the
            images of the steps and of the prior are on its canvas, and `saved` makes of them those of the photo.
        prior: holds the images at every moment.
        looks: of a recipe that keeps its best step: they remember it, one for each image that is made by itself.
        steps: takes the steps; exhausted after `recipe.steps` of them.
    """

    recipe: Recipe
    classifiers: Mapping[str, Classifier]
    encoders: Mapping[str, Encoder]
    pictures: Pictures
    unknown: Mapping[str, tuple[str, ...]]
    warnings: Mapping[str, tuple[str, ...]]
    start: Tensor
    prior: Prior
    steps: Generator[Step, None, None]
    seeds: tuple[int, ...] = ()
    looks: tuple[BestStep, ...] = ()
    copy: SmallCopy | None = None

    def saved(self, images: Tensor) -> Tensor:
        """The pictures [B, 3, H, W] that images of the steps stand for, as they come back from an 8-bit file."""
        if self.copy is None:
            return as_saved(images, self.recipe, self.source)
        if self.recipe.norm == "l2":  # one length for all pixels
            return as_saved(self.copy.enlarged(images), self.recipe, self.source)
        eps = self.recipe.eps if self.recipe.norm == "linf" else None
        return quantise_rows(self.copy.parts(images), self.copy.photo, eps)

    @property
    def source(self) -> Tensor | None:
        """The photo [1 or B, 3, H, W] that the images start from, if there is one."""
        return self.pictures.source


def synthesise(
    recipe: Recipe,
    models: Mapping[str, Model],
    *,
    source: Tensor | None = None,
    pictures: Pictures | None = None,
    device: torch.device | str = "cpu",
) -> Synthesis:
    """Set up what a recipe describes; nothing is optimised before the first step is asked for.

    `models` holds at least the recipe's models by name, on `device`. The source of an attack is
    [1, 3, H, W] or [B, 3, H, W] in [0, 1]; the canvas is its size, whatever that is, and gradients flow
    through each model's own resizing. It may come among the `pictures` as well, with all others that a picture
    of a text refers to. StudioError for anything in the recipe that does not fit.
    """
    pictures = with_source(pictures or Pictures(), source)
    recipe = fill_in(recipe, others=pictures)
    classifiers, encoders = sorted_models(recipe, models)
    recipe = with_own_names(recipe, classifiers)
    seeded = {name: _seeded(classifier, name, recipe.seed) for name, classifier in classifiers.items()}
    unknown, warnings = unknown_words(recipe, encoders), reading_warnings(recipe, encoders)
    pictures = _placed(pictures, device)
    if recipe.target_views:
        parse_views(recipe.target_views)  # before anything is computed
    if recipe.task == "attack" and recipe.version >= ACCELERATED:
        classifiers = {name: _accelerated(classifier) for name, classifier in classifiers.items()}
    copy = _small_copy(recipe, [*classifiers.values(), *encoders.values()], pictures.source)
    if recipe.images > 1 and are_apart(recipe, device):
        singles = [recipe.with_changes(seed=recipe.seed + i, images=1) for i in range(recipe.images)]
        runs = [
            _run(
                own,
                classifiers,
                encoders,
                _of_one(pictures, index),
                None if copy is None else copy.of_one(index),
                device,
            )
            for index, own in enumerate(singles)
        ]
        together = PriorsApart([run.prior for run in runs], bound_on(recipe, pictures, copy))
        prior: Prior = together
        steps = in_turn([run.steps for run in runs], together, recipe.steps, copy)
        looks = tuple(best for run in runs for best in run.looks)
        seeds = tuple(own.seed for own in singles)
    else:
        prior, steps, looks = _run(recipe, classifiers, encoders, pictures, copy, device)
        seeds = (recipe.seed,) if recipe.images == 1 else ()
    return Synthesis(
        recipe,
        seeded,
        encoders,
        pictures,
        unknown,
        warnings,
        start=rendered(prior),
        prior=prior,
        steps=steps,
        seeds=seeds,
        looks=looks,
        copy=copy,
    )


def _small_copy(recipe: Recipe, models: Sequence[Model], source: Tensor | None) -> SmallCopy | None:
    """The copy of the source [1 or B, 3, H, W] that is worked on in its place, if there is to be one."""
    canvas = canvas_of(recipe.detail, recipe.size, models)
    return None if canvas is None or source is None else SmallCopy.of(source, canvas)


def _accelerated(classifier: Classifier) -> Classifier:
    return classifier.accelerated() if isinstance(classifier, AcceleratedClassifier) else classifier


def are_apart(recipe: Recipe, device: torch.device | str) -> bool:
    """Whether each image of a batch is made by itself, and so is the single image of its own seed."""
    if recipe.version < OWN_SEEDS or recipe.prompt_to or recipe.together:
        return False
    return torch.device(device).type == "cpu" or recipe.redraw > 0  # a single one of them may be drawn anew


class _Run(NamedTuple):
    prior: Prior
    steps: Generator[Step, None, None]
    looks: tuple[BestStep, ...] = ()


def _run(
    recipe: Recipe,
    classifiers: Mapping[str, Classifier],
    encoders: Mapping[str, Encoder],
    pictures: Pictures,
    copy: SmallCopy | None,
    device: torch.device | str,
) -> _Run:
    """Set up the images of a completed recipe, which are made together, with the random numbers of its seed."""
    seeded = {name: _seeded(classifier, name, recipe.seed) for name, classifier in classifiers.items()}
    prior = prior_of(recipe, pictures, copy, device)
    rngs = {name: stream(recipe.seed, f"target {name}", device) for name in encoders}
    objective = objective_of(recipe, seeded, encoders, pictures, rngs)
    optimiser = make_optimiser(
        recipe.optimiser,
        prior,
        recipe.learning_rate,
        momentum=recipe.momentum,
        normalise=recipe.normalise,
        steps=recipe.planned_steps or recipe.steps,
        schedule=recipe.step_schedule,
    )
    steps = optimise(
        prior,
        objective,
        views_of(recipe),
        optimiser,
        steps=recipe.steps,
        views_per_step=recipe.views_per_step,
        rng=stream(recipe.seed, "views", device),
        canvas=copy,
    )
    best = _best_step(recipe, prior, classifiers, encoders, pictures, copy, device)
    return _Run(prior, steps, () if best is None else (best,))


def _best_step(
    recipe: Recipe,
    prior: Prior,
    classifiers: Mapping[str, Classifier],
    encoders: Mapping[str, Encoder],
    pictures: Pictures,
    copy: SmallCopy | None,
    device: torch.device | str,
) -> BestStep | None:
    """What remembers the best step, if the recipe keeps it: by the models' answers, whatever read-out leads the way.

    The judge draws random numbers of its own, so that the way is the same whichever step is kept.
    """
    if recipe.keep != "best":
        return None
    seeded = {name: _seeded(model, f"judge {name}", recipe.seed) for name, model in classifiers.items()}
    if may_end_early(recipe):
        source = pictures.source
        asked = list(zip(seeded.values(), wanted_classes(recipe, seeded, source), strict=True))
        enough = math.log1p(-recipe.enough) - math.log(recipe.enough)
        if copy is None:
            saved: Callable[[Tensor], Tensor] = partial(as_saved, recipe=recipe, source=source)
        else:  # what rounding the values of a large photo changes is evened out when a model scales it down
            saved = copy.seen
        return BestStep(prior, partial(odds_against, asked=asked), enough, saved=saved)
    rngs = {name: stream(recipe.seed, f"judge target {name}", device) for name in encoders}
    objective = objective_of(recipe.with_changes(readout="answer"), seeded, encoders, pictures, rngs)
    return BestStep(prior, partial(judged, objective=objective), saved=None if copy is None else copy.seen)


def as_saved(images: Tensor, recipe: Recipe, source: Tensor | None) -> Tensor:
    """Images [B, 3, H, W] as they come back from an 8-bit file, within the budget round the source if there is one."""
    if source is None or recipe.norm == "none":
        return quantise(images)
    return quantise_within(images, source, recipe.eps, norm=recipe.norm)


def _of_one(pictures: Pictures, index: int) -> Pictures:
    """The pictures for image `index` of a batch, which may have a photo of its own."""
    source = pictures.source
    return pictures if source is None or len(source) == 1 else replace(pictures, source=source[index : index + 1])


def _seeded(classifier: Classifier, name: str, seed: int) -> Classifier:
    if isinstance(classifier, SeededClassifier):
        return classifier.with_seed(stream(seed, f"model {name}").initial_seed())
    return classifier


def _placed(pictures: Pictures, device: torch.device | str) -> Pictures:
    given = {field.name: getattr(pictures, field.name) for field in fields(pictures)}
    return Pictures(
        **{name: image.detach().to(device, torch.float32) for name, image in given.items() if image is not None}
    )


def views_of(recipe: Recipe) -> Compose:
    """Return the views that a recipe means. Those of a picture that tiles look across its edges, too."""
    views = parse_views(recipe.views)
    across = any(isinstance(view, Roll) or (isinstance(view, RandomWindow) and view.wrap) for view in views.views)
    return Compose((Roll(), *views.views)) if recipe.tile and not across else views
