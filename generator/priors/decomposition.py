"""A given picture taken apart into layers: those of least norm that add up to it.

Many sums of layers make the same picture X. Descent from zero only ever reaches layers P_r = w_r U_r^T G V_r of
one common G (see `generator.priors.prior`), and of all layers that add up to X exactly those have the least sum of
squares. So the decomposition is the one that an optimisation would have ended with, had it been asked for this
very picture, and its layers compare with those of a generated one. G solves K(G) = X, by conjugate gradients.

Cosines nearly diagonalise K: bicubic enlargement hardly mixes their frequencies. With D the orthonormal DCT-II,

    D K(D^T . D) D^T  ~  diag(sum_r w_r^2 a_r b_r^T),   a_r, b_r = the diagonals of D A_r D^T and D A'_r D^T,

is a preconditioner with which a handful of steps are enough.
"""

import math

import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.priors.operators import ResolutionOperator

_MOST_STEPS = 100


@torch.no_grad()
def decompose(x: Tensor, operator: ResolutionOperator, *, tolerance: float = 1e-3) -> dict[int, Tensor]:
    """The layers r -> P_r [B, C, rh, rw] of least norm with sum_r w_r up_r(P_r) = x.

    Args:
        x: [B, C, H, W] on the operator's canvas, before any bound (see `generator.priors.bounds.unbounded`).
        operator: its finest resolution must be the longer side of the canvas, or not every picture is a sum.
        tolerance: the largest Euclidean norm of what is missing, relative to that of x, in any plane.

    Raises StudioError for an operator whose layers cannot make every picture, and where rounding errors keep
    the tolerance from being met.
    """
    if operator.resolutions[-1] != max(operator.size):
        raise StudioError(
            f"Layers of at most {operator.resolutions[-1]} cells cannot make every picture of {operator.size[0]} x "
            f"{operator.size[1]} pixels: add the resolution {max(operator.size)}, or scale the picture down first."
        )
    x = x.to(operator.device, operator.dtype)
    layers = operator.adjoint(_solve(x, operator, tolerance))
    return dict(zip(operator.resolutions, layers, strict=True))


def _solve(x: Tensor, operator: ResolutionOperator, tolerance: float) -> Tensor:
    """G with K(G) = x, plane by plane, by preconditioned conjugate gradients."""
    precondition = _Preconditioner(operator)
    goal = (tolerance * _norm(x)).clamp_min(torch.finfo(x.dtype).tiny)
    solution, residual = torch.zeros_like(x), x.clone()
    direction = precondition(residual)
    energy = _dot(residual, direction)
    for _ in range(_MOST_STEPS):
        if (_norm(residual) <= goal).all():
            return solution
        image = operator.up(operator.adjoint(direction))
        stride = energy / _positive(_dot(direction, image))
        solution += stride * direction
        residual -= stride * image
        steepest = precondition(residual)
        energy, before = _dot(residual, steepest), energy
        direction = steepest + energy / _positive(before) * direction
    raise StudioError("The picture could not be taken apart into layers to this precision; allow a larger tolerance.")


class _Preconditioner:
    """The inverse of K as if cosines diagonalised it."""

    def __init__(self, operator: ResolutionOperator) -> None:
        rows, columns = (cosines(side) for side in operator.size)
        diagonal = rows.new_zeros(operator.size)
        for index in range(len(operator.resolutions)):
            up, across = operator.factors(index)
            diagonal += (rows @ up).square().sum(1)[:, None] * (columns @ across).square().sum(1)
        self._rows, self._columns, self._diagonal = (
            matrix.to(operator.device, operator.dtype) for matrix in (rows, columns, diagonal)
        )

    def __call__(self, images: Tensor) -> Tensor:
        spectrum = self._rows @ images @ self._columns.mT
        return self._rows.mT @ (spectrum / self._diagonal) @ self._columns


def cosines(side: int) -> Tensor:
    """The orthonormal DCT-II, a frequency in each row: [side, side], float64."""
    index = torch.arange(side, dtype=torch.float64)
    matrix = torch.cos(math.pi / side * (index + 0.5) * index[:, None]) * math.sqrt(2 / side)
    matrix[0] /= math.sqrt(2)
    return matrix


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((-2, -1), keepdim=True)


def _norm(x: Tensor) -> Tensor:
    return _dot(x, x).sqrt()


def _positive(values: Tensor) -> Tensor:
    """Divisors that are zero only where a plane is solved, and nothing is left to divide."""
    return values.clamp_min(torch.finfo(values.dtype).tiny)
