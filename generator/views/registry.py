"""Views: the random, differentiable changes under which an image is scored.

An image that scores well under all views of it cannot rely on exact pixel values or positions. A view maps
images [B, 3, H, W] to images [B, 3, H', W'] and takes its randomness from the generator it is handed, only.
Positions, flips, noise and qualities are drawn for each image of the batch; sizes are drawn once per call,
because a batch has one size. Nothing is clipped to [0, 1] after noise is added, unless "clip" says so: clipping stops
the gradient exactly where the image touches black or white.

Views have a compact text form, which is what a recipe holds: ``crop:0.8-1 | noise:0.05 | flip:0.5``. Alternatives
are joined by "or", and one of them is drawn at every call: ``jpeg:50-95 or blur:0-1.5 or identity``. With several
views in a step, that is the expectation over transformations (EOT, Athalye et al., arXiv 1707.07397) through which an
attack survives what happens to files. The views that make attacks transfer are in `generator.views.transfer`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

import torch
from torch import Generator, Tensor
from torch.nn import functional

from foundation.errors import StudioError
from generator.views.jpeg import jpeg
from generator.views.shown import Counted, Shown
from generator.views.text import NoArgument, OneNumber, OneRange, check_between, parse_whole_range
from generator.views.transfer import DiverseInput, ScaleCopies, ShuffledBlocks, TranslationInvariance, gaussian
from generator.views.windows import RandomCrop, RandomWindow, Roll, Shift, integers, uniform_between


class View(Protocol):
    """Anything that changes images differentiably, drawing from the generator it is given."""

    def __call__(self, images: Tensor, rng: Generator, /) -> Tensor:
        """Map images [B, 3, H, W] to images [B, 3, H', W']."""
        ...


class TextView(View, Protocol):
    """A view that the text form can name: `name[:argument]`."""

    syntax: ClassVar[str]
    """What may follow the name, for people, e.g. ``SCALE or MIN-MAX``."""

    @classmethod
    def from_text(cls, argument: str) -> Self:
        """Build the view from what follows its name ("": nothing does); StudioError if it makes no sense."""
        ...

    def shown(self, seen: Shown, /) -> Shown:
        """Return what a model is shown through it of what is seen before it, and what that costs."""
        ...


def _uniform(shape: tuple[int, ...], rng: Generator, like: Tensor) -> Tensor:
    """Draw from [0, 1) where the generator lives, and bring it to `like`'s device and type."""
    return torch.rand(shape, generator=rng, device=rng.device).to(like)


@dataclass(frozen=True)
class Identity(NoArgument):
    """The image itself."""

    passes: ClassVar[float] = 0

    def __call__(self, images: Tensor, _rng: Generator) -> Tensor:
        """Return the images unchanged."""
        return images


@dataclass(frozen=True)
class GaussianNoise(OneNumber):
    """Normal noise of standard deviation `std` (in units of the range 0..1) on every value."""

    passes: ClassVar[float] = 8
    syntax: ClassVar[str] = "STANDARD DEVIATION, from 0 to 10"
    std: float = 0.05

    def __post_init__(self) -> None:
        """Check the strength."""
        check_between("noise", 0, 10, self.std)

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Add the noise; the result may leave [0, 1]."""
        noise = torch.randn(images.shape, generator=rng, device=rng.device).to(images)
        return images + self.std * noise


@dataclass(frozen=True)
class UniformNoise(OneNumber):
    """Noise from [0, amplitude) on every value, not centred, as in Direct Ascent Synthesis (arXiv 2502.07753)."""

    passes: ClassVar[float] = 5
    syntax: ClassVar[str] = "AMPLITUDE, from 0 to 10"
    amplitude: float = 0.2

    def __post_init__(self) -> None:
        """Check the strength."""
        check_between("noise", 0, 10, self.amplitude)

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Add the noise; the result may leave [0, 1]."""
        return images + self.amplitude * _uniform(tuple(images.shape), rng, images)


@dataclass(frozen=True)
class Clip(NoArgument):
    """Values brought back into [0, 1], as after the noise of Direct Ascent Synthesis (arXiv 2502.07753).

    Where a view has left that range, no gradient comes back through this.
    """

    passes: ClassVar[float] = 4

    def __call__(self, images: Tensor, _rng: Generator) -> Tensor:
        """Cut off what is below 0 or above 1."""
        return images.clamp(0, 1)


@dataclass(frozen=True)
class HorizontalFlip(OneNumber):
    """A mirror image with probability `p`, decided for each image."""

    passes: ClassVar[float] = 8
    syntax: ClassVar[str] = "PROBABILITY, from 0 to 1"
    p: float = 0.5

    def __post_init__(self) -> None:
        """Check the probability."""
        check_between("probability of a flip", 0, 1, self.p)

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Mirror some of the images [B, 3, H, W] left to right."""
        flipped = _uniform((images.shape[0], 1, 1, 1), rng, images) < self.p
        return torch.where(flipped, images.flip(-1), images)


@dataclass(frozen=True)
class Resize(OneRange):
    """The whole image, resized by a factor from `factor_min` to `factor_max` (bilinear, antialiased)."""

    syntax: ClassVar[str] = "FACTOR or MIN-MAX, from 0.05 to 4"
    factor_min: float = 0.5
    factor_max: float = 1.0

    def __post_init__(self) -> None:
        """Check the range."""
        check_between("resize factor", 0.05, 4.0, self.factor_min, self.factor_max)

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Resize [B, 3, H, W] to [B, 3, round(f H), round(f W)], one f per call."""
        factor = uniform_between(self.factor_min, self.factor_max, rng)
        size = [max(1, round(factor * side)) for side in images.shape[-2:]]
        return functional.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)

    def shown(self, seen: Shown, /) -> Shown:
        """Return views of their mean size, for 8 passes."""
        return seen.resized(seen.scaled((self.factor_min + self.factor_max) / 2), 8)


