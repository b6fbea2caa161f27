"""What descent on the layers does to the picture: the linear map K as a sum of few Kronecker products.

For layers of shape (rh, rw), enlarged by U_r [H, rh] and V_r [W, rw] with weights w_r,

    K(G) = sum_r w_r^2 A_r G A'_r      A_r = U_r U_r^T [H, H], A'_r = V_r V_r^T [W, W].

K is symmetric and positive semi-definite: a sum of Kronecker products, one per resolution. Most of them
nearly agree. Re-ordered entry by entry, K is the matrix sum_r w_r^2 vec(A_r) vec(A'_r)^T, of the same
Frobenius norm, and the truncated singular value decomposition of that matrix is the best approximation by Q
Kronecker products (Van Loan and Pitsianis, "Approximation with Kronecker products", 1993).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_BLOCK_ENTRIES = 1 << 22  # how many float64 entries of a stack of matrices are held at a time


class Kernel(Protocol):
    """K on images [..., H, W], channel by channel."""

    @property
    def terms(self) -> int:
        """How many summands are evaluated."""
        ...

    @property
    def relative_error(self) -> float:
        """e = |this form - K| / |K| in the Frobenius norm.

        For white noise g, e^2 is the mean of |this form(g) - K(g)|^2 over the mean of |K(g)|^2. Rounding is
        not counted.
        """
        ...

    def __call__(self, images: Tensor, /) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class KroneckerKernel:
    """K(G) = sum_q L_q G R_q in two matrix products, the second reading what the first wrote as it lies."""

    left: Tensor  # [H, H * Q]: left[i, h * Q + q] = L_q[i, h]
    right: Tensor  # [W, Q * W]: right[w, q * W + j] = R_q[w, j]
    terms: int
    relative_error: float

    @classmethod
    def from_matrices(cls, left: Tensor, right: Tensor, relative_error: float = 0.0) -> "KroneckerKernel":
        """From the stacked matrices L [Q, H, H] and R [Q, W, W]."""
        terms, height, width = len(left), left.shape[-1], right.shape[-1]
        return cls(
            left.permute(1, 2, 0).reshape(height, height * terms).contiguous(),
            right.permute(1, 0, 2).reshape(width, terms * width).contiguous(),
            terms,
            relative_error,
        )

    def __call__(self, images: Tensor, /) -> Tensor:
        height, width = images.shape[-2:]
        products = images.reshape(-1, width) @ self.right  # [n h, q w]
        products = products.view(-1, height * self.terms, width)  # [n, h q, w]: the same memory
        return torch.bmm(self.left.expand(len(products), -1, -1), products).view(images.shape)


@dataclass(frozen=True)
class GramStack:
    """The matrices M_t = sum_i c_ti U_ti U_ti^T of one side of the canvas, [T, S, S], never all held at once.

    `members[t]` lists the pairs (c_ti, U_ti [S, cells], float64).
    """

    members: Sequence[Sequence[tuple[float, Tensor]]]

    @property
    def side(self) -> int:
        return len(self.members[0][0][1])

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Runs of rows of all the matrices: (which rows, [T, rows, S])."""
        rows = max(1, _BLOCK_ENTRIES // (len(self.members) * self.side))
        for start in range(0, self.side, rows):
            block = slice(start, start + rows)
            yield block, torch.stack([_weighted_gram(member, block) for member in self.members])

    def inner_products(self) -> Tensor:
        """<M_s, M_t>, [T, T]."""
        total = torch.zeros(len(self.members), len(self.members), dtype=torch.float64)
        for _, block in self.blocks():
            flat = block.flatten(1)
            total += flat @ flat.mT
        return total

    def mixed(self, coefficients: Tensor) -> Tensor:
        """sum_t c_tq M_t for coefficients [T, Q]: [Q, S, S], float64."""
        mixtures = coefficients.new_empty(coefficients.shape[1], self.side, self.side)
        for rows, block in self.blocks():
            mixtures[:, rows] = torch.einsum("tq,trs->qrs", coefficients, block)
        return mixtures


def _weighted_gram(member: Sequence[tuple[float, Tensor]], rows: slice) -> Tensor:
    """The given rows of sum_i c_i U_i U_i^T."""
    weighted = torch.cat([weight * matrix[rows] for weight, matrix in member], 1)
    return weighted @ torch.cat([matrix for _, matrix in member], 1).mT


def exact_matrices(left: GramStack, right: GramStack) -> tuple[Tensor, Tensor]:
    """All L_t [T, H, H] and R_t [T, W, W], float64."""
    every = torch.eye(len(left.members), dtype=torch.float64)
    all_left = left.mixed(every)
    return all_left, all_left if right is left else right.mixed(every)


class Stack(Protocol):
    """Matrices M_t, one for each of T terms, of one side of the canvas."""

    def inner_products(self) -> Tensor:
        """<M_s, M_t>, [T, T], float64."""
        ...

    def mixed(self, coefficients: Tensor, /) -> Tensor:
        """sum_t c_tq M_t for coefficients [T, Q]: [Q, ...], float64, in the stack's own layout."""
        ...


class Truncation:
    """sum_t L_t (x) R_t as a sum of its singular parts, which can be cut after any of them.

    With thin factors vec(L) = Q_L F_L and vec(R) = Q_R F_R (F from the T x T Gram matrices alone), the matrix
    to approximate is Q_L (F_L F_R^T) Q_R^T; the small core in brackets has its singular values s.
    """

    def __init__(self, left: Stack, right: Stack) -> None:
        self._left, self._right = left, right
        left_factor, self._left_inverse = _thin_factor(left.inner_products())
        right_factor, self._right_inverse = (
            (left_factor, self._left_inverse) if right is left else _thin_factor(right.inner_products())
        )
        self._outer, self._singular, self._inner = torch.linalg.svd(left_factor @ right_factor.mT, full_matrices=False)
        energy = self._singular.square()
        self._remaining = energy.flip(0).cumsum(0).flip(0)  # what is lost by cutting before the q-th
        self.norm = float(self._remaining[0].sqrt())

    def count(self, tolerance: float) -> int:
        """The fewest parts that leave a relative error <= tolerance."""
        return 1 + int((self._errors > tolerance).sum())

    def error(self, count: int) -> float:
        """The relative error after so many parts: sqrt(sum_{p > q} s_p^2 / sum_p s_p^2)."""
        return float(self._errors[count - 1])

    @property
    def _errors(self) -> Tensor:
        remaining = self._remaining
        return torch.cat([remaining[1:], remaining.new_zeros(1)]).div(remaining[0]).sqrt()

    def matrices(self, count: int) -> tuple[Tensor, Tensor]:
        """L_q and R_q [Q, ...] of the first parts; of one and the same stack, its matrices are made once for both."""
        scale = self._singular[:count].sqrt()
        to_left = self._left_inverse @ self._outer[:, :count] * scale
        to_right = self._right_inverse @ self._inner[:count].mT * scale
        if self._right is self._left:
            left, right = self._left.mixed(torch.cat([to_left, to_right], 1)).split(count)
            return left, right
        return self._left.mixed(to_left), self._right.mixed(to_right)


def truncated_matrices(
    left: GramStack, right: GramStack, tolerance: float, most: int
) -> tuple[Tensor, Tensor, float] | None:
    """The fewest Kronecker products that approximate sum_t L_t (x) R_t to a relative error <= tolerance.

    Returns L_q [Q, H, H], R_q [Q, W, W] (float64) and that error; None if more than `most` would be needed.
    """
    found = Truncation(left, right)
    count = found.count(tolerance)
    return None if count > most else (*found.matrices(count), found.error(count))


def _thin_factor(gram: Tensor) -> tuple[Tensor, Tensor]:
    """For gram = M^T M of rank k: F [k, T] with M = Q F, Q^T Q = 1, and the right inverse [T, k] of F."""
    values, vectors = torch.linalg.eigh(gram)
    positive = values > values[-1] * len(values) * torch.finfo(gram.dtype).eps
    roots, vectors = values[positive].sqrt(), vectors[:, positive]
    return roots[:, None] * vectors.mT, vectors / roots
