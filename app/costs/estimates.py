"""What making a picture costs, before it is made: from a recipe, a photo's size and what was measured here.

The work is counted in a few units: passes over a picture's pixels, products of matrices, pixels of PNG files, and
passes of each model. `Rates` says what a unit takes on a device. So every field that costs time moves the estimate,
whatever the size, also where nothing like it was ever made. Nothing is allocated, loaded or run here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from app.records.params import Wish
from generator.optimisers.loop import MAX_PIXELS
from generator.priors.making import PRIORS, choose_form
from generator.priors.operators import Size, layer_shape, parse_resolutions
from generator.priors.small_copy import canvas_for, resolutions_on
from generator.production.production import between_looks
from generator.recipes.checks import may_end_early
from generator.recipes.completion import AUTO_RESOLUTIONS, auto_kind, auto_resolutions
from generator.recipes.perturbations import PERTURBATIONS
from generator.recipes.recipe import Recipe
from generator.victims.survival import find_survivals
from generator.views.registry import parse_views
from generator.views.shown import Shown

DRAWS = 8
"""Passes over which the answer of a model that may draw random numbers is averaged."""
LINE_POINTS = 26
"""Points at which a victim is asked on the way from a photo to its attacked picture."""
MOST_LINES = 4
FLOATS = 12
"""Bytes of a pixel as three floats."""

# Passes over all pixels of one picture, in units of one that reads it and writes another; measured with PyTorch's
# operations, there and back.
_EACH_MODEL = 6  # gathering the gradient, and the model's own scaling down
_SAVING = 14  # rounding to 8 bit within a budget
_LOOK = 6  # scaling a picture down for a model, forward only
_SURVIVAL = 30  # opening, changing and fingerprinting a picture before a model looks at it
_CHANGES = 60  # a band of the change, taken apart and rounded
_SPECTRUM = 9  # the variance of a layer, in float64
_FRESH_BYTES = 32 << 20
_FRESH = 1.9
"""A tensor of more bytes gets fresh memory every time (mallopt(3), M_MMAP_THRESHOLD), which costs that much more."""
_USUAL_SIDE = 224
"""Pixels that most models see along a side; the small models that ship see fewer, and are done sooner."""
_WHOLE = 2
"""Copies of a large photo that are there beside its small copy: the photo, and what is saved."""
_FORWARD = 1 / 3  # of a pass there and back


@dataclass(frozen=True)
class Network:
    """Seconds of a pass there and back: `call` for any number of images, and `image` for each of them.

    `draws` passes make an answer: several where a model draws random numbers.
    """

    call: float = 0.01
    image: float = 0.03
    draws: int = DRAWS


@dataclass(frozen=True)
class Rates:
    """Seconds of a unit of work on a device: as on an ordinary core until they are measured.

    Attributes:
        pixel: one pass over one pixel of three floats.
        product: one multiplication and addition in a product of matrices.
        file: one pixel of a PNG, packed or unpacked.
        networks: by name of the model; for others, `unknown` counts.
    """

    pixel: float = 5e-9
    product: float = 3e-11
    file: float = 1.5e-7
    networks: Mapping[str, Network] = field(default_factory=dict)
    unknown: Network = Network()

    def network(self, name: str) -> Network:
        """What a pass of a model takes."""
        return self.networks.get(name, self.unknown)


@dataclass(frozen=True)
class Extras:
    """What is found out about a picture once it is there.

    Attributes:
        victims: models that are asked about an attack beside those that it is made with.
        survivals: things that may happen to its file, the file itself among them; 0 where nothing is asked.
        onlookers: models that are asked about any picture.
    """

    victims: tuple[str, ...] = ()
    survivals: int = 0
    onlookers: tuple[str, ...] = ()

    @classmethod
    def of(cls, wish: Wish | None, onlookers: tuple[str, ...] = ()) -> "Extras":
        """What a wish adds; nothing where there is none."""
        if wish is None:
            return cls(onlookers=onlookers)
        return cls(wish.victims, len(find_survivals(wish.survivals)), onlookers)


NOTHING_MORE = Extras()


@dataclass(frozen=True)
class Cost:
    """What a job takes.

    Attributes:
        steps: seconds until its last step.
        after: seconds for everything that follows.
        bytes: the memory that it needs at least, beside the program and its models: what it takes is more.
        per_step: seconds of one step.
    """

    steps: float
    after: float
    bytes: int
    per_step: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.steps + self.after


def cost_of(recipe: Recipe, rates: Rates, photo: Size | None = None, extras: Extras = NOTHING_MORE) -> Cost:
    """What one job takes that makes the pictures of a recipe.

    Args:
        recipe: as it is submitted; what it leaves open is counted as it will be filled in.
        rates: of the device.
        photo: (height, width) of the photo that it starts from, if there is one: the canvas has its size.
        extras: what is found out afterwards.

    Raises:
        StudioError: the resolutions or the views make no sense on this canvas.
    """
    size = photo or recipe.size
    pixels, images = size[0] * size[1], recipe.images
    whole, fresh = pixels, replace(rates, pixel=_FRESH * rates.pixel)
    resolutions = _resolutions(recipe, size, from_photo=photo is not None)
    if recipe.detail > 0 and photo is not None and (canvas := _canvas(recipe.detail, size)) is not None:
        size, resolutions = canvas, resolutions_on(resolutions, canvas)
        pixels = math.prod(canvas)
    after_rates = fresh if whole * FLOATS > _FRESH_BYTES else rates
    rates = fresh if pixels * FLOATS > _FRESH_BYTES else rates
    products = _products(resolutions, size)
    step = images * _prior_seconds(recipe, pixels, products, size, rates)
    views = parse_views(recipe.views).shown(Shown(size))
    for name in recipe.models:
        shown = recipe.views_per_step * images * views.copies
        network = rates.network(name)
        touched = images * recipe.views_per_step * (views.passes + _EACH_MODEL * views.pixels * views.copies)
        step += rates.pixel * (touched + _EACH_MODEL * pixels * images)
        step += network.call * math.ceil(shown / _together(shown, pixels)) + network.image * shown
    step += images * _looks(recipe, pixels, rates)
    after = images * _after(recipe, whole, pixels, products, len(resolutions), after_rates, photo is not None, extras)
    kept = 0 if whole == pixels else images * FLOATS * _WHOLE * whole
    return Cost(recipe.steps * step, after, _least_bytes(recipe, resolutions, size) + kept, step)


def _canvas(detail: float, photo: Size) -> Size | None:
    """The small copy on which a photo is attacked, for a model of the usual size: what it sees is not known here."""
    return canvas_for(detail * _USUAL_SIDE, photo)


# ---------------------------------------------------------------------- steps


def _resolutions(recipe: Recipe, size: Size, *, from_photo: bool) -> tuple[int, ...]:
    if not PERTURBATIONS[recipe.perturbation].of_resolutions:
        return ()
    if recipe.resolutions == AUTO_RESOLUTIONS:
        return auto_resolutions(auto_kind(recipe, from_photo=from_photo), size)
    return parse_resolutions(recipe.resolutions, size)


def _products(resolutions: tuple[int, ...], size: Size) -> float:
    """Multiplications of one way from a picture to all layers and back, three channels."""
    height, width = size
    shapes = [layer_shape(r, size) for r in resolutions]
    return 3.0 * sum(2 * rows * width * (height + columns) for rows, columns in shapes)


def _prior_seconds(recipe: Recipe, pixels: int, products: float, size: Size, rates: Rates) -> float:
    """One image's step without the models: rendering it, and moving what holds it."""
    kind = PERTURBATIONS[recipe.perturbation]
    seconds = kind.passes * pixels * rates.pixel
    if not kind.of_resolutions:
        return seconds
    form = PRIORS[choose_form(recipe.form, recipe.optimiser)]
    return seconds + rates.product * form.products(products, size, recipe.tolerance)


