"""Views that help attacks transfer to models that they were not made on, as published.

    di    input diversity: resized and padded at random      Xie et al., arXiv 1803.06978
    ti    translation invariance: a blurred gradient          Dong et al., arXiv 1904.02884
    si    scale copies: the mean over darker copies           Lin et al., arXiv 1908.06281
    blocks  blocks of random sizes in another order           Wang et al., arXiv 2308.10299

Like all views they compose: ``ti:7 | si:5 | di:0.7:1.1`` with the update rule mi-fgsm is SI-DI-TI-MI-FGSM. Random
crops matched to crops of a target picture (M-Attack, arXiv 2503.10635) are ``crop:0.5-0.9`` here and in a recipe's
`target_views`; averaging over several crops is asking for several views in a step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import torch
from torch import Generator, Tensor
from torch.nn import functional

from foundation.errors import StudioError
from generator.views.shown import CUT, Shown
from generator.views.text import check_between, parse_number, parse_whole
from generator.views.windows import integers


def gaussian(padded: Tensor, sigma: float, radius: int) -> Tensor:
    """Convolve [B, 3, H + 2 radius, W + 2 radius] with a normalised Gaussian of 2 radius + 1 taps to [B, 3, H, W]."""
    offsets = torch.arange(-radius, radius + 1, dtype=padded.dtype, device=padded.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    rows = functional.conv2d(padded, kernel[:, :, :, None], groups=3)
    return functional.conv2d(rows, kernel[:, :, None, :], groups=3)


@dataclass(frozen=True)
class DiverseInput:
    """With probability `p` the image at a random smaller size, padded with black at a random place.

    Input diversity, Xie et al. (arXiv 1803.06978).

    The padded canvas has `rate` times the sides of the image, and the image there 1 to `rate` times its own (or
    `rate` to 1 times, on a canvas of its own size, if `rate` is below 1). The authors enlarge 299 pixels to at most
    330 (1.1) with p = 0.5 or more.
    """

    syntax: ClassVar[str] = "PROBABILITY, or PROBABILITY:RATE with how large the padded canvas is (0.1 to 4)"
    p: float = 0.5
    rate: float = 1.1

    def __post_init__(self) -> None:
        """Check the settings."""
        check_between("probability of a change", 0, 1, self.p)
        check_between("rate of a change in size", 0.1, 4, self.rate)

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Change images [B, 3, H, W] to [B, 3, ~rate H, ~rate W], or not at all; one size per call."""
        changed, fraction = torch.rand(2, generator=rng, device=rng.device, dtype=torch.float64).tolist()
        batch, _, height, width = images.shape
        canvas_rate = max(1.0, self.rate)
        rows, columns = max(1, round(canvas_rate * height)), max(1, round(canvas_rate * width))
        scale = min(1.0, self.rate) + fraction * abs(self.rate - 1)
        new_height, new_width = max(1, min(rows, round(scale * height))), max(1, min(columns, round(scale * width)))
        tops, lefts = integers(0, rows - new_height, batch, rng), integers(0, columns - new_width, batch, rng)
        if changed >= self.p:
            return images
        resized = functional.interpolate(images, size=(new_height, new_width), mode="bilinear", antialias=True)
        placed = [
            functional.pad(image, (left, columns - new_width - left, top, rows - new_height - top))
            for image, top, left in zip(resized.unbind(0), tops, lefts, strict=True)
        ]
        return torch.stack(placed)

    @classmethod
    def from_text(cls, argument: str) -> Self:
        """Read ``0.7`` or ``0.7:1.1``; nothing means the defaults."""
        return cls(*(parse_number(part) for part in argument.split(":"))) if _parts(argument, 2) else cls()

    def shown(self, seen: Shown, /) -> Shown:
        """Return the padded canvas, for 10 passes."""
        return seen.resized(seen.scaled(max(1.0, self.rate)), 10)


def _parts(argument: str, most: int) -> int:
    """How many settings an argument has; StudioError if there are too many."""
    count = len(argument.split(":")) if argument else 0
    if count > most:
        raise StudioError(f"it has {count} settings after its name, and there are {most}.")
    return count


