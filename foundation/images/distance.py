"""Distances between batches of images, measured in float64. They are measurements, not parts of a graph."""

import torch
from torch import Tensor


def linf(a: Tensor, b: Tensor) -> Tensor:
    """Largest absolute difference of each pair of images, float64 [B], in the units of the pixels ([0, 1]).

    a and b are [B, 3, H, W]; either may have a batch of 1, which is compared with every image of the other.
    Raises ValueError if the shapes do not fit.
    """
    return _difference(a, b).abs().amax(dim=1)


def l2(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean norm of the difference of each pair of images over all pixels and channels, float64 [B].

    Arguments and errors as for linf.
    """
    norm: Tensor = torch.linalg.vector_norm(_difference(a, b), dim=1)
    return norm


def _difference(a: Tensor, b: Tensor) -> Tensor:
    same_batch = a.ndim == b.ndim == 4 and (a.shape[0] == b.shape[0] or 1 in (a.shape[0], b.shape[0]))
    if not same_batch or a.shape[1:] != b.shape[1:]:
        raise ValueError(f"Distances need two batches of images of one size, not {list(a.shape)} and {list(b.shape)}.")
    return (a.detach().double() - b.detach().double()).flatten(start_dim=1)
