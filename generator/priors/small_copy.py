"""A large photo attacked by way of a small copy of it: a step costs what its models see, not what the photo has.

A model scales a photo down before it looks, and that is linear, as enlarging is. So the change D of a photo x lives on
a small canvas, and is enlarged (bilinearly) once, in the end:

    picture = x + E D E'^T         seen small: S picture S'^T = z + C D C'^T,   z = S x S'^T,  C = S E,  C' = S' E'

E [H, h] and E' [W, w] enlarge, S [h, H] and S' [w, W] scale down (bilinearly, antialiased, as models do). C and C' are
small, and known before the first step: what the canvas shows is what the finished picture will look like, scaled down,
up to rounding and to what is cut off at black and white. Every row of E is a mean, so no value of the enlarged change
is larger than the largest on the canvas, and a budget under L-inf holds there, too. Under L2 each pixel of the canvas
stands for HW / hw of the photo, so the canvas has a budget sqrt(HW / hw) times smaller; means then only shorten what is
enlarged, but at the edges. The saved file is rounded within the budget, and measured, as any other.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from foundation.protocols import Encoder, Observable
from generator.priors.operators import Size

LEAST_GAIN = 2.0
"""A photo that has fewer than so many times the pixels of the canvas is attacked as it is."""

SHOWN_SIDE = 1024
"""The longer side, in pixels, of pictures that are looked at on the way."""


@dataclass(frozen=True, eq=False)
class SmallCopy:
    """A photo and the canvas that stands for it.

    Attributes:
        photo: [1 or B, 3, H, W] in [0, 1].
        image: the copy [1 or B, 3, h, w] of it.
        rows, columns: C of both axes.
    """

    photo: Tensor
    image: Tensor
    rows: "_Band"
    columns: "_Band"

    @classmethod
    def of(cls, photo: Tensor, size: Size) -> Self:
        """The copy of a photo [1 or B, 3, H, W] on a canvas of `size` (h, w), which is no larger."""
        height, width = photo.shape[2:]
        rows = _Band.of(_seen_again(size[0], height).to(photo), axis=2)
        columns = _Band.of(_seen_again(size[1], width).to(photo), axis=3)
        return cls(photo, _scaled_down(photo, size).clamp(0, 1), rows, columns)

    @property
    def size(self) -> Size:
        """The canvas (h, w)."""
        return self.image.shape[2], self.image.shape[3]

    @property
    def factor(self) -> float:
        """How many pixels of the photo one of the canvas stands for, as a length: sqrt(HW / hw)."""
        return math.sqrt(math.prod(self.photo.shape[2:]) / math.prod(self.size))

    def of_one(self, index: int) -> Self:
        """The copy of photo `index`, where each picture has a photo of its own."""
        if len(self.photo) == 1:
            return self
        one = slice(index, index + 1)
        return replace(self, photo=self.photo[one], image=self.image[one])

    def seen(self, images: Tensor) -> Tensor:
        """How the enlarged pictures of a canvas [B, 3, h, w] look, scaled down to it; differentiable.

        Values may lie outside of [0, 1] by what the finished picture loses at black and white.
        """
        shown: Tensor = _Seen.apply(images, self)  # type: ignore[no-untyped-call]
        return shown

    def _blurred(self, change: Tensor, *, adjoint: bool = False) -> Tensor:
        """C D C'^T of a change [B, 3, h, w], or of a gradient what the adjoint of that makes."""
        return self.columns(self.rows(change, adjoint=adjoint), adjoint=adjoint)

    @torch.no_grad()
    def shown(self, images: Tensor) -> Tensor:
        """The photos with the change of a canvas [B, 3, h, w], at most SHOWN_SIDE pixels a side: for looking at."""
        height, width = self._shown_photo.shape[2:]
        wide = _enlarged_along(images - self.image, 3, width, slice(0, width))
        return _enlarged_along(wide, 2, height, slice(0, height)).add_(self._shown_photo).clamp_(0, 1)

    @cached_property
    def _shown_photo(self) -> Tensor:
        height, width = self.photo.shape[2:]
        factor = SHOWN_SIDE / max(height, width)
        if factor >= 1:
            return self.photo
        return _scaled_down(self.photo, (max(1, round(factor * height)), max(1, round(factor * width))))

    @torch.no_grad()
    def enlarged(self, images: Tensor) -> Tensor:
        """The photos with the change of a canvas [B, 3, h, w], enlarged: [B, 3, H, W] in [0, 1]."""
        return torch.cat([part(slice(0, self.photo.shape[2])) for part in self.parts(images)])

    @torch.no_grad()
    def parts(self, images: Tensor) -> list[Callable[[slice], Tensor]]:
        """For each picture of a canvas [B, 3, h, w] what makes rows of it, enlarged: slice -> [1, 3, rows, W].

        So nobody has to hold whole pictures as floats: one of 12 megapixels takes 144 MB.
        """
        height, width = self.photo.shape[2:]
        wide = _enlarged_along(images - self.image, 3, width, slice(0, width))

        def part(rows: slice, *, index: int) -> Tensor:
            change = _enlarged_along(wide[index : index + 1], 2, height, rows)
            photo = self.photo[index if len(self.photo) > 1 else 0]
            return change.add_(photo[:, rows]).clamp_(0, 1)

        return [partial(part, index=index) for index in range(len(images))]


