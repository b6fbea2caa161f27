"""From a recipe to a running optimisation: prior, bound, objective, views and optimiser, all from one value.

Random numbers come in separate streams, each derived from the recipe's seed: one for the start of every
image, one for the views, one for each classifier that draws noise of its own, and one for each encoder that sees a
target picture under views. Image i of a batch has the streams of seed + i and is made by itself, so that it is the
single image of that seed, bit for bit. Four kinds of batches are made together instead, with views that are drawn
for all at once, and then only the starts are those of single images: of recipes before version 4, of the way between
two prompts, where the recipe says `together`, and on a GPU, where many small passes take far longer than a large one.
"""

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from foundation.images.pixels import quantise, quantise_rows, quantise_within
from foundation.protocols import Classifier
from foundation.seeds import stream
from generator.optimisers.best_step import BestStep, judged, odds_against
from generator.optimisers.loop import Step, optimise
from generator.optimisers.registry import make_optimiser
from generator.priors.prior import Prior
from generator.priors.small_copy import SmallCopy, canvas_of
from generator.recipes.checks import may_end_early
from generator.recipes.perturbations import PERTURBATIONS, bound_on
from generator.recipes.pictures import NO_PICTURES, Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.apart import PriorsApart, in_turn, rendered
from generator.synthesis.models import Model
from generator.synthesis.objective import objective_of, wanted_classes
from generator.synthesis.plan import Plan, plan_of

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
        plan: that it follows.
        classifiers: by name, as they are used here: with their own random streams.
        seeds: by which each image can be had alone; () if they are made together.
        start: the images [B, 3, H, W] before the first step.
        copy: the small copy of a large photo that the steps change in its place, if there is one: then `start`, the
            images of the steps and of the prior are on its canvas, and `saved` makes of them those of the photo.
        prior: holds the images at every moment.
        looks: of a recipe that keeps its best step: they remember it, one for each image that is made by itself.
        steps: takes the steps; exhausted after `recipe.steps` of them.
    """

    plan: Plan
    classifiers: Mapping[str, Classifier]
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
    def recipe(self) -> Recipe:
        """The recipe of the plan, completed."""
        return self.plan.recipe

    @property
    def source(self) -> Tensor | None:
        """The photo [1 or B, 3, H, W] that the images start from, if there is one."""
        return self.plan.pictures.source


def synthesise(
    recipe: Recipe,
    models: Mapping[str, Model],
    *,
    pictures: Pictures = NO_PICTURES,
    device: torch.device | str = "cpu",
) -> Synthesis:
    """Set up what a recipe describes; nothing is optimised before the first step is asked for.

    `models` holds at least the recipe's models by name, on `device`. The source of an attack, among the `pictures`, is
    [1, 3, H, W] or [B, 3, H, W] in [0, 1]; the canvas is its size, whatever that is, and gradients flow through each
    model's own resizing. StudioError for anything in the recipe that does not fit.
    """
    return follow(plan_of(recipe, models, pictures, device))


def _never() -> bool:
    return False


def follow(plan: Plan, give_up: Callable[[], bool] = _never) -> Synthesis:
    """Set up what a plan describes, as `synthesise`.

    Once `give_up` says so, the steps end in the middle of one with an AbandonedError, whose images are those before it;
    not in the first. So is the prior then, but where images are made by themselves: those before the one that was being
    made are a step ahead there.
    """
    recipe = plan.recipe
    seeded = {name: _seeded(classifier, name, recipe.seed) for name, classifier in plan.classifiers.items()}
    copy = _small_copy(plan)
    if recipe.images > 1 and are_apart(plan):
        singles = [plan.of_image(index) for index in range(recipe.images)]
        # What looks back for its best step needs priors that are all at the same step: only the first may end early.
        waits = [index > 0 and recipe.keep == "best" for index in range(len(singles))]
        runs = [
            _run(own, None if copy is None else copy.of_one(index), _never if waits[index] else give_up)
            for index, own in enumerate(singles)
        ]
        together = PriorsApart([run.prior for run in runs], bound_on(recipe, plan.pictures, copy))
        prior: Prior = together
        steps = in_turn([run.steps for run in runs], together, recipe.steps, copy)
        looks = tuple(best for run in runs for best in run.looks)
        seeds = tuple(own.recipe.seed for own in singles)
    else:
        prior, steps, looks = _run(plan, copy, give_up)
        seeds = (recipe.seed,) if recipe.images == 1 else ()
    return Synthesis(
        plan,
        seeded,
        start=rendered(prior),
        prior=prior,
        steps=steps,
        seeds=seeds,
        looks=looks,
        copy=copy,
    )


def _small_copy(plan: Plan) -> SmallCopy | None:
    """The copy of the source [1 or B, 3, H, W] that is worked on in its place, if there is to be one."""
    source = plan.pictures.source
    canvas = canvas_of(plan.recipe.detail, plan.recipe.size, [*plan.stepped.values(), *plan.encoders.values()])
    return None if canvas is None or source is None else SmallCopy.of(source, canvas)


def are_apart(plan: Plan) -> bool:
    """Whether each image of a batch is made by itself, and so is the single image of its own seed."""
    recipe = plan.recipe
    if recipe.version < OWN_SEEDS or recipe.prompt_to or recipe.together:
        return False
    return torch.device(plan.device).type == "cpu" or recipe.redraw > 0  # a single one of them may be drawn anew


class _Run(NamedTuple):
    prior: Prior
    steps: Generator[Step, None, None]
    looks: tuple[BestStep, ...] = ()


def _run(plan: Plan, copy: SmallCopy | None, give_up: Callable[[], bool]) -> _Run:
    """Set up the images of a plan, which are made together, with the random numbers of its recipe's seed."""
    recipe, device = plan.recipe, plan.device
    seeded = {name: _seeded(classifier, name, recipe.seed) for name, classifier in plan.stepped.items()}
    prior = _prior(plan, copy)
    rngs = {name: stream(recipe.seed, f"target {name}", device) for name in plan.encoders}
    objective = objective_of(plan, seeded, rngs)
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
        plan.views,
        optimiser,
        steps=recipe.steps,
        views_per_step=recipe.views_per_step,
        rng=stream(recipe.seed, "views", device),
        canvas=copy,
        give_up=give_up,
    )
    best = _best_step(plan, prior, copy)
    return _Run(prior, steps, () if best is None else (best,))


