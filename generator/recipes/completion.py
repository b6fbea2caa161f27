"""Filling in what a recipe leaves open, from the pictures it is made with: size, resolutions, digests."""

from collections.abc import Sequence
from dataclasses import fields

from torch import Tensor

from foundation.errors import StudioError
from generator.optimisers.registry import OPTIMISERS
from generator.priors.operators import Size
from generator.recipes.checks import PICTURES, TASK_WORDS
from generator.recipes.common import MAX_CANVAS, MIN_CANVAS
from generator.recipes.pictures import NO_PICTURES, Pictures
from generator.recipes.recipe import Recipe

AUTO_RESOLUTIONS = "auto"
AUTO_FINEST = {"class": 40, "photo": 128, "octaves": 512, "text": 224}
"""The finest resolution, in cells along the longer side, that "auto" takes for each kind of picture."""
AUTO_DENSE = {"class": 40, "photo": 32, "octaves": 1, "text": 64}
"""Up to here "auto" takes every resolution."""
_EVERY = 8  # of the finer resolutions of a text
_PICTURE_WORDS = {
    "source": "photo to start from",
    "target": "target picture",
    "style": "style picture",
    "mask": "mask",
}


def auto_kind(recipe: Recipe, *, from_photo: bool) -> str:
    """Return the kind of picture that "auto" stands for: the task or, from a photo, which may be large, one of two."""
    if recipe.task == "attack":
        return "octaves" if recipe.balance > 0 else "photo"
    return "photo" if from_photo else recipe.task


def auto_resolutions(kind: str, size: Size) -> tuple[int, ...]:
    """Return what "auto" stands for on a canvas (H, W).

    For a picture of a class, every resolution up to 40. From a photo, every one up to 32, the powers of two up to 128,
    and the pixels themselves where the photo is no larger: a model sees little of what is finer, and a large photo
    costs no more than a small one. For an attack whose layers move alike ("octaves"), the powers of two up to 512, and
    the pixels themselves where the photo is no larger. For a picture of a text, every one up to 64, and every eighth up
    to 224, the pixels that most CLIP models see.
    """
    finest = min(AUTO_FINEST[kind], max(size))
    dense = range(1, min(AUTO_DENSE[kind], finest) + 1)
    if kind in ("photo", "octaves"):
        return tuple(sorted({*dense, *(2**k for k in range(finest.bit_length())), finest}))
    return tuple(sorted({*dense, *range(_EVERY, finest + 1, _EVERY)})) if kind == "text" else tuple(dense)


def fill_in(recipe: Recipe, pictures: Pictures = NO_PICTURES) -> Recipe:
    """Return the recipe with all that depends on its pictures filled in: size, resolutions, colour, digests.

    Their source is [1, 3, H, W] for all images or [B, 3, H, W] with one for each; an attack needs one, a class
    picture takes none, a text may have one. StudioError says what does not fit.
    """
    size = recipe.size if pictures.source is None else _size_of(pictures.source, recipe)
    for name in ("target", "style", "mask"):
        _check_picture(name, getattr(pictures, name), recipe)
    changes: dict[str, object] = _checked_digests(recipe, pictures)
    if recipe.task == "class" and pictures.source is not None:
        raise StudioError("A picture of a class starts from nothing: give no photo, or make an attack.")
    if recipe.task == "attack" and pictures.source is None:
        raise StudioError("An attack starts from a photo: give one.")
    if recipe.task == "text":
        _check_edit(recipe, pictures)
        if pictures.source is not None:
            changes["colour"] = "rgb"
    by_plan = OPTIMISERS[recipe.optimiser].projected or recipe.step_schedule != "constant" or recipe.keep == "best"
    if by_plan and not recipe.planned_steps:
        changes["planned_steps"] = recipe.steps
    if recipe.resolutions == AUTO_RESOLUTIONS:
        kind = auto_kind(recipe, from_photo=pictures.source is not None)
        changes["resolutions"] = _written(auto_resolutions(kind, size))
    return recipe.with_changes(size=size, **changes)


