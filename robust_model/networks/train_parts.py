"""The parts of a training step that stand alone: learning rate, augmentation, still BatchNorm statistics."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def one_cycle(step: int, steps: int, peak: float, warmup: float) -> float:
    """The learning rate of `step` (0-based): linear from 0 to `peak` over `warmup` of the run, then back to 0.

    Taken at the middle of the step, so that none has a rate of zero. A negative `warmup` means constant.
    """
    if warmup < 0:
        return peak
    at = (step + 0.5) / steps
    return peak * (at / warmup if at < warmup else (1 - at) / (1 - warmup))


def augment(images: Tensor, shift: int, flip: bool, rng: torch.Generator) -> Tensor:
    """Shift images [B, C, H, W] of any dtype by up to `shift` pixels (edges reflected) and flip half of them.

    `shift` must be smaller than H and W: beyond that there is nothing left to reflect.
    """
    batch, _, height, width = images.shape
    if shift >= min(height, width):
        raise ValueError(f"images of {height} x {width} pixels cannot be shifted by {shift}")
    rows = torch.arange(height).expand(batch, -1)
    columns = torch.arange(width).expand(batch, -1)
    if shift:
        offset = torch.randint(-shift, shift + 1, (batch, 2), generator=rng)
        rows, columns = rows + offset[:, :1], columns + offset[:, 1:]
    if flip:
        mirrored = torch.rand(batch, 1, generator=rng) < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    rows = (height - 1) - (rows.abs() - (height - 1)).abs()  # -1 -> 1, height -> height - 2
    columns = (width - 1) - (columns.abs() - (width - 1)).abs()
    pick = torch.arange(batch)[:, None, None]
    return images.permute(0, 2, 3, 1)[pick, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@contextmanager
def still_statistics(model: nn.Module) -> Iterator[None]:
    """Within, forward passes in train mode normalise by the batch as ever, but leave the running statistics alone."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    tracked = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, track in zip(norms, tracked, strict=True):
            norm.track_running_stats = track


@contextmanager
def unmoved_statistics(model: nn.Module) -> Iterator[None]:
    """Within, forward passes in train mode go through the motions of moving the running statistics, by nothing.

    For passes that must save the very same tensors as one before them (see `networks.Chain`), which
    `still_statistics` would not.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
