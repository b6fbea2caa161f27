"""The linear map K by its even and odd halves: the same to rounding, for half the work.

Bicubic enlargement knows no left and right: a layer that is mirrored gives the mirrored picture, so every matrix of K
commutes with J, which turns a side of the canvas round (J L J = L). It then maps what is even across the middle to
what is even, and odd to odd. An image is taken apart into four such parts, each of a quarter of its pixels (`fold`),
every part goes through matrices of half the side, and the parts are put together again (`unfold`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_SYMMETRIC = 1e-9
"""How much of the norm of float64 matrices may lie outside of the even and odd parts: rounding leaves 1e-14."""


@dataclass(frozen=True, eq=False)
class MirrorKernel:
    """K(G) = sum_q L_q G R_q for matrices that commute with the mirror.

    A side of S pixels has an even part of ceil(S / 2) numbers and an odd part of floor(S / 2). As in `KroneckerKernel`,
    the second product reads what the first wrote as it lies.
    """

    left: tuple[Tensor, Tensor]  # of the even and of the odd rows: [h, h * Q], left[i, k * Q + q] = L_q[i, k]
    right: tuple[Tensor, Tensor]  # of the even and of the odd columns: [w, Q * w], right[k, q * w + j] = R_q[k, j]
    terms: int
    relative_error: float

    @classmethod
    def from_matrices(cls, left: Tensor, right: Tensor, relative_error: float = 0.0) -> "MirrorKernel | None":
        """From the matrices L [Q, H, H] and R [Q, W, W], float64; None if one does not commute with the mirror."""
        if not (_commutes(left) and _commutes(right)):
            return None
        terms = len(left)
        rows = [half.permute(1, 2, 0).reshape(side, side * terms).contiguous() for side, half in _halves(left)]
        columns = [half.permute(1, 0, 2).reshape(side, terms * side).contiguous() for side, half in _halves(right)]
        return cls((rows[0], rows[1]), (columns[0], columns[1]), terms, relative_error)

    def to(self, device: torch.device, dtype: torch.dtype) -> "MirrorKernel":
        """The same kernel for images of that type, there."""
        left, right = ([matrix.to(device, dtype) for matrix in pair] for pair in (self.left, self.right))
        return MirrorKernel((left[0], left[1]), (right[0], right[1]), self.terms, self.relative_error)

    def __call__(self, images: Tensor, /) -> Tensor:
        parts = [fold(part, -1) for part in fold(images.reshape(-1, *images.shape[-2:]), -2)]
        mapped = [
            [self._part(part, rows, columns) for part, columns in zip(both, self.right, strict=True)]
            for both, rows in zip(parts, self.left, strict=True)
        ]
        return unfold([unfold(both, -1) for both in mapped], -2).view(images.shape)

    def _part(self, part: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """One of the four parts [N, h, w] through its matrices."""
        count, height, width = part.shape
        if part.numel() == 0:  # the odd part of a side of one pixel
            return part
        products = part.reshape(-1, width) @ columns  # [n h, q w]
        products = products.view(count, height * self.terms, width)  # [n, h q, w]: the same memory
        return torch.bmm(rows.expand(count, -1, -1), products)


def fold(images: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The sums and the differences of what lies opposite along an axis of S; the middle one is among the sums.

    Returns [..., ceil(S / 2), ...] and [..., floor(S / 2), ...].
    """
    half = images.shape[axis] // 2
    first, last = images.narrow(axis, 0, half), images.narrow(axis, images.shape[axis] - half, half).flip(axis)
    sums, differences = first + last, first - last
    if images.shape[axis] % 2:
        sums = torch.cat([sums, images.narrow(axis, half, 1)], axis)
    return sums, differences


def unfold(parts: Sequence[Tensor], axis: int) -> Tensor:
    """Put even and odd parts together: the first half is their sum, the last their difference turned round."""
    even, odd = parts
    half = odd.shape[axis]
    mirrored, middle = even.narrow(axis, 0, half), even.narrow(axis, half, even.shape[axis] - half)
    return torch.cat([mirrored + odd, middle, (mirrored - odd).flip(axis)], axis)


def _commutes(matrices: Tensor) -> bool:
    off = (matrices - matrices.flip(1, 2)).norm()
    return bool(off <= _SYMMETRIC * matrices.norm())


def _halves(matrices: Tensor) -> tuple[tuple[int, Tensor], tuple[int, Tensor]]:
    """What matrices [Q, S, S] do to the sums of `fold`, and what to the differences: square, each with its side."""
    side = matrices.shape[1]
    half, upper = side // 2, (side + 1) // 2
    near, far = matrices[:, :upper, :half], matrices[:, :upper, side - half :].flip(2)
    even, odd = (near + far) / 2, (near - far)[:, :half] / 2
    if side % 2:
        even = torch.cat([even, matrices[:, :upper, half : half + 1]], 2)
    return (upper, even), (half, odd)