@dataclass(frozen=True, eq=False)
class _Band:
    """A square matrix with few entries beside its diagonal, applied along one axis of images [B, 3, h, w].

    Attributes:
        axis: 2 for rows, 3 for columns.
        diagonals: by how far each lies above the main one: its entries, as long as the axis (0 where there are none),
            in the shape in which they multiply images; those of the matrix, and those of its transpose.
    """

    axis: int
    diagonals: Mapping[int, Tensor]
    transposed: Mapping[int, Tensor]

    @classmethod
    def of(cls, matrix: Tensor, axis: int) -> Self:
        """The band of a matrix [n, n]."""
        return cls(axis, _diagonals(matrix, axis), _diagonals(matrix.mT, axis))

    def __call__(self, images: Tensor, *, adjoint: bool = False) -> Tensor:
        """The matrix times every column (axis 2) or row (axis 3) of images; with `adjoint`, its transpose."""
        diagonals, length = (self.transposed if adjoint else self.diagonals), images.shape[self.axis]
        total = images * diagonals[0]
        for offset, entries in diagonals.items():
            if offset:
                to, of = max(0, -offset), max(0, offset)
                count = length - abs(offset)
                part = total.narrow(self.axis, to, count)
                part.addcmul_(images.narrow(self.axis, of, count), entries.narrow(self.axis, to, count))
        return total


def _diagonals(matrix: Tensor, axis: int) -> dict[int, Tensor]:
    """The diagonals of a matrix [n, n] that are not all 0, by their offsets: entry i of each belongs to row i."""
    side = len(matrix)
    found: dict[int, Tensor] = {}
    for offset in range(1 - side, side):
        entries = matrix.diagonal(offset)
        if offset == 0 or bool((entries != 0).any()):
            padded = functional.pad(entries, (max(0, -offset), max(0, offset)))
            found[offset] = padded.view((1, 1, side, 1) if axis == 2 else (1, 1, 1, side))
    return found


class _Seen(torch.autograd.Function):
    """`SmallCopy.seen`, without keeping anything for the way back: it is linear."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, copy: SmallCopy) -> Tensor:
        ctx.copy = copy
        return copy._blurred(images - copy.image).add_(copy.image)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        copy: SmallCopy = ctx.copy
        return copy._blurred(gradients[0], adjoint=True), None


def canvas_of(detail: float, photo: Size, models: Collection[object]) -> Size | None:
    """The canvas (h, w) for a photo (H, W), of the photo's shape; None if the photo is to be attacked as it is.

    Its shorter side has `detail` times the pixels that the models see at most. There is none with a detail of 0, for
    photos that are hardly larger, and where a model does not say what it scales pictures to, or does not scale them.
    """
    sides = [side_of(model) for model in models]
    known = [side for side in sides if side is not None]
    if detail <= 0 or not known or len(known) < len(sides):
        return None
    return canvas_for(detail * max(known), photo)


def canvas_for(side: float, photo: Size) -> Size | None:
    """The canvas (h, w) of a photo (H, W) whose shorter side has so many pixels; None where that saves too little."""
    shorter = math.ceil(side)
    factor = shorter / min(photo)
    height, width = (max(shorter, round(factor * side)) for side in photo)
    return (height, width) if LEAST_GAIN * height * width <= math.prod(photo) else None


def side_of(model: object) -> int | None:
    """The side of the square that a model scales pictures to; None if it does not say."""
    if isinstance(model, Encoder):
        return model.image_size
    return model.observed_side if isinstance(model, Observable) else None


def resolutions_on(resolutions: Collection[int], size: Size) -> tuple[int, ...]:
    """The resolutions that a canvas (h, w) shows, ascending; its own pixels stand for all that have over half as many.

    So the finest layer is the canvas itself, which costs nothing (see `generator.priors.operators`).
    """
    longest = max(size)
    return tuple(sorted({resolution if 2 * resolution <= longest else longest for resolution in resolutions}))


def _enlarged_along(images: Tensor, axis: int, length: int, which: slice) -> Tensor:
    """Entries `which` of images [B, C, h, w] enlarged along an axis to `length`, as `interpolate` does bilinearly."""
    cells = images.shape[axis]
    place = torch.arange(length, dtype=torch.float64)[which].add_(0.5).mul_(cells / length).sub_(0.5).clamp_(min=0)
    before = place.long().clamp_(max=cells - 1)
    share = (place - before).to(images).view((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1))
    before = before.to(images.device)
    first, second = (images.index_select(axis, index) for index in (before, (before + 1).clamp_(max=cells - 1)))
    return first.lerp_(second, share)


def _scaled_down(images: Tensor, size: Size) -> Tensor:
    """Images [B, C, H, W] as models scale them."""
    return functional.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)


def _seen_again(small: int, large: int) -> Tensor:
    """C [small, small] of one axis: enlarged to `large` pixels and scaled down again, read off unit vectors."""
    unit = torch.eye(small, dtype=torch.float64)[None, None]
    enlarged = functional.interpolate(unit, size=(large, small), mode="bilinear", align_corners=False)
    return _scaled_down(enlarged, (small, small))[0, 0]