def _prior(plan: Plan, copy: SmallCopy | None) -> Prior:
    """What holds the pictures, and in an attack what their perturbation is made of."""
    recipe = plan.recipe
    bound, size = bound_on(recipe, plan.pictures, copy), recipe.size if copy is None else copy.size
    return PERTURBATIONS[recipe.perturbation].make(recipe, plan.resolutions, bound, size, plan.device)


def _best_step(plan: Plan, prior: Prior, copy: SmallCopy | None) -> BestStep | None:
    """What remembers the best step, if the recipe keeps it: by the models' answers, whatever read-out leads the way.

    The judge draws random numbers of its own, so that the way is the same whichever step is kept.
    """
    recipe, source = plan.recipe, plan.pictures.source
    if recipe.keep != "best":
        return None
    seeded = {name: _seeded(model, f"judge {name}", recipe.seed) for name, model in plan.stepped.items()}
    if may_end_early(recipe):
        asked = list(zip(seeded.values(), wanted_classes(plan, seeded), strict=True))
        enough = math.log1p(-recipe.enough) - math.log(recipe.enough)
        if copy is None:
            saved: Callable[[Tensor], Tensor] = partial(as_saved, recipe=recipe, source=source)
        else:  # what rounding the values of a large photo changes is evened out when a model scales it down
            saved = copy.seen
        return BestStep(prior, partial(odds_against, asked=asked), enough, saved=saved)
    rngs = {name: stream(recipe.seed, f"judge target {name}", plan.device) for name in plan.encoders}
    objective = objective_of(plan.completed(readout="answer"), seeded, rngs)
    return BestStep(prior, partial(judged, objective=objective), saved=None if copy is None else copy.seen)


def as_saved(images: Tensor, recipe: Recipe, source: Tensor | None) -> Tensor:
    """Images [B, 3, H, W] as they come back from an 8-bit file, within the budget round the source if there is one."""
    if source is None or recipe.norm == "none":
        return quantise(images)
    return quantise_within(images, source, recipe.eps, norm=recipe.norm)


def _seeded(classifier: Classifier, name: str, seed: int) -> Classifier:
    if isinstance(classifier, SeededClassifier):
        return classifier.with_seed(stream(seed, f"model {name}").initial_seed())
    return classifier
