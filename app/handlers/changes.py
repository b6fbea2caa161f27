"""The change that an attack made, magnified, and taken apart by resolution: files for the page.

The whole change is round mid-grey, magnified until it fills the range. All parts (see `app.records.changes`) add up to
the saved change but for "rest", the largest difference of a value: nothing for octaves, and for layers what rounding to
8 bits changed. Parts of a change that was worked out on a small copy of the photo are those of the change on the copy.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from app.records.changes import (
    Change,
    LayerPart,
    LayerParts,
    Magnified,
    NamedPart,
    NamedParts,
    OctavePart,
    OctaveParts,
    Parts,
)
from foundation.images.files import load_image, save_png, to_tensor
from generator.priors.contributions import Contribution, Octave
from generator.priors.operators import layer_shape
from generator.priors.parting import AnyPart, Part
from generator.priors.prior import Prior
from generator.recipes.perturbations import PERTURBATIONS
from generator.synthesis.apart import rendered
from generator.synthesis.synthesis import Synthesis

AnyShown: TypeAlias = LayerPart | OctavePart | NamedPart


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
    parting = PERTURBATIONS[synthesis.recipe.perturbation].parts
    shown: list[list[AnyShown]] = [[] for _ in changes]
    rest = changes.clone()
    for index, part in enumerate(parting.split(changes, synthesis.prior), start=1):
        named, shares = _named(part, synthesis.prior, factor), part.change.cpu()
        rest -= shares
        for place, share in enumerate(shares):
            shown[place].append(named(_save(share, folder / f"change-{place + 1}-{index}.png")))
    return [_together(own, parting.says, left.abs().max().item()) for own, left in zip(shown, rest, strict=True)]


def _named(part: AnyPart, prior: Prior, factor: float) -> Callable[[Magnified], AnyShown]:
    """What says of a saved part which it is; a pixel of it is so many times as long as the photo's."""
    match part:
        case Contribution():
            cells = layer_shape(part.band[-1], prior.size)
            return partial(LayerPart.of, resolutions=part.band, cells=cells)
        case Octave():
            longest = max(part.change.shape[2:])
            ends: tuple[float | None, float | None] = (None, None)
            if part.low:
                ends = (factor * 2 * longest / part.low, factor * max(2.0, 2 * longest / part.high))
            return partial(OctavePart.of, longest=ends[0], shortest=ends[1])
        case Part():
            return partial(NamedPart.of, title=part.title)


def _together(shown: Sequence[AnyShown], says: str, rest: float) -> Parts:
    """All parts of a change, which are of one kind."""
    if layers := tuple(one for one in shown if isinstance(one, LayerPart)):
        return LayerParts(kind="layers", shown=layers, rest=rest)
    if waves := tuple(one for one in shown if isinstance(one, OctavePart)):
        return OctaveParts(kind="octaves", shown=waves, rest=rest)
    named = tuple(one for one in shown if isinstance(one, NamedPart))
    return NamedParts(kind="named", says=says, shown=named, rest=rest)


def _save(change: Tensor, path: Path) -> Magnified:
    """Save a change [3, H, W] round mid-grey, magnified until it fills the range."""
    largest = change.abs().max().item()
    factor = 0.5 / largest if largest > 0 else 1.0
    save_png((0.5 + factor * change).clamp(0, 1), path)
    return Magnified(file=path.name, factor=factor, largest=largest)
