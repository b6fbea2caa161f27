"""The layers of a picture as pictures: each by itself, and the picture as it builds up from coarse to fine.

A canvas may have hundreds of layers, each of its full size once enlarged. They are made one at a time here, and
shown in bands of neighbouring resolutions where there are too many to look at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.priors.prior import Prior

Band = tuple[int, ...]
"""Resolutions, ascending, that are shown together."""

CONTRAST = 0.5
"""Root mean square, in units of X, to which a band by itself is scaled: tanh X is not yet saturated there."""


@dataclass(frozen=True, eq=False)
class BandPicture:
    """A band of layers, for looking at.

    Attributes:
        band: its resolutions.
        alone: images [B, 3, H, W] in [0, 1] of these layers on mid-grey, each scaled to a contrast that shows.
        cumulative: images [B, 3, H, W] in [0, 1] of all layers up to and with these, under the picture's bound.
        strength: root mean square [B] of these layers in X, before the scaling.
    """

    band: Band
    alone: Tensor
    cumulative: Tensor
    strength: Tensor


def bands(resolutions: Sequence[int], most: int = 12) -> tuple[Band, ...]:
    """Group resolutions: each by itself if there are at most so many, else by octaves (1, 2-3, 4-7, 8-15 ...)."""
    ordered = sorted(resolutions)
    if len(ordered) <= most:
        return tuple((r,) for r in ordered)
    octaves: dict[int, list[int]] = {}
    for r in ordered:
        octaves.setdefault(r.bit_length(), []).append(r)
    return tuple(tuple(octave) for octave in octaves.values())


def band_pictures(
    prior: Prior, shown: Sequence[Band] | None = None, *, contrast: float | None = CONTRAST
) -> Iterator[BandPicture]:
    """Show the layers of a prior's pictures band by band, from coarse to fine.

    Args:
        prior: whose pictures; it is read as it is at each step of the iteration.
        shown: bands of the prior's resolutions in ascending order, none twice; `bands` of all unless given.
            Layers that are in no band still take part in the cumulative images.
        contrast: what each band by itself is scaled to (see CONTRAST); None shows it as strong as it is.

    Raises StudioError for bands that are out of order or not of this picture.
    """
    chosen = bands(prior.resolutions) if shown is None else tuple(tuple(band) for band in shown)
    listed = [r for band in chosen for r in band]
    unknown = sorted(set(listed) - set(prior.resolutions))
    if unknown:
        raise StudioError(f"This picture has no layer of resolution {unknown[0]}.")
    if not all(chosen) or listed != sorted(set(listed)):
        raise StudioError("Give the bands from coarse to fine, each resolution once, and none of them empty.")
    return _band_pictures(prior, chosen, contrast)


def _band_pictures(prior: Prior, chosen: Sequence[Band], contrast: float | None) -> Iterator[BandPicture]:
    operator = prior.operator
    below = torch.zeros(prior.batch, 3, *prior.size, dtype=operator.dtype, device=operator.device)
    remaining = list(prior.resolutions)
    for band in chosen:
        alone = torch.zeros_like(below)
        while remaining and remaining[0] <= band[-1]:
            r = remaining.pop(0)
            layer = prior.layer_image(r)
            below += layer
            if r in band:
                alone += layer
        strength = alone.square().mean((1, 2, 3)).sqrt()
        if contrast is not None:
            alone *= contrast / torch.where(strength > 0, strength, 1).view(-1, 1, 1, 1)
        yield BandPicture(band, prior.bound.on_grey.apply(alone), prior.bound.apply(below), strength)