@dataclass(frozen=True)
class Jpeg(Counted):
    """JPEG at a quality drawn for each image; `subsample` also halves the chroma planes (4:2:0)."""

    passes: ClassVar[float] = 90
    syntax: ClassVar[str] = "QUALITY or MIN-MAX, from 1 to 100, and :420 to halve the colour planes"
    quality_min: int = 60
    quality_max: int = 95
    subsample: bool = False

    def __post_init__(self) -> None:
        """Check the range."""
        check_between("JPEG quality", 1, 100, self.quality_min, self.quality_max)

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Compress and decompress images [B, 3, H, W], keeping their size; values end in [0, 1]."""
        qualities = integers(self.quality_min, self.quality_max, images.shape[0], rng)
        return jpeg(images, torch.tensor(qualities, device=images.device), subsample=self.subsample)

    @classmethod
    def from_text(cls, argument: str) -> Self:
        """Read ``60-95``, ``75`` or ``75:420``; nothing means the defaults."""
        if not argument:
            return cls()
        qualities, _, chroma = argument.partition(":")
        if chroma.strip() not in ("", "420"):
            raise StudioError(f"'{chroma.strip()}' is no JPEG setting; write 420, or nothing for full colour.")
        return cls(*parse_whole_range(qualities), subsample=bool(chroma))


@dataclass(frozen=True)
class Blur(OneRange):
    """A Gaussian blur of standard deviation `sigma_min` to `sigma_max` pixels; the edge is continued outwards."""

    syntax: ClassVar[str] = "STANDARD DEVIATION or MIN-MAX in pixels, from 0 to 64"
    sigma_min: float = 1.0
    sigma_max: float = 1.0

    def __post_init__(self) -> None:
        """Check the width."""
        check_between("blur", 0, 64, self.sigma_min, self.sigma_max)

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Blur images [B, 3, H, W], keeping their size, with one width per call."""
        fixed = self.sigma_min == self.sigma_max  # which draws nothing
        sigma = self.sigma_min if fixed else uniform_between(self.sigma_min, self.sigma_max, rng)
        radius = math.ceil(3 * sigma)
        if radius == 0:
            return images
        padded = functional.pad(images, (radius, radius, radius, radius), mode="replicate")
        return gaussian(padded, sigma, radius)

    def shown(self, seen: Shown, /) -> Shown:
        """Return a convolution by the mean kernel."""
        return seen.convolved(3 * (self.sigma_min + self.sigma_max) / 2)


@dataclass(frozen=True)
class OneOf:
    """One of several views, drawn anew at every call with equal chances."""

    views: tuple[TextView, ...]

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Apply one of the views to all images [B, 3, H, W]."""
        (choice,) = integers(0, len(self.views) - 1, 1, rng)
        return self.views[choice](images, rng)

    def shown(self, seen: Shown, /) -> Shown:
        """Return the mean of what is seen through each, and the most copies."""
        each = [view.shown(seen) for view in self.views]
        side = math.sqrt(sum(one.pixels for one in each) / len(each) / seen.pixels)
        passes = sum(one.passes for one in each) / len(each)
        return Shown(seen.scaled(side), passes, max(one.copies for one in each))


@dataclass(frozen=True)
class Compose:
    """One view after the other, from left to right; none at all is the identity."""

    views: tuple[TextView | OneOf, ...] = ()

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Apply all views to images [B, 3, H, W]."""
        for view in self.views:
            images = view(images, rng)
        return images

    def shown(self, seen: Shown, /) -> Shown:
        """Return what is seen through all of them."""
        for view in self.views:
            seen = view.shown(seen)
        return seen


VIEWS: Mapping[str, type[TextView]] = {
    "crop": RandomCrop,
    "window": RandomWindow,
    "shift": Shift,
    "roll": Roll,
    "noise": GaussianNoise,
    "uniform": UniformNoise,
    "clip": Clip,
    "flip": HorizontalFlip,
    "resize": Resize,
    "jpeg": Jpeg,
    "blur": Blur,
    "di": DiverseInput,
    "ti": TranslationInvariance,
    "si": ScaleCopies,
    "blocks": ShuffledBlocks,
    "identity": Identity,
}
"""Every view by its name in the text form."""


def parse_views(text: str) -> Compose:
    """Read ``crop:0.8-1 | noise:0.05 | flip``: names from `VIEWS`, with their arguments, in order.

    ``a or b`` is one of several, drawn at every call. An empty text means no change at all. A StudioError names the
    part that is not understood.
    """
    if not text.strip():
        return Compose()
    views: list[TextView | OneOf] = []
    for place, part in enumerate(text.split("|"), start=1):
        where = f"In the views, part {place} ('{part.strip()}')"
        alternatives = [_parse_view(one, where) for one in _OR.split(part)]
        views.append(OneOf(tuple(alternatives)) if len(alternatives) > 1 else alternatives[0])
    return Compose(tuple(views))


_OR = re.compile(r"\s+or\s+")


def _parse_view(text: str, where: str) -> TextView:
    name, _, argument = (piece.strip() for piece in text.partition(":"))
    if name not in VIEWS:
        raise StudioError(f"{where}: there is no view '{name}'. Choose from {', '.join(VIEWS)}.")
    try:
        return VIEWS[name].from_text(argument)
    except StudioError as error:
        after = VIEWS[name].syntax
        hint = f" After '{name}:' write {after}." if after else ""
        raise StudioError(f"{where}: {error}{hint}") from error
