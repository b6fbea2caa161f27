"""The linear map K of a large canvas at two scales, so that a step grows as the canvas does, and no faster.

K is the sum over all layers (see `kronecker`). It is taken apart at a resolution of about an eighth of the side:

- Finer layers act on neighbours alone: their matrices are narrow bands (`banded`), and together, as most of K's norm
  belongs to the coarse ones, one to three Kronecker products of bands are enough.
- Coarser layers are smooth: K of them happens on a grid with a cell for every `spacing` pixels, which cubic B-splines
  take there and back. With their values B at the pixels and S = B^T B, what they show of K is

      B S^-1 (B^T K B) S^-1 B^T,      the orthogonal projection of K from both sides,

  whose inner part is a sum of Kronecker products of small matrices, cut as that of all layers is elsewhere.

Per pixel the first part takes a number of multiplications that does not grow with the canvas, the splines too, and the
grid (side / spacing)^3, which is little up to some thousand pixels. Close to fast multipole methods (Greengard and
Rokhlin, "A fast algorithm for particle simulations", 1987): near ones exactly, far ones by what is smooth about them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from generator.priors.kernels.banded import BandStack, Blocks, Taps
from generator.priors.kernels.kronecker import GramStack, Kernel, KroneckerKernel, Truncation
from generator.priors.kernels.mirrored import MirrorKernel

Size = tuple[int, int]

BLOCK = 32
"""Pixels of a block, a multiple of every spacing."""

_CUTS = ((6, 4), (8, 4), (12, 4), (16, 4))
"""How many pixels a cell of the coarse layers has at least, and the spacing of splines; more splines lose less."""

_SHARES = (0.8, 0.5, 0.3)
"""What each part may take of the tolerance: cutting the fine layers, cutting the coarse ones, and the splines. Their
squares add up to less than 1, as the squares of errors do that have nothing to do with each other."""

_MOST_FINE, _MOST_COARSE = 6, 64
"""Kronecker products that still pay."""

_COHERENCE = 1.5
"""What splines lose of layers adds up nearly as if these had nothing to do with each other: measured, 0.8 to 1.35."""


@dataclass(frozen=True)
class Splines:
    """Cubic B-splines over a side, symmetric about its middle, a whole number of them for a block.

    Attributes:
        size: pixels of the side.
        spacing: pixels from one to the next.
        count: how many there are; the first is centred at or just after the beginning of the first block. One that
            is hardly seen at an end is left out, so that all are well told apart.
        blocks: the blocks, whose windows hold all that a spline sees whose centre lies in them.
        phase: how many pixels the first is centred after that beginning.
    """

    size: int
    spacing: int
    count: int
    blocks: Blocks
    phase: float

    @classmethod
    def over(cls, size: int, spacing: int, reach: int) -> "Splines":
        """Those over `size` pixels, in blocks whose windows reach at least so far."""
        middle = min(
            (size / 2, (size + spacing) / 2), key=lambda centre: abs(centre / spacing - round(centre / spacing))
        )
        first = middle - spacing * math.floor(middle / spacing + 1.5)  # the last whose spline is still seen
        count = 1 + round((size - 2 * first) / spacing)
        origin = math.floor(first)
        needed = max(size - origin, count * spacing)
        blocks = Blocks(origin, math.ceil(needed / BLOCK), BLOCK, max(reach, 2 * spacing))
        return cls(size, spacing, count, blocks, first - origin)

    @property
    def a_block(self) -> int:
        """How many are centred in a block."""
        return self.blocks.length // self.spacing

    def values(self) -> Tensor:
        """B [size, count], float64."""
        centres = self.blocks.origin + self.phase + self.spacing * torch.arange(self.count, dtype=torch.float64)
        return self._values(torch.arange(self.size)[:, None] + 0.5 - centres)

    def down(self) -> Tensor:
        """From the pixels of a window to the splines that are centred in its block: [window, a_block]."""
        centres = self.phase + self.spacing * torch.arange(self.a_block, dtype=torch.float64)
        return self._values(torch.arange(self.blocks.window)[:, None] - self.blocks.reach + 0.5 - centres)

    def up(self) -> Tensor:
        """From the splines of a block, one before and two after it, to its pixels: [a_block + 3, length]."""
        centres = self.phase + self.spacing * torch.arange(-1, self.a_block + 2, dtype=torch.float64)
        return self._values(torch.arange(self.blocks.length) + 0.5 - centres[:, None])

    def _values(self, distance: Tensor) -> Tensor:
        """The cubic B-spline at distances in pixels."""
        t = (distance / self.spacing).abs()
        near = 2 / 3 - t**2 + t**3 / 2
        return torch.where(t < 1, near, (2 - t).clamp(min=0) ** 3 / 6)


@dataclass(frozen=True, eq=False)
class Bands:
    """sum_q L_q G R_q for matrices of bands, block by block."""

    left: Tensor  # [blocks of rows, length, window * Q]: of each row of a block L_q[i, w] at w * Q + q
    right: Tensor  # [blocks of columns, window, Q * length]: R_q[w, j] at q * length + j
    terms: int

    @classmethod
    def of(cls, left: Tensor, right: Tensor, like: Tensor) -> "Bands":
        """From symmetric matrices [Q, blocks, length, window], for images like that one."""
        rows = left.permute(1, 2, 3, 0).flatten(2).to(like).contiguous()
        columns = right.permute(1, 3, 0, 2).flatten(2).to(like).contiguous()
        return cls(rows, columns, len(left))


@dataclass(frozen=True, eq=False)
class Grid:
    """B_rows core(B_rows^T G B_columns) B_columns^T, block by block; the matrices of a side as `Splines` names them."""

    sides: tuple[Splines, Splines]
    down: tuple[Tensor, Tensor]
    up: tuple[Tensor, Tensor]
    core: Kernel

    def narrowed(self, padded: Tensor) -> Tensor:
        """B_rows^T G B_columns [rows, columns] of an image with a window's reach about its blocks."""
        rows, columns = self.sides
        across = padded.new_empty(len(padded), columns.blocks.count * columns.a_block)
        for index in range(columns.blocks.count):
            window = padded.narrow(1, index * columns.blocks.length, columns.blocks.window)
            part = across.narrow(1, index * columns.a_block, columns.a_block)
            torch.mm(window, self.down[1], out=part)
        tall = self.down[0].mT.expand(rows.blocks.count, -1, -1) @ _windows(across, rows.blocks)
        return tall.flatten(0, 1)[: rows.count, : columns.count]

    def widened(self, grid: Tensor) -> Tensor:
        """B_rows C of a grid C [rows, columns]: [pixels of all blocks, columns and what `up` needs beside them]."""
        rows, columns = self.sides
        beside = [(1, side.blocks.count * side.a_block + 2 - side.count) for side in (columns, rows)]
        padded = F.pad(grid, [*beside[0], *beside[1]])
        windows = padded.as_strided(
            (rows.blocks.count, rows.a_block + 3, padded.shape[1]),
            (rows.a_block * padded.shape[1], padded.shape[1], 1),
        )
        return (self.up[0].mT.expand(rows.blocks.count, -1, -1) @ windows).flatten(0, 1)


