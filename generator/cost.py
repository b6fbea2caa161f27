"""What a picture costs at least in memory, and roughly in time, told from its recipe before anything is allocated."""

from generator.errors import StudioError
from generator.operators import parse_resolutions
from generator.prior import choose_form
from generator.recipe import Recipe

FLOAT_BYTES = 4
COPIES = 7
"""Copies of all pictures at full size that are there at once in a step, at least: what holds them and its gradient, the
rendered pictures and theirs, the last good ones, a view, and what the view's gradient comes back in."""
STATES = 3
"""Copies of every layer: itself, its gradient, and the state of the optimiser."""
SECONDS_PER_VALUE = 1e-8
"""Of a value of a picture at full size, per step and per view: on one slow core."""
SECONDS_PER_PASS = 0.02
"""Through a small model, there and back, per view of one picture: on a slow machine."""


def least_bytes(recipe: Recipe, size: tuple[int, int] | None = None) -> int:
    """The memory in bytes without which a recipe cannot be carried out; what it takes is more.

    `size` is the height and width of the photo that it starts from, if there is one. Views do not count: they are
    taken in turns where there are many.
    """
    height, width = size or recipe.size
    pictures = recipe.images * 3 * height * width * FLOAT_BYTES
    return COPIES * pictures + STATES * _layer_bytes(recipe, (height, width))


def rough_seconds(recipe: Recipe, size: tuple[int, int] | None = None) -> float:
    """About what a recipe takes, in seconds, within a factor of ten: enough to tell minutes from days."""
    height, width = size or recipe.size
    values = recipe.images * 3 * height * width
    seen = recipe.views_per_step * len(recipe.models)
    return recipe.steps * (values * (4 + seen) * SECONDS_PER_VALUE + seen * recipe.images * SECONDS_PER_PASS)


def _layer_bytes(recipe: Recipe, size: tuple[int, int]) -> int:
    """Bytes of all layers of all pictures, where these are held one by one."""
    if recipe.perturbation == "pixel" or choose_form(recipe.form, recipe.optimiser) != "layered":
        return 0
    try:
        resolutions = parse_resolutions(recipe.resolutions, size)
    except StudioError:  # "auto", or what will be refused in its own words
        return 0
    longest = max(size)
    cells = sum(max(1, round(r * size[0] / longest)) * max(1, round(r * size[1] / longest)) for r in resolutions)
    return recipe.images * 3 * cells * FLOAT_BYTES
