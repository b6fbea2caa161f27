"""Views that choose what part of an image is seen, or move it: crops, windows, shifts and rolls.

What they cut is cut by slicing, so that neither they nor what follows handle more than the part that is seen.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Generator, Tensor
from torch.nn import functional

from foundation.errors import StudioError
from generator.views.shown import Counted, Shown
from generator.views.text import NoArgument, OneRange, check_between, parse_whole


def uniform_between(low: float, high: float, rng: Generator) -> float:
    return low + (high - low) * torch.rand((), generator=rng, device=rng.device, dtype=torch.float64).item()


def integers(low: int, high: int, count: int, rng: Generator) -> list[int]:
    """Draw `count` integers from low..high, both included."""
    drawn: list[int] = torch.randint(low, high + 1, (count,), generator=rng, device=rng.device).tolist()
    return drawn


def _crop_each(images: Tensor, tops: list[int], lefts: list[int], height: int, width: int) -> Tensor:
    """Cut a window of one size from each image (slices of unbound images have a cheap backward)."""
    windows = zip(images.unbind(0), tops, lefts, strict=True)
    return torch.stack([image[:, top : top + height, left : left + width] for image, top, left in windows])


def _roll_each(images: Tensor, down: list[int], right: list[int]) -> Tensor:
    """Roll each image round its edges by its own distances."""
    moved = zip(images.unbind(0), down, right, strict=True)
    return torch.stack([image.roll((y, x), (1, 2)) for image, y, x in moved])


def _stretch(image: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A stretch of one axis of an image that may go on round the edge; at most the whole axis."""
    side = image.shape[dim]
    inside = image.narrow(dim, start, min(length, side - start))
    beyond = start + length - side
    return inside if beyond <= 0 else torch.cat([inside, image.narrow(dim, 0, beyond)], dim)


@dataclass(frozen=True)
class RandomCrop(OneRange):
    """A window of the image's own aspect, `scale_min` to `scale_max` of its sides, anywhere inside it.

    The window is not resized: classifiers take any size.
    """

    syntax: ClassVar[str] = "SCALE or MIN-MAX, parts of the sides from 0.05 to 1"
    scale_min: float = 0.8
    scale_max: float = 1.0

    def __post_init__(self) -> None:
        """Check the range."""
        check_between("scale of a crop", 0.05, 1.0, self.scale_min, self.scale_max)

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Crop [B, 3, H, W] to [B, 3, round(s H), round(s W)], one s per call, one position per image."""
        batch, _, height, width = images.shape
        scale = uniform_between(self.scale_min, self.scale_max, rng)
        new_height, new_width = max(1, round(scale * height)), max(1, round(scale * width))
        tops = integers(0, height - new_height, batch, rng)
        lefts = integers(0, width - new_width, batch, rng)
        return _crop_each(images, tops, lefts, new_height, new_width)

    def shown(self, seen: Shown, /) -> Shown:
        """Return windows of their mean size."""
        return seen.cut(seen.scaled((self.scale_min + self.scale_max) / 2))


@dataclass(frozen=True)
class RandomWindow(Counted):
    """A window of `pixels` x `pixels`, anywhere inside the image or (wrap) round its edges.

    The protocol of Direct Ascent Synthesis (arXiv 2502.07753) is a window of the 224 pixels that the model sees on a
    canvas of 336. Whatever the canvas, all that follows handles the window only. Along a side that is shorter,
    the window is that side.
    """

    syntax: ClassVar[str] = "PIXELS, or PIXELS:wrap to let windows go round the edge of a picture that tiles"
    pixels: int = 224
    wrap: bool = False

    def __post_init__(self) -> None:
        """Check the side."""
        check_between("side of a window", 1, 16384, self.pixels)

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Cut [B, 3, H, W] down to [B, 3, min(pixels, H), min(pixels, W)], one position per image."""
        batch, _, height, width = images.shape
        new_height, new_width = min(self.pixels, height), min(self.pixels, width)
        last_top, last_left = (height - 1, width - 1) if self.wrap else (height - new_height, width - new_width)
        tops, lefts = integers(0, last_top, batch, rng), integers(0, last_left, batch, rng)
        if not self.wrap:
            return _crop_each(images, tops, lefts, new_height, new_width)
        placed = zip(images.unbind(0), tops, lefts, strict=True)
        return torch.stack(
            [_stretch(_stretch(image, 1, top, new_height), 2, left, new_width) for image, top, left in placed]
        )

    @classmethod
    def from_text(cls, argument: str) -> Self:
        """Read ``224`` or ``224:wrap``; nothing means the defaults."""
        if not argument:
            return cls()
        pixels, _, mode = argument.partition(":")
        if mode.strip() not in ("", "wrap"):
            raise StudioError(f"'{mode.strip()}' is no kind of window; write wrap, or nothing to stay inside.")
        return cls(parse_whole(pixels), bool(mode))

    def shown(self, seen: Shown, /) -> Shown:
        """Return windows."""
        return seen.cut((min(self.pixels, seen.size[0]), min(self.pixels, seen.size[1])))


@dataclass(frozen=True)
class Roll(NoArgument):
    """The whole image, rolled round its edges by any distance: the seams of a picture that tiles are seen, too."""

    passes: ClassVar[float] = 5

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Roll images [B, 3, H, W], each by its own distances."""
        batch, _, height, width = images.shape
        return _roll_each(images, integers(0, height - 1, batch, rng), integers(0, width - 1, batch, rng))


@dataclass(frozen=True)
class Shift(Counted):
    """A shift by up to `max_pixels` along each axis: round the edge, or (pad) bringing in black."""

    passes: ClassVar[float] = 4
    syntax: ClassVar[str] = "PIXELS, or PIXELS:pad to bring in black instead of going round the edge"
    max_pixels: int = 8
    pad: bool = False

    def __post_init__(self) -> None:
        """Check the distance."""
        check_between("shift", 0, 16384, self.max_pixels)

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Shift images [B, 3, H, W], each by its own distance, which is always less than a side."""
        batch, _, height, width = images.shape
        reach_y, reach_x = min(self.max_pixels, height - 1), min(self.max_pixels, width - 1)
        down = integers(-reach_y, reach_y, batch, rng)
        right = integers(-reach_x, reach_x, batch, rng)
        if not self.pad:
            return _roll_each(images, down, right)
        padded = functional.pad(images, (reach_x, reach_x, reach_y, reach_y))
        return _crop_each(padded, [reach_y - y for y in down], [reach_x - x for x in right], height, width)

    @classmethod
    def from_text(cls, argument: str) -> Self:
        """Read ``8`` or ``8:pad``; nothing means the defaults."""
        if not argument:
            return cls()
        pixels, _, mode = argument.partition(":")
        if mode.strip() not in ("", "pad"):
            raise StudioError(f"'{mode.strip()}' is no way to shift; write pad, or nothing to go round the edge.")
        return cls(parse_whole(pixels), bool(mode))