@dataclass(frozen=True, eq=False)
class TwoScaleKernel:
    """K(G) = sum_q L_q G R_q of bands, for the fine layers, and a kernel on a grid of splines, for the coarse ones."""

    size: Size
    blocks: tuple[Blocks, Blocks]
    fine: Bands | None
    coarse: Grid | None
    terms: int
    relative_error: float

    def __call__(self, images: Tensor, /) -> Tensor:
        rows, columns = self.blocks
        around = [
            beside
            for blocks, side in ((columns, self.size[1]), (rows, self.size[0]))
            for beside in (
                blocks.reach - blocks.origin,
                blocks.origin + blocks.count * blocks.length + blocks.reach - side,
            )
        ]
        moved = torch.empty_like(images, memory_format=torch.contiguous_format).view(-1, *self.size)
        for image, to in zip(images.reshape(-1, *self.size), moved, strict=True):
            whole = self._of_one(F.pad(image, around))
            to.copy_(whole[-rows.origin :, -columns.origin :][: self.size[0], : self.size[1]])
        return moved.view(images.shape)

    def _of_one(self, padded: Tensor) -> Tensor:
        """K of an image with a window's reach about its blocks: [pixels of all blocks of rows, of columns]."""
        rows, columns = self.blocks
        whole = padded.new_empty(rows.count * rows.length, columns.count * columns.length)
        in_blocks = whole.view(rows.count, rows.length, -1)
        tall = None
        if self.coarse is not None:
            tall = self.coarse.widened(self.coarse.core(self.coarse.narrowed(padded)))
        for index in range(columns.count):
            to = in_blocks.narrow(2, index * columns.length, columns.length)
            if tall is not None and self.coarse is not None:
                side, up = self.coarse.sides[1], self.coarse.up[1]
                to.copy_((tall.narrow(1, index * side.a_block, len(up)) @ up).view(to.shape))
            if self.fine is not None:
                products = padded.narrow(1, index * columns.length, columns.window) @ self.fine.right[index]
                windows = _windows(products, rows, self.fine.terms)
                part = torch.bmm(self.fine.left, windows)
                to.copy_(part) if tall is None else to.add_(part)
        return whole


def _windows(lines: Tensor, blocks: Blocks, terms: int = 1) -> Tensor:
    """The windows [count, window * terms, width] of lines [pixels, terms * width], as they lie."""
    width = lines.shape[1] // terms
    return lines.as_strided((blocks.count, blocks.window * terms, width), (blocks.length * lines.shape[1], width, 1))


