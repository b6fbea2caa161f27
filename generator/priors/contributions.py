"""A change taken apart: what each resolution contributes to it, or each octave of spatial frequency.

A bound is no sum of layers, so what a layer contributes has to be said. With D(X) = bound(X) - bound(0) and
X = sum_b x_b, the bands of layers x_b are given shares of the change in proportion, value by value:

    c_b = D(X) x_b / X,   so that   sum_b c_b = D(X).

For bounds that squash every value by itself this is the integral of x_b times the slope of D along the straight way
from 0 to X, whatever the order of the bands (integrated gradients, arXiv 1703.01365). Under L2, where all values share
one factor besides, that factor is the one of the whole X.

A perturbation of single pixels has no layers. Its change can be split by wavelength instead: the low passes of the
orthonormal DCT-II, taken octave by octave, differ by parts that are orthogonal and add up to the change.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from generator.priors.bounds import Bound
from generator.priors.decomposition import cosines
from generator.priors.layers import Band, bands
from generator.priors.prior import Prior

_TINY = 1e-9
"""Values of X nearer to 0 than this stand for the slope there: in float64, small enough and not lost in rounding."""


@dataclass(frozen=True, eq=False)
class Contribution:
    """What some layers contribute to the changes [B, 3, H, W] of a prior's pictures.

    Attributes:
        band: their resolutions.
        change: their share, in pixel values; all shares together are the change.
    """

    band: Band
    change: Tensor


@torch.no_grad()
def contributions(prior: Prior) -> Iterator[Contribution]:
    """Split what a prior's pictures have moved from those of X = 0, from coarse to fine.

    Layers come one by one while they are few, else by octaves (see `bands`). X is the sum of the layers, from which
    that of a prior with a tolerance differs by as much.
    """
    gain = _gain(prior.bound, prior.operator.up(list(prior.layers().values())))
    for band in bands(prior.resolutions):
        together = torch.zeros_like(gain)
        for resolution in band:
            together += prior.layer_image(resolution)
        yield Contribution(band, gain * together)


def _gain(bound: Bound, x: Tensor) -> Tensor:
    """D(X) / X [B, 3, H, W], and its limit where X is 0."""
    exact = bound.to(torch.device("cpu"), torch.float64)
    far = x.to("cpu", torch.float64)
    far = torch.where(far.abs() < _TINY, torch.full_like(far, _TINY).copysign(far), far)
    return ((exact.apply(far) - exact.apply(torch.zeros_like(far))) / far).to(x)


@dataclass(frozen=True, eq=False)
class Octave:
    """The part of a change [B, C, H, W] in an octave of spatial frequency.

    Attributes:
        low, high: it has the frequencies f with low <= f < high, in half-cycles per longer side and the higher of
            the two directions: what `high` cells can show, and `low` cannot. The first holds the mean alone.
        change: this part; those of all octaves are orthogonal, and add up to the change.
    """

    low: int
    high: int
    change: Tensor


@torch.no_grad()
def octaves(change: Tensor) -> Iterator[Octave]:
    """Split a change [B, C, H, W] into octaves of spatial frequency, from coarse to fine."""
    longest = max(change.shape[-2:])
    rows, columns = (cosines(side).to(change) for side in change.shape[-2:])
    spectrum = rows @ change @ columns.mT
    below, low, high = torch.zeros_like(change), 0, 1
    while low < longest:
        upto = change
        if high < longest:
            tall, wide = (math.ceil(high * side / longest) for side in change.shape[-2:])
            upto = rows[:tall].mT @ spectrum[..., :tall, :wide] @ columns[:wide]
        yield Octave(low, high, upto - below)
        below, low, high = upto, high, 2 * high
