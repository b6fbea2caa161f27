"""The multi-resolution sum as linear algebra.

A picture is a sum of layers, one per resolution r: a small grid P_r, of r cells along the longer side of the
canvas, enlarged bicubically (Direct Ascent Synthesis, arXiv 2502.07753). Enlarging is linear in each axis:

    X = sum_r w_r U_r P_r V_r^T = Up(P)                 U_r [H, rh], V_r [W, rw]

Its adjoint hands an image gradient G to the layers, P_r = w_r U_r^T G V_r, so that descent on the layers
moves the picture by K(G) = Up(Up^T(G)): plain descent needs no layers, only K (see `generator.priors.kernels`).

With `wrap` every layer is enlarged as if it went on periodically, left to right and top to bottom: then each
of them tiles without a seam, and so does their sum.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor

from foundation.errors import StudioError
from generator.priors.kernels.banded import Taps
from generator.priors.kernels.kronecker import GramStack, Kernel, KroneckerKernel, exact_matrices, truncated_matrices
from generator.priors.kernels.mirrored import MirrorKernel
from generator.priors.kernels.two_scales import two_scale_kernel

Size = tuple[int, int]

LARGE = 320**2
"""Pixels of a canvas from which on two scales are faster than one."""
_LONGEST = 4096  # pixels of a side up to which the coarse grid's matrices are small
_MANY = 600  # multiplications a pixel, of the way through the layers, that two scales undercut
_GROUP_ROWS = 2048  # rows of half-enlarged layers made at a time: bounds memory at any canvas size
_NUMBER_OR_RANGE = re.compile(
    r"(?P<first>\d{1,9})(?:\s*\.\.\s*(?P<last>\d{1,9})(?:\s*:\s*(?P<step>\d{1,9}))?)?", re.ASCII
)


def parse_resolutions(text: str | Sequence[int], size: Size) -> tuple[int, ...]:
    """Read a set of resolutions, in cells along the longer side of a canvas of `size` (height, width).

    The text is a comma-separated list of numbers ("224,112,56"), ranges with both ends ("1..224"), ranges
    with a step, which need not meet their end ("1..224:4"), "pow2" (1, 2, 4, ... up to the longer side) and
    "all" (every number up to it). Returns the resolutions in ascending order, each once.

    Raises StudioError naming the item that cannot be read or lies outside 1..max(size).
    """
    longest = max(size)
    items = text.split(",") if isinstance(text, str) else [str(r) for r in text]
    chosen: set[int] = set()
    for place, item in enumerate((item.strip() for item in items), start=1):
        where = f"Resolutions, item {place} ({item!r})"
        chosen.update(_parse_item(item, where, longest))
    if not chosen:
        raise StudioError('Resolutions: give at least one, for example "pow2", "1..224" or "224,112,56".')
    return tuple(sorted(chosen))


def _parse_item(item: str, where: str, longest: int) -> Iterable[int]:
    """The numbers that one item stands for, checked."""
    if item == "all":
        return range(1, longest + 1)
    if item == "pow2":
        return (1 << k for k in range(longest.bit_length()))
    match = _NUMBER_OR_RANGE.fullmatch(item)
    if match is None:
        raise StudioError(
            f'{where}: write a number, a range like "1..224" or "1..224:4", "pow2" or "all", with commas.'
        )
    first = int(match["first"])
    last, step = int(match["last"] or first), int(match["step"] or 1)
    for end in first, last:
        if not 1 <= end <= longest:
            raise StudioError(f"{where}: {end} is not between 1 and {longest}, the longer side in pixels.")
    if last < first:
        raise StudioError(f"{where}: write the smaller end first, {last}..{first}.")
    if step < 1:
        raise StudioError(f"{where}: the step after the colon must be at least 1.")
    return range(first, last + 1, step)


def balanced_weights(resolutions: Sequence[int], size: Size, balance: float) -> tuple[float, ...]:
    """The weights w_r = (r / longest side)^balance of layers on a canvas of `size` (H, W).

    A cell of a coarse layer gathers the gradients of (S / r)^2 pixels, S the longest side, and spreads over them again
    what it is moved by, so that with equal weights K acts on coarse patterns (S / r)^2 times as strongly. With balance
    1 that is taken back: U_r U_r^T (r / S)^2 is about the projection onto what r cells can show, and each layer moves
    the picture alike.
    """
    return tuple((r / max(size)) ** balance for r in resolutions)


def layer_shape(resolution: int, size: Size) -> Size:
    """The (rows, columns) of a layer: `resolution` cells along the longer side, the other to scale (>= 1).

    Raises StudioError where the resolution lies outside 1..max(size).
    """
    height, width = size
    longest = max(size)
    if not 1 <= resolution <= longest:
        raise StudioError(
            f"A resolution of {resolution} does not fit a canvas of {height} x {width} pixels: "
            f"choose one between 1 and {longest}."
        )
    rows, columns = (max(1, round(resolution * side / longest)) for side in size)
    return rows, columns


def upsampling_matrix(size: int, cells: int, *, wrap: bool = False) -> Tensor:
    """The float64 matrix [size, cells] of bicubic enlargement along one axis, 1 <= cells <= size.

    Exactly `interpolate(mode="bicubic", align_corners=False)`, read off its action on unit vectors; a column
    of ones for one cell, the identity for cells == size. Every row sums to 1. Beyond its ends the axis goes on
    with its last cell or, with `wrap`, round to the other end.
    """
    if not wrap:
        return Taps.of(size, cells).matrix()
    repeated = torch.eye(cells, dtype=torch.float64).repeat(1, 3).view(1, cells, 3 * cells, 1)
    enlarged = F.interpolate(repeated, size=(3 * size, 1), mode="bicubic", align_corners=False)
    # The middle one of three has the right neighbours on either side.
    return enlarged[0, :, size : 2 * size, 0].mT.contiguous()


@dataclass(frozen=True, eq=False)
class _Group:
    """Up and its adjoint for a run of consecutive layers: a small product each, a large one for all."""

    rows: Tensor  # [H, sum of rh]: the matrices w_r U_r side by side
    columns: tuple[Tensor, ...]  # the matrices V_r [W, rw]
    heights: tuple[int, ...]  # rh

    def up(self, layers: Sequence[Tensor]) -> Tensor:
        widened = [layer @ columns.mT for layer, columns in zip(layers, self.columns, strict=True)]
        return self.rows @ torch.cat(widened, dim=-2)

    def adjoint(self, images: Tensor) -> list[Tensor]:
        narrowed = torch.split(self.rows.mT @ images, list(self.heights), dim=-2)
        return [part @ columns for part, columns in zip(narrowed, self.columns, strict=True)]


@dataclass(frozen=True, eq=False)
class FactorKernel:
    """K = Up Up^T through the layers themselves: exact, and no matrix is larger than the factors U_r, V_r."""

    groups: tuple[_Group, ...]
    terms: int
    relative_error: float = 0.0
    own: float | None = None
    """The weight of the canvas's own pixels, where they are a layer that is not among the groups."""

    def __call__(self, images: Tensor, /) -> Tensor:
        parts = [group.up(group.adjoint(images)) for group in self.groups]
        return _sum([*parts, self.own**2 * images] if self.own is not None else parts)


