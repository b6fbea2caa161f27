"""The change that an attack made, magnified, and taken apart by resolution: files for the page.

For each picture, as JSON:

    file, factor, largest   the whole change round mid-grey, how many times as strong as it is, and its largest value
    parts                   {"kind", "shown", "rest"}; absent where the attack diverged and its layers are gone

A perturbation in layers has parts of the kind "layers": {"file", "factor", "largest", "resolutions", "cells"}, what
each layer, or band of neighbouring layers, contributes (see `generator.priors.contributions`); "cells" are the rows and
columns of the finest. One of single pixels has the kind "octaves": {"file", "factor", "largest", "from", "to"}, its
parts by wavelength in pixels, from the longest to the shortest (both None for the mean). All parts add up to the saved
change but for "rest", the largest difference of a value: nothing for octaves, and for layers what rounding to 8 bits
changed. Parts of a change that was worked out on a small copy of the photo are those of the change on the copy.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from foundation.images.files import load_image, save_png, to_tensor
from generator.priors.contributions import contributions, octaves
from generator.priors.operators import layer_shape
from generator.priors.prior import Prior
from generator.recipes.perturbations import PERTURBATIONS
from generator.synthesis.apart import rendered
from generator.synthesis.synthesis import Synthesis


def save_changes(
    folder: Path, images: Sequence[Path], source: Tensor, synthesis: Synthesis | None
) -> list[dict[str, Any]]:
    """Save the changes of saved pictures of a photo [1 or B, 3, H, W], and their parts; return what there is, as JSON.

    `synthesis` made the pictures, and is as it was in the end; without it there are no parts. Raises ImageError.
    """
    changes = torch.cat([to_tensor(load_image(path)) for path in images]) - source.cpu()
    shown = [_save(change, folder / f"change-{number}.png") for number, change in enumerate(changes, start=1)]
    if synthesis is None:
        return shown
    return [{**one, "parts": parts} for one, parts in zip(shown, _save_parts(folder, changes, synthesis), strict=True)]


def _save_parts(folder: Path, changes: Tensor, synthesis: Synthesis) -> list[dict[str, Any]]:
    """Save the parts of changes [B, 3, H, W]."""
    kind = PERTURBATIONS[synthesis.recipe.perturbation].parts
    shown: list[list[dict[str, Any]]] = [[] for _ in changes]
    if synthesis.copy is not None:  # its parts are of what was worked out, before that was enlarged
        changes = (rendered(synthesis.prior) - synthesis.copy.image).cpu()
    factor = 1.0 if synthesis.copy is None else synthesis.copy.factor
    parts = _octaves(changes, factor) if kind == "octaves" else _layers(synthesis.prior)
    rest = changes.clone()
    for index, (facts, part) in enumerate(parts, start=1):
        rest -= part
        for number, (own, change) in enumerate(zip(shown, part, strict=True), start=1):
            own.append({**_save(change, folder / f"change-{number}-{index}.png"), **facts})
    return [
        {"kind": kind, "shown": own, "rest": left.abs().max().item()} for own, left in zip(shown, rest, strict=True)
    ]


def _layers(prior: Prior) -> Iterator[tuple[dict[str, Any], Tensor]]:
    for part in contributions(prior):
        cells = layer_shape(part.band[-1], prior.size)
        yield {"resolutions": list(part.band), "cells": list(cells)}, part.change.cpu()


def _octaves(changes: Tensor, factor: float) -> Iterator[tuple[dict[str, Any], Tensor]]:
    """The octaves of changes whose pixels are so many times as long as the photo's."""
    longest = max(changes.shape[2:])
    for part in octaves(changes):
        ends: tuple[float | None, float | None] = (None, None)
        if part.low:
            ends = (factor * 2 * longest / part.low, factor * max(2.0, 2 * longest / part.high))
        yield dict(zip(("from", "to"), ends, strict=True)), part.change


def _save(change: Tensor, path: Path) -> dict[str, Any]:
    """Save a change [3, H, W] round mid-grey, magnified until it fills the range; how, as JSON."""
    largest = change.abs().max().item()
    factor = 0.5 / largest if largest > 0 else 1.0
    save_png((0.5 + factor * change).clamp(0, 1), path)
    return {"file": path.name, "factor": factor, "largest": largest}