def two_scale_kernel(
    shapes: Sequence[Size], size: Size, weights: Sequence[float], tolerance: float, like: Tensor
) -> TwoScaleKernel | None:
    """K of layers of the given shapes (rh, rw), ascending, on a canvas (H, W), for images like `like`.

    Its error is at most the tolerance, of white noise, as `Kernel.relative_error` means it; None if that would take
    more than pays.
    """
    for pixels, spacing in _CUTS:
        fine: list[int] = []
        coarse: list[int] = []
        for index, shape in enumerate(shapes):
            (fine if _pixels_of_cell(shape, size) < pixels else coarse).append(index)
        found = _parted(shapes, size, weights, tolerance, like, fine, coarse, spacing)
        if found is not None:
            return found
    return None


def _pixels_of_cell(shape: Size, size: Size) -> float:
    return min(side / cells for side, cells in zip(size, shape, strict=True))


def _parted(
    shapes: Sequence[Size],
    size: Size,
    weights: Sequence[float],
    tolerance: float,
    like: Tensor,
    fine: Sequence[int],
    coarse: Sequence[int],
    spacing: int,
) -> TwoScaleKernel | None:
    """The kernel with those layers as bands and these on a grid; None if one part would take too much."""
    taps = [[(weights[i], Taps.of(side, shapes[i][axis])) for i in fine] for axis, side in enumerate(size)]
    sides = [
        Splines.over(side, spacing, max((some.reach for _, some in of), default=0))
        for side, of in zip(size, taps, strict=True)
    ]
    stacks = [BandStack(of, side.blocks) for of, side in zip(taps, sides, strict=True)]
    bands = Truncation(*stacks) if fine else None
    smooth = _Smooth.of(shapes, weights, sides, coarse) if coarse else None
    cut = smooth.truncation if smooth is not None else None
    # The parts have no negative inner product: their squares add up to no more than that of the whole.
    norm = math.hypot(bands.norm if bands else 0.0, cut.norm if cut else 0.0)
    of_fine, of_coarse, of_splines = (share * tolerance * norm for share in _SHARES)
    lost = smooth.lost if smooth is not None else 0.0
    if lost > of_splines:
        return None
    few = bands.count(of_fine / bands.norm) if bands else 0
    some = cut.count(of_coarse / cut.norm) if cut else 0
    if few > _MOST_FINE or some > _MOST_COARSE:
        return None
    error = math.hypot(lost, *(part.norm * part.error(count) for part, count in ((bands, few), (cut, some)) if part))
    both = (sides[0], sides[1])
    grid = None
    if smooth is not None and cut is not None:
        left, right = (root @ of @ root for root, of in zip(smooth.roots, cut.matrices(some), strict=True))
        core = MirrorKernel.from_matrices(left, right)
        down, up = ([make(side).to(like) for side in both] for make in (Splines.down, Splines.up))
        grid = Grid(
            both,
            (down[0], down[1]),
            (up[0], up[1]),
            core.to(like.device, like.dtype) if core else KroneckerKernel.from_matrices(left.to(like), right.to(like)),
        )
    return TwoScaleKernel(
        size,
        (both[0].blocks, both[1].blocks),
        Bands.of(*bands.matrices(few), like) if bands else None,
        grid,
        few + some,
        error / norm,
    )


@dataclass(frozen=True, eq=False)
class _Smooth:
    """The coarse layers as splines show them.

    Attributes:
        truncation: K of them in orthonormal coordinates S^-1/2 B^T of both sides.
        roots: S^-1/2 of both sides.
        lost: how much of K, in its norm, splines do not show.
    """

    truncation: Truncation
    roots: tuple[Tensor, Tensor]
    lost: float

    @classmethod
    def of(
        cls, shapes: Sequence[Size], weights: Sequence[float], sides: Sequence[Splines], which: Sequence[int]
    ) -> "_Smooth":
        members: list[list[tuple[float, Tensor]]] = [[], []]
        roots: list[Tensor] = []
        whole, shown = torch.ones(2, len(which), dtype=torch.float64)
        for axis, side in enumerate(sides):
            values = side.values()
            eigenvalues, vectors = torch.linalg.eigh(values.mT @ values)
            roots.append(vectors / eigenvalues.sqrt() @ vectors.mT)
            coordinates = roots[-1] @ values.mT
            for place, index in enumerate(which):
                factor = Taps.of(side.size, shapes[index][axis]).matrix()
                seen = coordinates @ factor
                members[axis].append((weights[index], seen))
                whole[place] *= weights[index] ** 2 * (factor.mT @ factor).square().sum()
                shown[place] *= weights[index] ** 2 * (seen.mT @ seen).square().sum()
        lost = float((whole - shown).clamp(min=0).sum().sqrt())
        stacks = [GramStack([[member] for member in of]) for of in members]
        return cls(Truncation(*stacks), (roots[0], roots[1]), _COHERENCE * lost)