class ResolutionOperator:
    """Up, its adjoint and K for one set of resolutions on one canvas.

    Immutable; matrices are made when first needed. Prefer `resolution_operator`, which keeps the last few.

    Args:
        resolutions: ascending, each between 1 and the longer side.
        size: canvas (H, W) in pixels.
        weights: w_r > 0, one per resolution.
        tolerance: the relative error allowed to K (see `Kernel.relative_error`); 0 for rounding error only.
        dtype, device: of the images and layers it is applied to.
        wrap: whether layers go on periodically beyond the edges of the canvas, so that it tiles.
        own_pixels: whether the layer of the canvas's own pixels, if there is one, is added as it is, and not
            multiplied by the identity: the same up to rounding, for a fraction of the work.
        mirrored: whether Kronecker products are computed by even and odd halves (see `generator.priors.kernels`):
            the same up to rounding, for half the work.
        two_scales: whether fine and coarse layers of a large canvas, which does not wrap, are computed apart where a
            tolerance allows (see `generator.priors.kernels.two_scales`): within the tolerance, for a fraction of the
            work.

    Raises StudioError if these do not fit together.
    """

    def __init__(
        self,
        resolutions: tuple[int, ...],
        size: Size,
        weights: tuple[float, ...],
        tolerance: float,
        dtype: torch.dtype,
        device: torch.device,
        wrap: bool = False,
        own_pixels: bool = False,
        mirrored: bool = False,
        two_scales: bool = False,
    ) -> None:
        if not resolutions or list(resolutions) != sorted(set(resolutions)):
            raise StudioError("Give the resolutions in ascending order, each once, and at least one.")
        if len(weights) != len(resolutions):
            raise StudioError(
                f"Give one weight for each of the {len(resolutions)} resolutions; there are {len(weights)}."
            )
        if not all(math.isfinite(w) and w > 0 for w in weights):
            raise StudioError("Resolution weights must be positive numbers; leave a resolution out to drop it.")
        if not 0 <= tolerance < 1:
            raise StudioError(f"The tolerance is a relative error from 0 (exact) to below 1, not {tolerance}.")
        self.resolutions, self.size, self.weights, self.tolerance = resolutions, size, weights, tolerance
        self.dtype, self.device, self.wrap, self.mirrored = dtype, device, wrap, mirrored
        self._two_scales = two_scales and not wrap and tolerance > 0
        self.shapes: tuple[Size, ...] = tuple(layer_shape(r, size) for r in resolutions)
        self._own = weights[-1] if own_pixels and self.shapes[-1] == size else None

    def up(self, layers: Sequence[Tensor]) -> Tensor:
        """sum_r w_r U_r P_r V_r^T: layers [..., rh, rw], one per resolution, to images [..., H, W].

        Differentiable in the layers.
        """
        remaining = iter(layers)
        parts = [group.up(list(islice(remaining, len(group.heights)))) for group in self._groups]
        return _sum([*parts, self._own * layers[-1]] if self._own is not None else parts)

    def up_one(self, index: int, layer: Tensor) -> Tensor:
        """w_r U_r P_r V_r^T for r = resolutions[index]: one layer's part [..., H, W] of the sum."""
        rows, columns = (self._placed(factor) for factor in self.factors(index))
        return rows @ (layer @ columns.mT)

    def adjoint(self, images: Tensor) -> list[Tensor]:
        """w_r U_r^T G V_r for every resolution: images [..., H, W] to layers [..., rh, rw]."""
        layers = [layer for group in self._groups for layer in group.adjoint(images)]
        return [*layers, self._own * images] if self._own is not None else layers

    def adjoint_one(self, index: int, images: Tensor) -> Tensor:
        """w_r U_r^T G V_r for r = resolutions[index] alone: images [..., H, W] to the layer [..., rh, rw]."""
        rows, columns = (self._placed(factor) for factor in self.factors(index))
        return rows.mT @ images @ columns

    @cached_property
    def kernel(self) -> Kernel:
        """K within the tolerance, in the form that takes fewest multiplications.

        Per channel, the way through the layers takes 2 sum_r rh W (H + rw), a Kronecker product H W (H + W), or half
        of that by halves.
        Where one costs more than all layers (a large photo, few cells), no H x H or W x W matrix is made. At two scales
        the number does not depend on the layers.
        """
        height, width = self.size
        by_layers = 2 * sum(rows * width * (height + columns) for rows, columns in self._multiplied)
        one = height * width * (height + width) // (2 if self.mirrored else 1)
        large = height * width >= LARGE and max(self.size) <= _LONGEST
        if self._two_scales and large and by_layers >= _MANY * height * width:
            like = torch.empty(0, dtype=self.dtype, device=self.device)
            apart = two_scale_kernel(self.shapes, self.size, self.weights, self.tolerance, like)
            if apart is not None:
                return apart
        affordable = by_layers // one  # Kronecker products for the same price
        if self.tolerance and affordable > 3:  # fewer never come near a useful tolerance: spare the analysis
            truncated = truncated_matrices(*self._gram_stacks(), self.tolerance, affordable)
            if truncated is not None:
                return self._kronecker(*truncated)
        if affordable >= len({min(shape) for shape in self.shapes}):
            return self._kronecker(*exact_matrices(*self._gram_stacks()))
        return FactorKernel(self._groups, len(self.resolutions), own=self._own)

    def _kronecker(self, left: Tensor, right: Tensor, error: float = 0.0) -> Kernel:
        """sum_q L_q G R_q for float64 matrices L [Q, H, H] and R [Q, W, W] on the CPU."""
        if self.mirrored and (halves := MirrorKernel.from_matrices(left, right, error)) is not None:
            return halves.to(self.device, self.dtype)
        return KroneckerKernel.from_matrices(self._placed(left), self._placed(right), error)

    @property
    def _multiplied(self) -> tuple[Size, ...]:
        """The shapes of the layers that are multiplied by matrices."""
        return self.shapes if self._own is None else self.shapes[:-1]

    def _gram_stacks(self) -> tuple[GramStack, GramStack]:
        """The matrices w_r^2 A_r and A'_r; layers that share the one of the shorter side are one term.

        On a square canvas they are w_r A_r on both sides, in the same stack.
        """
        if self.size[0] == self.size[1]:
            both = GramStack(
                [[(w, self._enlargement(0, r))] for w, (r, _) in zip(self.weights, self.shapes, strict=True)]
            )
            return both, both
        short = 0 if self.size[0] < self.size[1] else 1
        alike: dict[int, list[int]] = {}
        for index, shape in enumerate(self.shapes):
            alike.setdefault(shape[short], []).append(index)
        common = [[(1.0, self._enlargement(short, cells))] for cells in alike]
        merged = [
            [(self.weights[i] ** 2, self._enlargement(1 - short, self.shapes[i][1 - short])) for i in indices]
            for indices in alike.values()
        ]
        stacks = GramStack(common), GramStack(merged)
        return stacks if short == 0 else stacks[::-1]

    def factors(self, index: int) -> tuple[Tensor, Tensor]:
        """w_r U_r [H, rh] and V_r [W, rw], in float64 on the CPU."""
        rows, columns = self.shapes[index]
        return self.weights[index] * self._enlargement(0, rows), self._enlargement(1, columns)

    def _enlargement(self, axis: int, cells: int) -> Tensor:
        """U_r (axis 0) or V_r (axis 1) for so many cells, in float64 on the CPU."""
        return upsampling_matrix(self.size[axis], cells, wrap=self.wrap)

    def _placed(self, matrix: Tensor) -> Tensor:
        return matrix.to(self.device, self.dtype)

    @cached_property
    def _groups(self) -> tuple[_Group, ...]:
        groups: list[_Group] = []
        index = 0
        while index < len(self._multiplied):
            rows: list[Tensor] = []
            columns: list[Tensor] = []
            heights: list[int] = []
            while index < len(self._multiplied) and sum(heights) < _GROUP_ROWS:
                row, column = self.factors(index)
                rows.append(row)
                columns.append(self._placed(column))
                heights.append(row.shape[1])
                index += 1
            groups.append(_Group(self._placed(torch.cat(rows, 1)), tuple(columns), tuple(heights)))
        return tuple(groups)


