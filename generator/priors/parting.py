"""How a change is taken apart to be looked at: its own layers, or octaves of wavelength; another way is a `Parting`."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from generator.priors.contributions import Contribution, Octave, contributions, octaves
from generator.priors.prior import Prior


@dataclass(frozen=True, eq=False)
class Part:
    """A part of changes [B, 3, H, W], and what the page calls it."""

    title: str
    change: Tensor


AnyPart: TypeAlias = Contribution | Octave | Part


def few(_layers: int, pixels: int) -> int:
    """About as many parts as a picture of so many pixels has octaves."""
    return max(1, int(math.log2(pixels)) // 2)


@dataclass(frozen=True)
class Parting:
    """A way to take changes apart.

    Attributes:
        split: from changes [B, 3, H, W], and the prior that made them, to parts, which may add up to them.
        says: what the parts are, on the page; "{rest}" stands for the most that they lack of the change, of 255.
        count: how many there are about, from the number of layers and of pixels: for what they cost.
    """

    split: Callable[[Tensor, Prior], Iterator[AnyPart]]
    says: str
    count: Callable[[int, int], int] = few


LAYERS = Parting(
    lambda _changes, prior: contributions(prior),
    "What each layer of the perturbation contributes, and how many times as strong it is shown. Together they are the "
    "change, but for {rest}/255 at most, which saving in 8 bits rounds.",
    lambda layers, _pixels: min(12, max(1, layers)),
)
OCTAVES = Parting(
    lambda changes, _prior: octaves(changes),
    "A perturbation of single pixels has no layers. This is its change by wavelength, octave by octave (cosine "
    "transform), and how many times as strong it is shown. Together they are the change.",
)