def _together(shown: int, pixels: int) -> int:
    """Views that go through a model at once."""
    return max(1, min(shown, 256, MAX_PIXELS // max(1, pixels)))


# ---------------------------------------------------------------------- afterwards


def _after(
    recipe: Recipe,
    pixels: int,
    parts: int,
    products: float,
    layers: int,
    rates: Rates,
    from_photo: bool,
    extras: Extras,
) -> float:
    """Seconds of all that follows the last step, for one image, whose change is taken apart on `parts` pixels."""
    seconds = _SAVING * pixels * rates.pixel + 2 * pixels * rates.file
    whom = [*recipe.models, *extras.onlookers]
    seconds += sum(_look(name, pixels, rates) for name in whom) * (2 if from_photo else 1)
    if recipe.task == "text":
        seconds += layers * _SPECTRUM * pixels * rates.pixel + rates.product * products
    if recipe.task == "attack":
        bands = PERTURBATIONS[recipe.perturbation].parts.count(layers, pixels)
        seconds += bands * parts * (_CHANGES * rates.pixel + rates.file) + (pixels - parts) * rates.file
    if extras.survivals:
        victims = list(dict.fromkeys([*recipe.models, *extras.victims]))
        for place, name in enumerate(victims):
            looks = 2 * (extras.survivals + 2) + (LINE_POINTS if place < MOST_LINES else 0)
            seconds += looks * (_SURVIVAL * pixels * rates.pixel + _look(name, pixels, rates))
    return seconds


def _looks(recipe: Recipe, pixels: int, rates: Rates) -> float:
    """Seconds of a step in which its models are asked whether it is the best so far."""
    if recipe.keep != "best":
        return 0.0
    each = sum(
        _LOOK * pixels * rates.pixel + _FORWARD * (network.call + network.image)
        for network in map(rates.network, recipe.models)
    )
    return (each + (_SAVING * pixels * rates.pixel if may_end_early(recipe) else 0.0)) / between_looks(recipe)


def _look(name: str, pixels: int, rates: Rates) -> float:
    """Seconds in which a model says what it sees."""
    network = rates.network(name)
    return network.draws * (_LOOK * pixels * rates.pixel + _FORWARD * (network.call + network.image))


# ---------------------------------------------------------------------- memory

_COPIES = 7
"""Copies of all pictures at full size that are there at once in a step, at least: what holds them and its gradient, the
rendered pictures and theirs, the last good ones, a view, and what the view's gradient comes back in."""
_STATES = 3
"""Copies of every layer that is held: itself, its gradient, and the state of the optimiser."""


def _least_bytes(recipe: Recipe, resolutions: tuple[int, ...], size: Size) -> int:
    """The memory without which the steps cannot be taken. Views do not count: many are taken in turns."""
    cells = 0
    form = PRIORS[choose_form(recipe.form, recipe.optimiser)]
    if PERTURBATIONS[recipe.perturbation].of_resolutions and form.holds_layers:
        cells = sum(math.prod(layer_shape(resolution, size)) for resolution in resolutions)
    return recipe.images * FLOATS * (_COPIES * math.prod(size) + _STATES * cells)
