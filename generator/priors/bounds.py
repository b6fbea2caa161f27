"""Where the picture may go: the squashing maps from unbounded pictures X to images in [0, 1].

Each is smooth in X up to a final clamp, and each is built so that no X leads outside: the budget of an attack
holds by construction. Clamping to [0, 1] is a projection onto a set that holds the centre, so it only ever
shortens the distance; a rounding margin keeps the distance that is measured on the result inside, too.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Self

import torch
from torch import Tensor

from foundation.errors import StudioError

HALF_A_GREY_LEVEL = 0.5 / 255
Norm = Literal["none", "linf", "l2"]


class Bound(ABC):
    """A map from unbounded X [B, 3, H, W] to images [B, 3, H, W] in [0, 1]."""

    @abstractmethod
    def apply(self, x: Tensor) -> Tensor:
        """The images for X; differentiable."""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape [B or 1, 3, H, W] of the image it refers to, if there is one."""
        return None

    @property
    def norm(self) -> Norm:
        """How the distance from that image is limited."""
        return "none"

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:  # noqa: ARG002 -- nothing to move here
        """The same bound, its tensors on another device and in another dtype."""
        return self

    @property
    def on_grey(self) -> "Bound":
        """The map that shows a part of X by itself: mid-grey at X = 0, and no other image in it."""
        return Free()


NATURAL_COLOURS = (
    (0.56, 0.19, 0.04),
    (0.58, 0.00, -0.11),
    (0.58, -0.19, 0.06),
)
"""The square root of the covariance of the colours of natural pictures, its largest column scaled to length 1.

Rows: red, green, blue. Columns: brightness, blue-yellow and green-magenta, by falling importance. From the
feature visualisations of Olah et al. (Distill 2017; the library lucid), measured on ImageNet.
"""


@dataclass(frozen=True, eq=False)
class Free(Bound):
    """Any image: (1 + tanh X) / 2, mid-grey at X = 0.

    With `colours` (rows: red, green, blue) the channels of X are mixed by that matrix first.
    """

    colours: tuple[tuple[float, float, float], ...] | None = None

    @property
    def on_grey(self) -> Bound:
        return self

    def apply(self, x: Tensor) -> Tensor:
        if self.colours is not None:
            x = torch.einsum("cd,bdhw->bchw", x.new_tensor(self.colours), x)
        return (1 + x.tanh()) / 2


def _check_unit_range(what: str, values: Tensor, channels: int) -> None:
    if values.dim() != 4 or values.shape[1] != channels or not values.is_floating_point():
        raise StudioError(
            f"The {what} must be floating point of shape [batch, {channels}, height, width], "
            f"not {values.dtype} of {list(values.shape)}."
        )
    if not ((values >= 0) & (values <= 1)).all():  # NaN fails both
        raise StudioError(f"The {what} must hold values from 0 to 1 only.")


@dataclass(frozen=True, eq=False)
class Anchored(Bound):
    """Round an image [B or 1, 3, H, W] in [0, 1], which every X of the batch, or each its own, refers to."""

    image: Tensor

    def __post_init__(self) -> None:
        _check_unit_range("start image", self.image, channels=3)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.image.shape)

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:
        return replace(self, image=self.image.to(device, dtype))


STANDARD_MARGIN = 0.9 * HALF_A_GREY_LEVEL


def unbounded(image: Tensor, margin: float = STANDARD_MARGIN) -> Tensor:
    """The X with (1 + tanh X) / 2 = image, once the image [B, 3, H, W] is clamped to [margin, 1 - margin]."""
    return (2 * image.clamp(margin, 1 - margin) - 1).atanh()


@dataclass(frozen=True, eq=False)
class FromImage(Anchored):
    """Any image, starting from the given one: (1 + tanh(base + X)) / 2 with base = atanh(2 image - 1).

    The image is first clamped to [margin, 1 - margin], since 0 and 1 lie at infinity. At the standard margin,
    just under half a grey level, X = 0 gives the very same 8-bit image. A larger one (0.1 for style transfer,
    arXiv 2502.07753) leaves more room to move at the ends.
    """

    margin: float = STANDARD_MARGIN

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1e-6 <= self.margin < 0.5:
            raise StudioError(f"The image's margin must lie between 1e-6 and 0.5, not {self.margin}.")

    @cached_property
    def _base(self) -> Tensor:
        return unbounded(self.image, self.margin)

    def apply(self, x: Tensor) -> Tensor:
        return (1 + (self._base + x).tanh()) / 2


