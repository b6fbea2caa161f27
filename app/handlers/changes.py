"""The change that an attack made, magnified, and taken apart by resolution: files for the page.

The whole change is round mid-grey, magnified until it fills the range. All parts (see `app.records.changes`) add up to
the saved change but for "rest", the largest difference of a value: nothing for octaves, and for layers what rounding to
8 bits changed. Parts of a change that was worked out on a small copy of the photo are those of the change on the copy.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from app.records.changes import Change, LayerPart, LayerParts, Magnified, OctavePart, OctaveParts, Parts
from foundation.images.files import load_image, save_png, to_tensor
from generator.priors.contributions import contributions, octaves
from generator.priors.operators import layer_shape
from generator.priors.prior import Prior
from generator.recipes.perturbations import PERTURBATIONS
from generator.synthesis.apart import rendered
from generator.synthesis.synthesis import Synthesis

PartT = TypeVar("PartT", LayerPart, OctavePart)


def save_changes(
    folder: Path, images: Sequence[Path], source: Tensor, synthesis: Synthesis | None
) -> tuple[Change, ...]:
    """Save the changes of saved pictures of a photo [1 or B, 3, H, W], and their parts; return what there is.

    `synthesis` made the pictures, and is as it was in the end; without it there are no parts. Raises ImageError.
    """
    changes = torch.cat([to_tensor(load_image(path)) for path in images]) - source.cpu()
    shown = [_save(change, folder / f"change-{number}.png") for number, change in enumerate(changes, start=1)]
    parts: Sequence[Parts | None] = (
        [None] * len(shown) if synthesis is None else _save_parts(folder, changes, synthesis)
    )
    return tuple(Change.of(one, parts=own) for one, own in zip(shown, parts, strict=True))


def _save_parts(folder: Path, changes: Tensor, synthesis: Synthesis) -> list[Parts]:
    """Save the parts of changes [B, 3, H, W]."""
    if synthesis.copy is not None:  # its parts are of what was worked out, before that was enlarged
        changes = (rendered(synthesis.prior) - synthesis.copy.image).cpu()
    factor = 1.0 if synthesis.copy is None else synthesis.copy.factor
    if PERTURBATIONS[synthesis.recipe.perturbation].parts == "octaves":
        waves, rest = _save_each(folder, changes, _octaves(changes, factor))
        return [OctaveParts(kind="octaves", shown=own, rest=left) for own, left in zip(waves, rest, strict=True)]
    layers, rest = _save_each(folder, changes, _layers(synthesis.prior))
    return [LayerParts(kind="layers", shown=own, rest=left) for own, left in zip(layers, rest, strict=True)]


def _save_each(
    folder: Path, changes: Tensor, parts: Iterator[tuple[Callable[[Magnified], PartT], Tensor]]
) -> tuple[list[tuple[PartT, ...]], list[float]]:
    """Save parts of changes; those of each change, and what they lack of it."""
    shown: list[tuple[PartT, ...]] = [() for _ in changes]
    rest = changes.clone()
    for index, (named, part) in enumerate(parts, start=1):
        rest -= part
        for place, change in enumerate(part):
            shown[place] += (named(_save(change, folder / f"change-{place + 1}-{index}.png")),)
    return shown, [left.abs().max().item() for left in rest]


def _layers(prior: Prior) -> Iterator[tuple[Callable[[Magnified], LayerPart], Tensor]]:
    for part in contributions(prior):
        cells = layer_shape(part.band[-1], prior.size)
        yield partial(LayerPart.of, resolutions=part.band, cells=cells), part.change.cpu()


def _octaves(changes: Tensor, factor: float) -> Iterator[tuple[Callable[[Magnified], OctavePart], Tensor]]:
    """The octaves of changes whose pixels are so many times as long as the photo's."""
    longest = max(changes.shape[2:])
    for part in octaves(changes):
        ends: tuple[float | None, float | None] = (None, None)
        if part.low:
            ends = (factor * 2 * longest / part.low, factor * max(2.0, 2 * longest / part.high))
        yield partial(OctavePart.of, longest=ends[0], shortest=ends[1]), part.change


def _save(change: Tensor, path: Path) -> Magnified:
    """Save a change [3, H, W] round mid-grey, magnified until it fills the range."""
    largest = change.abs().max().item()
    factor = 0.5 / largest if largest > 0 else 1.0
    save_png((0.5 + factor * change).clamp(0, 1), path)
    return Magnified(file=path.name, factor=factor, largest=largest)
