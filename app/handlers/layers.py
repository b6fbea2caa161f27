"""The layers of finished pictures, kept beside them so that a page can switch them on and off."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from foundation.files.text_files import replace_whole
from foundation.images.files import load_image, to_pil, to_tensor
from generator.priors.bounds import Bound
from generator.priors.operators import Size, balanced_weights, resolution_operator
from generator.priors.prior import LayeredPrior, Prior
from generator.priors.small_copy import SmallCopy
from generator.recipes.perturbations import bound_on
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.synthesis import Synthesis

SOURCE_NAME = "source.png"
"""The photo that a picture started from, in its job's folder."""
MASK_NAME = "mask.png"
"""Where that photo may change."""
MAX_BYTES = 64 << 20
"""Layers of one picture that take more than this are kept as sums of bands, and not at all if those do, too."""
MOST_BANDS = 12

Band = tuple[int, ...]


def bands(resolutions: Sequence[int], most: int = MOST_BANDS) -> list[Band]:
    """Group many resolutions into few: each alone while they are few, else octaves (1, 2-3, 4-7, 8-15 ...)."""
    ordered = sorted(resolutions)
    if len(ordered) <= most:
        return [(r,) for r in ordered]
    octaves: dict[int, list[int]] = {}
    for r in ordered:
        octaves.setdefault(r.bit_length(), []).append(r)
    return [tuple(group) for _, group in sorted(octaves.items())]


def layer_path(folder: Path, index: int) -> Path:
    """Where the layers of picture `index` (from 0) are kept."""
    return folder / f"layers-{index + 1}.safetensors"


def save_layers(synthesis: Synthesis, folder: Path) -> None:
    """Keep the layers of every picture, unless they are too large. Raises OSError.

    Each layer P_r [3, rh, rw] by itself; where those of a picture are too large, the sums [3, H, W] of the
    layers of each band, as they are added up before the bound.
    """
    prior, facts = synthesis.prior, {"recipe": synthesis.recipe.to_json()}
    if synthesis.copy is not None:
        facts["canvas"] = json.dumps(prior.size)
    if sum(12 * height * width for height, width in prior.operator.shapes) <= MAX_BYTES:
        kept = {str(r): layer for r, layer in prior.layers().items()}
    else:
        groups = bands(prior.resolutions)
        if 12 * prior.size[0] * prior.size[1] * len(groups) > MAX_BYTES:
            return
        facts["bands"] = json.dumps(groups)
        kept = {str(number): _sum(prior, group) for number, group in enumerate(groups)}
    for index in range(prior.batch):
        tensors = {name: layer[index].float().cpu().contiguous() for name, layer in kept.items()}
        replace_whole(layer_path(folder, index), save(tensors, facts), durable=False)


def _sum(prior: Prior, band: Band) -> Tensor:
    return torch.stack([prior.layer_image(r) for r in band]).sum(0)


class SavedLayers:
    """Shows saved layers: what the page asks for. The photo that a picture started from lies beside them."""

    def resolutions(self, folder: Path, index: int) -> Sequence[int]:
        """The resolutions of picture `index` (from 0), ascending; empty where no layers were kept."""
        try:
            with safe_open(layer_path(folder, index), framework="pt") as file:
                groups = _groups(file.metadata())
                return sorted(r for band in groups for r in band) if groups else sorted(map(int, file.keys()))
        except (OSError, SafetensorError):
            return ()

    def render(self, folder: Path, index: int, keep: Collection[int], *, on_grey: bool = False) -> Image.Image:
        """Picture `index` with only these resolutions switched on; `on_grey` leaves out a photo it started from.

        Of layers that were kept as sums of bands, a whole band is on if one of its resolutions is.
        """
        shown = load_shown(folder, index)
        image = (shown.bound.on_grey if on_grey else shown.bound).apply(shown.layers.add_up(keep))
        return to_pil(image)[0]


class _Summed(Protocol):
    def add_up(self, keep: Collection[int]) -> Tensor:
        """The sum X [1, 3, H, W] of some layers, before the bound."""
        ...


@dataclass(frozen=True, eq=False)
class _Layers:
    prior: LayeredPrior

    def add_up(self, keep: Collection[int]) -> Tensor:
        layers = [layer if r in keep else torch.zeros_like(layer) for r, layer in self.prior.layers().items()]
        return self.prior.operator.up(layers)


@dataclass(frozen=True, eq=False)
class _Sums:
    bands: Sequence[Band]
    sums: Sequence[Tensor]

    def add_up(self, keep: Collection[int]) -> Tensor:
        total = torch.zeros_like(self.sums[0])
        for band, layer in zip(self.bands, self.sums, strict=True):
            if not set(band).isdisjoint(keep):
                total += layer
        return total


@dataclass(frozen=True, eq=False)
class _Shown:
    layers: _Summed
    bound: Bound


@lru_cache(maxsize=2)
def load_shown(folder: Path, index: int) -> _Shown:
    """The picture's layers as they were in the end. Kept, because a page asks for many combinations in a row."""
    with safe_open(layer_path(folder, index), framework="pt") as file:
        facts = file.metadata()
        tensors = {int(name): file.get_tensor(name)[None] for name in file.keys()}  # noqa: SIM118 (no mapping)
    recipe, groups = Recipe.parse_json(facts["recipe"]), _groups(facts)
    canvas: Size | None = tuple(json.loads(facts["canvas"])) if "canvas" in facts else None
    bound = _bound(recipe, folder, canvas)
    if groups:
        return _Shown(_Sums(groups, [tensors[number] for number in range(len(groups))]), bound)
    resolutions = tuple(sorted(tensors))
    size = canvas or recipe.size
    weights = balanced_weights(resolutions, size, recipe.balance)
    operator = resolution_operator(resolutions, size, weights=weights, wrap=recipe.tile)
    return _Shown(_Layers(LayeredPrior(operator, bound, start=tensors)), bound)


def _groups(facts: dict[str, str]) -> list[Band]:
    return [tuple(band) for band in json.loads(facts.get("bands", "[]"))]


def _bound(recipe: Recipe, folder: Path, canvas: Size | None) -> Bound:
    """The bound of a saved picture; of one that was worked out on a small copy, that round the copy."""
    photo, mask = folder / SOURCE_NAME, folder / MASK_NAME
    source = to_tensor(load_image(photo)) if recipe.task == "attack" or recipe.source else None
    copy = None if source is None or canvas is None else SmallCopy.of(source, canvas)
    return bound_on(recipe, Pictures(source, mask=to_tensor(load_image(mask)) if recipe.mask else None), copy)