@dataclass(frozen=True, eq=False)
class LinfBall(Anchored):
    """No value further than eps from the image's: clamp(image + eps tanh X, 0, 1), 0 < eps <= 1."""

    eps: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.eps <= 1:
            raise StudioError(
                f"The L-inf budget must be above 0 and at most 1 (the pixel range), not {self.eps}. "
                "Eight grey levels are 8/255 = 0.0314."
            )

    @property
    def norm(self) -> Norm:
        return "linf"

    def apply(self, x: Tensor) -> Tensor:
        reach = max(0.0, self.eps - torch.finfo(x.dtype).eps)  # adding to the image rounds by half of this
        return (self.image + reach * x.tanh()).clamp(0, 1)


@dataclass(frozen=True, eq=False)
class L2Ball(Anchored):
    """Each image within Euclidean distance eps of its centre: clamp(image + eps X tanh|X| / |X|, 0, 1).

    |X| is the norm over all pixels and channels of one image, and so is eps > 0, in units of the pixel range.
    The map has slope eps at X = 0 and approaches the sphere far out.
    """

    eps: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.eps > 0 and math.isfinite(self.eps)):
            raise StudioError(
                f"The L2 budget must be a finite number above 0, not {self.eps}: the Euclidean length of the "
                "change over all pixels, each in [0, 1]."
            )

    @property
    def norm(self) -> Norm:
        return "l2"

    def apply(self, x: Tensor) -> Tensor:
        square = x.flatten(1).square().sum(1).view(-1, 1, 1, 1)
        near = square < 1e-6  # there tanh(n) / n = 1 - n^2 / 3 to 1e-12, and the root has no slope to pass on
        norm = torch.where(near, torch.ones_like(square), square).sqrt()
        ratio = torch.where(near, 1 - square / 3, norm.tanh() / norm)
        unit = torch.finfo(x.dtype).eps  # every pixel's sum rounds by half of this; the norm itself, relatively
        reach = max(0.0, self.eps * (1 - 100 * unit) - unit * math.sqrt(x[0].numel()))
        return (self.image + reach * ratio * x).clamp(0, 1)


@dataclass(frozen=True, eq=False)
class Masked(Bound):
    """Another bound inside a mask, and the image itself outside: image + mask (inner(X) - image).

    Every pixel lies on the way from the image to what the inner bound makes of X: where the mask is 0 it is
    the image's, bit for bit, where it is 1 the inner bound's, and a soft edge blends the two. So the distance
    to the image is nowhere larger than the inner bound's, and a budget round the same image still holds.

    Args:
        inner: what may come inside: Free() starts from grey, FromImage(image) from the image itself.
        image: [B or 1, 3, H, W] in [0, 1], what stays outside the mask.
        mask: [B or 1, 1, H, W] in [0, 1], 1 where the picture may change.
    """

    inner: Bound
    image: Tensor
    mask: Tensor

    def __post_init__(self) -> None:
        _check_unit_range("start image", self.image, channels=3)
        _check_unit_range("mask", self.mask, channels=1)
        if self.mask.shape[2:] != self.image.shape[2:]:
            raise StudioError(
                f"The mask is {self.mask.shape[2]} x {self.mask.shape[3]} pixels; it must have the size of the "
                f"start image, {self.image.shape[2]} x {self.image.shape[3]}."
            )
        if not (self.mask > 0).any():
            raise StudioError("The mask leaves nothing to change: mark the part of the picture that may.")
        batches = {shape[0] for shape in self._shapes if shape[0] != 1}
        if len({shape[2:] for shape in self._shapes}) > 1 or len(batches) > 1:
            raise StudioError(
                f"What a mask combines must fit together; the shapes are {', '.join(map(str, self._shapes))}."
            )

    @property
    def _shapes(self) -> list[tuple[int, ...]]:
        inner = self.inner.shape
        return [tuple(self.image.shape), tuple(self.mask.shape), *([inner] if inner else [])]

    @property
    def shape(self) -> tuple[int, ...]:
        return (max(shape[0] for shape in self._shapes), *self.image.shape[1:])

    @property
    def norm(self) -> Norm:
        return self.inner.norm

    @property
    def on_grey(self) -> Bound:
        return self.inner.on_grey

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:
        return replace(
            self,
            inner=self.inner.to(device, dtype),
            image=self.image.to(device, dtype),
            mask=self.mask.to(device, dtype),
        )

    def apply(self, x: Tensor) -> Tensor:
        return torch.lerp(self.image, self.inner.apply(x), self.mask)  # exact at both ends of the mask