def _sum(parts: Iterable[Tensor]) -> Tensor:
    """The sum of at least one tensor, holding two at a time."""
    return reduce(torch.add, parts)


@lru_cache(maxsize=4)
def _cached_operator(
    resolutions: tuple[int, ...],
    size: Size,
    weights: tuple[float, ...],
    tolerance: float,
    dtype: torch.dtype,
    device: torch.device,
    wrap: bool,
    own_pixels: bool,
    mirrored: bool,
    two_scales: bool,
) -> ResolutionOperator:
    return ResolutionOperator(
        resolutions, size, weights, tolerance, dtype, device, wrap, own_pixels, mirrored, two_scales
    )


def resolution_operator(
    resolutions: Sequence[int],
    size: Size,
    *,
    weights: Sequence[float] | None = None,
    tolerance: float = 0.0,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    wrap: bool = False,
    own_pixels: bool = False,
    mirrored: bool = False,
    two_scales: bool = False,
) -> ResolutionOperator:
    """A `ResolutionOperator`, the last few of which are kept; every weight is 1 unless given."""
    chosen = tuple(resolutions)
    scales = (1.0,) * len(chosen) if weights is None else tuple(map(float, weights))
    place = torch.device(device)
    return _cached_operator(
        chosen, tuple(size), scales, float(tolerance), dtype, place, wrap, own_pixels, mirrored, two_scales
    )