def _checked_digests(recipe: Recipe, pictures: Pictures) -> dict[str, object]:
    """The digests of the pictures, which have to be those that the recipe was made for, if it was."""
    digests = pictures.digests()
    for field in fields(pictures):
        expected, found = getattr(recipe, field.name), digests.get(field.name, "")
        word = _PICTURE_WORDS[field.name]
        needed = recipe.task == "text" or field.name != "source"
        if expected and getattr(pictures, field.name) is None and needed:
            raise StudioError(f"This recipe was made with a {word}: give it, too.")
        if expected and found and expected != found:
            raise StudioError(
                f"This is not the {'photo' if field.name == 'source' else word} that the recipe was made for: its "
                f"pixels differ. Give the original file, not a resized or re-compressed copy, or a recipe without a "
                f"{field.name}."
            )
    return dict(digests)


def _size_of(source: Tensor, recipe: Recipe) -> Size:
    if source.ndim != 4 or source.shape[1] != 3 or len(source) not in (1, recipe.images):
        raise StudioError(
            f"The photo must be [1, 3, H, W], or one for each of {recipe.images} images, not {list(source.shape)}."
        )
    height, width = source.shape[2:]
    check_photo(width, height)
    return height, width


def check_photo(width: int, height: int, name: str = "The photo") -> None:
    """Raise StudioError for a photo to start from that is too large, or too small, to be worked on in its own size."""
    if max(width, height) > MAX_CANVAS:
        factor = MAX_CANVAS / max(width, height)
        smaller = " x ".join(str(max(MIN_CANVAS, int(side * factor))) for side in (width, height))
        raise StudioError(
            f"{name} has {width} x {height} pixels, and at most {MAX_CANVAS} a side can be worked on: scale it down, "
            f"for example to {smaller}."
        )
    if min(width, height) < MIN_CANVAS:
        raise StudioError(
            f"{name} has {width} x {height} pixels, and at least {MIN_CANVAS} a side are needed: give a larger one."
        )


def _check_picture(name: str, picture: Tensor | None, recipe: Recipe) -> None:
    if picture is None:
        return
    if recipe.task not in PICTURES[name]:
        raise StudioError(f"A {_PICTURE_WORDS[name]} is for {TASK_WORDS[PICTURES[name]]} only: leave it out.")
    if picture.ndim != 4 or picture.shape[:2] != (1, 3):
        raise StudioError(f"The {_PICTURE_WORDS[name]} must be [1, 3, H, W], not {list(picture.shape)}.")


def _check_edit(recipe: Recipe, pictures: Pictures) -> None:
    """Check that what only makes sense with a photo to start from has one."""
    if pictures.source is not None:
        if pictures.mask is not None and pictures.mask.shape[2:] != pictures.source.shape[2:]:
            (height, width), (rows, columns) = pictures.source.shape[2:], pictures.mask.shape[2:]
            raise StudioError(
                f"The mask has {columns} x {rows} pixels, the photo {width} x {height} (width x height): make it the "
                "same size."
            )
        return
    for asked, name in (
        (pictures.mask is not None, "a mask"),
        (recipe.norm != "none", f"norm '{recipe.norm}'"),
        (recipe.margin > 0, "a margin"),
    ):
        if asked:
            raise StudioError(
                f"The recipe has {name}, which is about a photo to start from: give one, or leave it out."
            )


def _written(resolutions: Sequence[int]) -> str:
    """Write ascending resolutions in the grammar of `parse_resolutions`, runs as ranges: "1..32,64,128"."""
    runs: list[list[int]] = []
    for r in resolutions:
        if runs and r == runs[-1][-1] + 1:
            runs[-1].append(r)
        else:
            runs.append([r])
    return ",".join(f"{run[0]}..{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)
