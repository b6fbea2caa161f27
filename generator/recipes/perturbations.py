"""What a picture is changed in, and how far: the prior and the bound that a recipe means."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from foundation.seeds import stream
from generator.priors.bounds import NATURAL_COLOURS, STANDARD_MARGIN, Bound, Free, FromImage, L2Ball, LinfBall, Masked
from generator.priors.making import PRIORS, choose_form, random_start
from generator.priors.operators import Size, balanced_weights, parse_resolutions, resolution_operator
from generator.priors.parting import LAYERS, OCTAVES, Parting
from generator.priors.pixel import PixelBall, PixelPrior, pixel_noise
from generator.priors.prior import Prior
from generator.priors.small_copy import SmallCopy, resolutions_on
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe

ACCELERATED = 5
"""The version of recipes from which on attacks compute in faster ways, which round otherwise."""
ALL_ACCELERATED = 6
"""The version from which on pictures of classes and texts compute with the faster forms of their classifiers, too."""
MIRRORED = 6
"""The version from which on what descent does to a picture is computed by halves, which rounds otherwise."""
TWO_SCALES = 7
"""The version from which on fine and coarse layers of a large picture are computed apart, within the same tolerance."""
START_RESOLUTION = 5
"""The finest resolution that takes part in the random start."""


def bound_of(recipe: Recipe, source: Tensor | None, mask: Tensor | None = None, eps: float | None = None) -> Bound:
    """Return the map from X to images that a recipe means.

    `source` [1 or B, 3, H, W] is the photo to start from, and `mask` [1, 3, H, W] says where it may change: fully
    where it is white. `eps` stands in the place of the recipe's.
    """
    if source is None:
        return Free(NATURAL_COLOURS if recipe.colour == "decorrelated" else None)
    eps = recipe.eps if eps is None else eps
    return PERTURBATIONS[recipe.perturbation].bound(recipe, source, mask, eps)


def _ball(recipe: Recipe, source: Tensor, _mask: Tensor | None, eps: float) -> Bound:
    """The budget itself, for what is brought back into it."""
    return PixelBall(source, recipe.norm, eps)


def _squashed(recipe: Recipe, source: Tensor, mask: Tensor | None, eps: float) -> Bound:
    """A map from all X into the budget."""
    bound: Bound
    match recipe.norm:
        case "linf":
            bound = LinfBall(source, eps)
        case "l2":
            bound = L2Ball(source, eps)
        case "none":
            bound = FromImage(source, max(recipe.margin, STANDARD_MARGIN))
    return bound if mask is None else Masked(bound, source, mask.mean(dim=1, keepdim=True))


def bound_on(recipe: Recipe, pictures: Pictures, copy: SmallCopy | None) -> Bound:
    """The bound round the photo, or round its copy: a length there stands for a larger one in the photo."""
    if copy is None:
        return bound_of(recipe, pictures.source, pictures.mask)
    return bound_of(recipe, copy.image, eps=recipe.eps / copy.factor if recipe.norm == "l2" else recipe.eps)


def resolutions_of(recipe: Recipe) -> tuple[int, ...]:
    """Read the resolutions of a recipe whose size is known; () where what it changes has none."""
    return (
        parse_resolutions(recipe.resolutions, recipe.size) if PERTURBATIONS[recipe.perturbation].of_resolutions else ()
    )


def _pixels(
    recipe: Recipe, _resolutions: Sequence[int], bound: Bound, _size: Size, device: torch.device | str
) -> Prior:
    """Single pixels of the photo, within the budget."""
    assert isinstance(bound, PixelBall)
    placed = bound.to(torch.device(device), torch.float32)
    start = None
    if recipe.start_std > 0:
        draws = [stream(recipe.seed + image, "start") for image in range(recipe.images)]
        start = torch.cat([pixel_noise(placed, recipe.start_std, rng=rng) for rng in draws])
    return PixelPrior(placed, batch=recipe.images, start=start)


def _layers(recipe: Recipe, resolutions: Sequence[int], bound: Bound, size: Size, device: torch.device | str) -> Prior:
    """A sum of layers of many resolutions (Direct Ascent Synthesis, arXiv 2502.07753), within a bound."""
    if size != recipe.size:
        resolutions = resolutions_on(resolutions, size)
    weights = balanced_weights(resolutions, size, recipe.balance)
    operator = resolution_operator(
        resolutions,
        size,
        weights=weights,
        tolerance=recipe.tolerance,
        device=device,
        wrap=recipe.tile,
        own_pixels=recipe.task == "attack" and recipe.version >= ACCELERATED,
        mirrored=recipe.version >= MIRRORED,
        two_scales=recipe.version >= TWO_SCALES,
    )
    # The start is what the picture starts with, however much its layers count in a step.
    scales = dict(zip(resolutions, weights, strict=True))
    start = {r: layer / scales[r] for r, layer in _start(recipe, resolutions, size).items()}
    form = choose_form(recipe.form, recipe.optimiser)
    return PRIORS[form](operator, bound, batch=recipe.images, start=start)


def _start(recipe: Recipe, resolutions: Sequence[int], size: Size) -> dict[int, Tensor]:
    """Draw the random start of each image from a stream of its own, on the CPU whatever the device."""
    if recipe.start_std == 0:
        return {}
    starts = [
        random_start(
            resolutions,
            size,
            batch=1,
            std=recipe.start_std,
            up_to=START_RESOLUTION,
            rng=stream(recipe.seed + image, "start"),
        )
        for image in range(recipe.images)
    ]
    return {r: torch.cat([start[r] for start in starts]) for r in starts[0]}


@dataclass(frozen=True)
class Perturbation:
    """What a picture is changed in, as recipes name it.

    Attributes:
        make: makes the prior of a recipe and its resolutions, which are () where it is not made of them.
        title: in menus.
        says: what it is, as the help of the field goes on after its name.
        parts: how a change is taken apart to be looked at.
        bound: the map to images round a photo [1 or B, 3, H, W], from the recipe, the photo, the mask and eps.
        of_resolutions: whether it is made of the resolutions that the recipe names.
        single_pixels: whether it is single pixels within a budget, which update rules move that move nothing else.
        passes: over the pixels of one image that a step takes (rendering, the bound, the length of the gradient, the
            update), beside products of matrices: for what it costs; until it is timed, that of layers.
    """

    make: Callable[[Recipe, Sequence[int], Bound, Size, torch.device | str], Prior]
    title: str
    says: str = ""
    parts: Parting = OCTAVES
    bound: Callable[[Recipe, Tensor, Tensor | None, float], Bound] = _squashed
    of_resolutions: bool = True
    single_pixels: bool = False
    passes: float = 20


PERTURBATIONS: dict[str, Perturbation] = {
    "layers": Perturbation(
        _layers,
        "layers of many resolutions",
        "(of many resolutions, which add up to the change)",
        parts=LAYERS,
    ),
    "pixel": Perturbation(
        _pixels,
        "single pixels",
        "(every one by itself, as most published attacks do)",
        bound=_ball,
        of_resolutions=False,
        single_pixels=True,
        passes=13,
    ),
}
"""What a picture is changed in, by its name in a recipe."""