class _BlurredGradient(torch.autograd.Function):
    """The identity, whose gradient is convolved with a Gaussian."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, radius: int) -> Tensor:
        ctx.radius = radius
        return images.view_as(images)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        radius = ctx.radius
        padded = functional.pad(gradients[0], (radius, radius, radius, radius))
        return gaussian(padded, radius / math.sqrt(3), radius), None


@dataclass(frozen=True)
class TranslationInvariance:
    """The image itself; its gradient is convolved with a Gaussian of `radius` k (2 k + 1 taps, sigma = k / sqrt 3).

    Translation invariance, Dong et al. (arXiv 1904.02884): to first order, the mean gradient over shifted copies. The
    authors take k = 7. It belongs in front of the other views, where the gradient that it gets is that of the picture.
    """

    syntax: ClassVar[str] = "RADIUS of the kernel in pixels, from 0 to 64"
    radius: int = 7

    def __post_init__(self) -> None:
        """Check the radius."""
        check_between("radius of the kernel", 0, 64, self.radius)

    def __call__(self, images: Tensor, _rng: Generator) -> Tensor:
        """Return the images [B, 3, H, W]."""
        if self.radius == 0:
            return images
        blurred: Tensor = _BlurredGradient.apply(images, self.radius)  # type: ignore[no-untyped-call]
        return blurred

    @classmethod
    def from_text(cls, argument: str) -> Self:
        """Read ``7``; nothing means the default."""
        return cls(parse_whole(argument)) if argument else cls()

    def shown(self, seen: Shown, /) -> Shown:
        """Return a convolution, of the gradient alone."""
        return seen.convolved(self.radius / 2)


@dataclass(frozen=True)
class ScaleCopies:
    """Copies of the image, copy i divided by 2^i: the model sees `copies` of them, and their mean counts.

    Scale invariance, Lin et al. (arXiv 1908.06281), who take 5. Each costs a pass of the model.
    """

    syntax: ClassVar[str] = "COPIES, a whole number from 1 to 16"
    copies: int = 5

    def __post_init__(self) -> None:
        """Check the number."""
        check_between("number of copies", 1, 16, self.copies)

    def __call__(self, images: Tensor, _rng: Generator) -> Tensor:
        """Map images [B, 3, H, W] to [copies B, 3, H, W]: all images, all images at half their values, ..."""
        return torch.cat([images / 2**i for i in range(self.copies)])

    @classmethod
    def from_text(cls, argument: str) -> Self:
        """Read ``5``; nothing means the default."""
        return cls(parse_whole(argument)) if argument else cls()

    def shown(self, seen: Shown, /) -> Shown:
        """Return all copies."""
        return seen.cut(seen.size, copies=self.copies)


@dataclass(frozen=True)
class ShuffledBlocks:
    """The image cut into `count` strips, and each of them into as many blocks, strips and blocks in a random order.

    Block shuffle, Wang et al. (arXiv 2308.10299), who take 2 and turn each block by some degrees, too, which this does
    not. Where the cuts lie, and whether strips are columns or rows, is drawn for each image.
    """

    syntax: ClassVar[str] = "COUNT of strips, and of blocks in each, a whole number from 1 to 8"
    count: int = 2

    def __post_init__(self) -> None:
        """Check the number."""
        check_between("number of blocks", 1, 8, self.count)

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Put the parts of images [B, 3, H, W] in another order."""
        return torch.stack([self._shuffled(image, rng) for image in images.unbind(0)])

    def _shuffled(self, image: Tensor, rng: Generator) -> Tensor:
        (first,) = integers(1, 2, 1, rng)
        strips = [self._reordered(strip, 3 - first, rng) for strip in self._cut(image, first, rng)]
        return torch.cat(_in_any_order(strips, rng), dim=first)

    def _reordered(self, strip: Tensor, dim: int, rng: Generator) -> Tensor:
        return torch.cat(_in_any_order(self._cut(strip, dim, rng), rng), dim=dim)

    def _cut(self, part: Tensor, dim: int, rng: Generator) -> list[Tensor]:
        """Pieces of random lengths along an axis; some may have none."""
        side = part.shape[dim]
        ends = [0, *sorted(integers(0, side, self.count - 1, rng)), side]
        return [part.narrow(dim, start, end - start) for start, end in pairwise(ends)]

    @classmethod
    def from_text(cls, argument: str) -> Self:
        """Read ``2``; nothing means the default."""
        return cls(parse_whole(argument)) if argument else cls()

    def shown(self, seen: Shown, /) -> Shown:
        """Return the same size, cut and put together twice."""
        return seen.passed(2 * CUT)


def _in_any_order(parts: Sequence[Tensor], rng: Generator) -> list[Tensor]:
    return [parts[place] for place in torch.randperm(len(parts), generator=rng, device=rng.device).tolist()]
