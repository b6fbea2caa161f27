"""From a recipe to a running optimisation: prior, bound, objective, views and optimiser, all from one value.

Random numbers come in separate streams, each derived from the recipe's seed: one for the start of every
image, one for the views, one for each classifier that draws noise of its own. Image i of a batch starts
exactly like a single image of seed + i. The views are drawn for the batch as a whole, so that it can be
scored in one pass: from the first step on, an image of a batch and its single twin go different ways.
"""

import hashlib
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from generator.bounds import NATURAL_COLOURS, Bound, Free, FromImage, L2Ball, LinfBall
from generator.errors import StudioError
from generator.image import pixel_digest
from generator.loop import Step, optimise
from generator.objectives import OBJECTIVES, Objective, mean, mixture
from generator.operators import Size, parse_resolutions, resolution_operator
from generator.optimisers import make_optimiser
from generator.prior import PRIORS, Prior, choose_form, random_start
from generator.protocols import Classifier
from generator.readout import read_out
from generator.recipe import Recipe
from generator.views import parse_views

AUTO_RESOLUTIONS = "auto"
AUTO_FINEST = {"class": 40, "attack": 128}
"""The finest resolution, in cells along the longer side, that "auto" takes for each task."""
MAX_CANVAS = 4096
"""The longest side of a canvas, as in a recipe."""
START_RESOLUTION = 5
"""The finest resolution that takes part in the random start."""


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
        recipe: with everything filled in that depends on the source: size, resolutions, its digest.
        classifiers: by name, as they are used here: with their own random streams.
        source: [1 or B, 3, H, W] for an attack, else None.
        start: the images [B, 3, H, W] before the first step.
        prior: holds the images at every moment.
        rng: the generator of the views.
        steps: takes the steps; exhausted after `recipe.steps` of them.
    """

    recipe: Recipe
    classifiers: Mapping[str, Classifier]
    source: Tensor | None
    start: Tensor
    prior: Prior
    rng: torch.Generator
    steps: Generator[Step, None, None]


def stream(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator for one purpose. The seed is hashed: CPU generators use only 32 bits of it."""
    digest = hashlib.sha256(f"{purpose}:{seed}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def auto_resolutions(task: str, size: Size) -> tuple[int, ...]:
    """Return what "auto" stands for on a canvas (H, W).

    For a picture of a class, every resolution up to 40. For an attack, every one up to 32, the powers of two up
    to 128, and the pixels themselves where the photo is no larger: a model sees little of what is finer, and a
    large photo costs no more than a small one.
    """
    finest = min(AUTO_FINEST[task], max(size))
    if task == "class":
        return tuple(range(1, finest + 1))
    dense = range(1, min(32, finest) + 1)
    powers = [2**k for k in range(finest.bit_length())]
    return tuple(sorted({*dense, *powers, finest}))


def fill_in(recipe: Recipe, source: Tensor | None) -> Recipe:
    """Return the recipe with all that depends on the source filled in: size, resolutions, its digest.

    The source is [1, 3, H, W] for all images or [B, 3, H, W] with one for each; an attack needs one, a class
    picture takes none. StudioError says what does not fit.
    """
    if recipe.task == "class":
        if source is not None:
            raise StudioError("A picture of a class starts from nothing: give no photo, or make an attack.")
        size = recipe.size
    else:
        size = _check_source(recipe, source)
    changes: dict[str, object] = {"size": size}
    if source is not None and len(source) == 1:
        changes["source"] = pixel_digest(source)
        if recipe.source not in ("", changes["source"]):
            raise StudioError(
                "This is not the photo that the recipe was made for: its pixels differ. Give the original "
                "file, not a resized or re-compressed copy, or a recipe without a source."
            )
    if recipe.resolutions == AUTO_RESOLUTIONS:
        changes["resolutions"] = _written(auto_resolutions(recipe.task, size))
    return recipe.with_changes(**changes)


def _written(resolutions: Sequence[int]) -> str:
    """Write ascending resolutions in the grammar of `parse_resolutions`, runs as ranges: "1..32,64,128"."""
    runs: list[list[int]] = []
    for r in resolutions:
        if runs and r == runs[-1][-1] + 1:
            runs[-1].append(r)
        else:
            runs.append([r])
    return ",".join(f"{run[0]}..{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def _check_source(recipe: Recipe, source: Tensor | None) -> Size:
    if source is None:
        raise StudioError("An attack starts from a photo: give one.")
    if source.ndim != 4 or source.shape[1] != 3 or len(source) not in (1, recipe.images):
        raise StudioError(
            f"The photo must be [1, 3, H, W], or one for each of {recipe.images} images, not {list(source.shape)}."
        )
    return source.shape[2], source.shape[3]


def class_index(classifier: Classifier, name: str) -> int:
    """Return the index of a class given by name (upper and lower case are the same) or number."""
    names = classifier.class_names
    folded = [known.casefold() for known in names]
    if name.strip().casefold() in folded:
        return folded.index(name.strip().casefold())
    if name.strip().isdecimal() and int(name) < len(names):
        return int(name)
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    raise StudioError(
        f"The model knows no class '{name}'. It knows {shown}; numbers from 0 to {len(names) - 1} work, too."
    )


def synthesise(
    recipe: Recipe,
    classifiers: Mapping[str, Classifier],
    *,
    source: Tensor | None = None,
    device: torch.device | str = "cpu",
) -> Synthesis:
    """Set up what a recipe describes; nothing is optimised before the first step is asked for.

    `classifiers` holds at least the recipe's models by name, on `device`. The source of an attack is
    [1, 3, H, W] or [B, 3, H, W] in [0, 1]; the canvas is its size, whatever that is, and gradients flow
    through each model's own resizing. StudioError for anything in the recipe that does not fit.
    """
    recipe = fill_in(recipe, source)
    missing = [name for name in recipe.models if name not in classifiers]
    if missing:
        raise StudioError(f"The model '{missing[0]}' is not loaded. Choose from {', '.join(classifiers)}.")
    seeded = {name: _seeded(classifiers[name], name, recipe.seed) for name in recipe.models}
    source = None if source is None else source.detach().to(device, torch.float32)
    prior = _prior(recipe, source, device)
    with torch.no_grad():
        start = prior.render().detach().clone()
    objective = mean([_objective(recipe, classifier, source) for classifier in seeded.values()])
    optimiser = make_optimiser(
        recipe.optimiser,
        prior,
        recipe.learning_rate,
        momentum=recipe.momentum,
        normalise=recipe.normalise,
    )
    rng = stream(recipe.seed, "views", device)
    steps = optimise(
        prior,
        objective,
        parse_views(recipe.views),
        optimiser,
        steps=recipe.steps,
        views_per_step=recipe.views_per_step,
        rng=rng,
    )
    return Synthesis(recipe, seeded, source, start, prior, rng, steps)


def _seeded(classifier: Classifier, name: str, seed: int) -> Classifier:
    if isinstance(classifier, SeededClassifier):
        return classifier.with_seed(stream(seed, f"model {name}").initial_seed())
    return classifier


def bound_of(recipe: Recipe, source: Tensor | None) -> Bound:
    """Return the map from X to images that a recipe means; `source` [1 or B, 3, H, W] is the photo of an attack."""
    if source is None:
        return Free(NATURAL_COLOURS if recipe.colour == "decorrelated" else None)
    match recipe.norm:
        case "linf":
            return LinfBall(source, recipe.eps)
        case "l2":
            return L2Ball(source, recipe.eps)
        case "none":
            return FromImage(source)


def _prior(recipe: Recipe, source: Tensor | None, device: torch.device | str) -> Prior:
    resolutions = parse_resolutions(recipe.resolutions, recipe.size)
    operator = resolution_operator(resolutions, recipe.size, tolerance=recipe.tolerance, device=device)
    start = _start(recipe, resolutions)
    form = choose_form(recipe.form, recipe.optimiser)
    return PRIORS[form](operator, bound_of(recipe, source), batch=recipe.images, start=start)


def _start(recipe: Recipe, resolutions: Sequence[int]) -> dict[int, Tensor]:
    """Draw the random start of each image from a stream of its own, on the CPU whatever the device."""
    if recipe.start_std == 0:
        return {}
    starts = [
        random_start(
            resolutions,
            recipe.size,
            batch=1,
            std=recipe.start_std,
            up_to=START_RESOLUTION,
            rng=stream(recipe.seed + image, "start"),
        )
        for image in range(recipe.images)
    ]
    return {r: torch.cat([start[r] for start in starts]) for r in starts[0]}


def _objective(recipe: Recipe, classifier: Classifier, source: Tensor | None) -> Objective:
    indices = [class_index(classifier, name) for name in recipe.classes]
    judge = read_out(classifier, recipe.readout)
    count = len(classifier.class_names)
    if recipe.objective == "leave":
        sources = _source_classes(indices, classifier, source)
        return OBJECTIVES["leave"](judge, torch.zeros(count), sources)
    weights = recipe.weights
    if weights:  # shares: those of the wanted classes add up to 1
        wanted = math.fsum(weight for weight in weights if weight > 0)
        weights = tuple(weight / wanted for weight in weights)
    return OBJECTIVES[recipe.objective](judge, mixture(indices, weights, count), None)


def _source_classes(indices: Sequence[int], classifier: Classifier, source: Tensor | None) -> Tensor | None:
    """Return the classes [1 or B] to leave: the one named, or what the classifier sees in the source."""
    if len(indices) > 1:
        raise StudioError("The objective 'leave' gets away from one class: name one, or none for the model's own.")
    if indices:
        return torch.tensor(indices)
    if source is None:
        return None
    with torch.no_grad():
        return classifier(source).argmax(dim=1).cpu()
