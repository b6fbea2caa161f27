"""What layers of fine resolutions do to the picture, from the few entries that their matrices have.

A cell of a layer of r cells reaches over four of the S / r pixels that each has of a side of S, so A_r = U_r U_r^T is 0
more than 4 S / r pixels beside its diagonal. The matrices are made block of rows by block of rows, and none of them is
ever there as a whole: of 2,048 resolutions on 2,048 pixels, the U_r alone would take 34 GB.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

_COMB = 8  # cells between two that are enlarged at once: more than a pixel ever sees
_HELD_ENTRIES = 1 << 24  # how many float64 entries of all the blocks are held at a time


@dataclass(frozen=True, eq=False)
class Taps:
    """Bicubic enlargement U [size, cells] by its entries: U[i, cells[i, t]] = values[i, t], all others are 0.

    At the ends of the side a cell may be named twice, with the same value.
    """

    cells: Tensor  # [size, 4], int64
    values: Tensor  # [size, 4], float64

    @classmethod
    def of(cls, size: int, cells: int) -> "Taps":
        """What `interpolate(mode="bicubic", align_corners=False)` does to each cell, 1 <= cells <= size.

        Read off its action on combs, whose teeth no pixel sees two of.
        """
        teeth = torch.arange(cells) % _COMB == torch.arange(_COMB)[:, None]
        enlarged = F.interpolate(teeth.double()[None, :, :, None], size=(size, 1), mode="bicubic", align_corners=False)
        before = ((torch.arange(size, dtype=torch.float64) + 0.5) * (cells / size) - 0.5).floor().long()
        seen = (before[:, None] + torch.arange(-1, 3)).clamp_(0, cells - 1)
        return cls(seen, enlarged[0, :, :, 0].gather(0, (seen % _COMB).mT).mT.contiguous())

    def matrix(self) -> Tensor:
        """U as a whole."""
        whole = self.values.new_zeros(len(self.cells), int(self.cells[-1, -1]) + 1)
        return whole.scatter_(1, self.cells, self.values)

    @property
    def reach(self) -> int:
        """How far beside the diagonal of U U^T its entries reach."""
        pixels = torch.arange(len(self.cells))[:, None].expand_as(self.cells)[self.values != 0]
        named = self.cells[self.values != 0]
        last = torch.zeros(int(named.max()) + 1, dtype=torch.long).scatter_reduce_(0, named, pixels, "amax")
        return int((last[named] - pixels).max())

    def rows(self, pixels: Tensor) -> Tensor:
        """Rows [J, P, some cells] of U for pixels [J, P], 0 outside of the side; the cells are those that J needs."""
        inside = (pixels >= 0) & (pixels < len(self.cells))
        places = pixels.clamp(0, len(self.cells) - 1)
        cells = self.cells[places]
        cells = cells - cells.amin((1, 2), keepdim=True)
        rows = self.values.new_zeros(*pixels.shape, int(cells.max()) + 1)
        return rows.scatter_(2, cells, self.values[places] * inside[:, :, None])


@dataclass(frozen=True)
class Blocks:
    """A side of the canvas in blocks of pixels, each with a window of pixels about it.

    Attributes:
        origin: where the first block begins: at the first pixel, or before it.
        count, length: how many blocks there are, and of how many pixels.
        reach: how many pixels a window has before and after its block.
    """

    origin: int
    count: int
    length: int
    reach: int

    @property
    def window(self) -> int:
        return self.length + 2 * self.reach

    @property
    def pixels(self) -> Tensor:
        """The pixels [count, window] of every window; some lie outside of the canvas."""
        starts = self.origin - self.reach + self.length * torch.arange(self.count)
        return starts[:, None] + torch.arange(self.window)


@dataclass(frozen=True, eq=False)
class BandStack:
    """The matrices M_t = c_t U_t U_t^T of one side, by the windows of its blocks: [T, count, length, window].

    Never all held at once. The windows must hold whatever of them is not 0: see `Taps.reach`.
    """

    members: Sequence[tuple[float, Taps]]
    blocks: Blocks

    def inner_products(self) -> Tensor:
        """<M_s, M_t>, [T, T]."""
        return self._inner_products

    @cached_property
    def _inner_products(self) -> Tensor:
        total = torch.zeros(len(self.members), len(self.members), dtype=torch.float64)
        for _, some in self._runs():
            flat = some.flatten(1)
            total += flat @ flat.mT
        return total

    def mixed(self, coefficients: Tensor) -> Tensor:
        """sum_t c_tq M_t for coefficients [T, Q]: [Q, count, length, window], float64."""
        blocks = self.blocks
        mixtures = coefficients.new_empty(coefficients.shape[1], blocks.count, blocks.length, blocks.window)
        for which, some in self._runs():
            mixtures[:, which] = torch.einsum("tq,tjbw->qjbw", coefficients, some)
        return mixtures

    def _runs(self) -> Iterator[tuple[slice, Tensor]]:
        """Runs of blocks of all the matrices: (which blocks, [T, some, length, window])."""
        blocks, pixels = self.blocks, self.blocks.pixels
        some = max(1, _HELD_ENTRIES // (len(self.members) * blocks.length * blocks.window))
        own = slice(blocks.reach, blocks.reach + blocks.length)
        for start in range(0, blocks.count, some):
            which = slice(start, start + some)
            made = []
            for weight, taps in self.members:
                rows = taps.rows(pixels[which])
                made.append(weight * rows[:, own] @ rows.mT)
            yield which, torch.stack(made)
