"""Data-parallel training: several processes, one global batch, the same numbers as one process.

Started by `torchrun --nproc-per-node N -m robust_model train ...`. Every process holds the whole model and draws the
random numbers of the whole batch, of which it uses its own part. Gradients are averaged by one reduction of a flat
buffer in a fixed order, which a resumed run repeats bit for bit (DistributedDataParallel regroups its buckets after
the first step of a process, and so does not). BatchNorm in train mode normalises by the whole batch. The first
process alone measures and writes.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from foundation.errors import StudioError
from robust_model.networks.noise import Noise
from robust_model.networks.stack import MultiResolutionStack, StackDraws

PATIENCE = timedelta(hours=2)
"""How long the others wait for the first process, which may be measuring or writing."""


@dataclass(frozen=True)
class World:
    """This process among `size` that train together; alone, everything here does nothing."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that measures, writes and speaks."""
        return self.rank == 0

    def part(self, batch: int) -> slice:
        """This process's part of a global batch. Raises StudioError where it can't be divided evenly."""
        if batch % self.size:
            raise StudioError(f"A batch of {batch} can't be divided among {self.size} processes: choose a multiple.")
        share = batch // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the processes."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.size == 1 or not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view(gradient.shape))

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a number over the processes, without a gradient."""
        value = value.detach().clone()
        if self.size > 1:
            dist.all_reduce(value)
        return value / self.size

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether any process says so: all go on, or none does."""
        if self.size == 1:
            return flag
        found = torch.tensor(float(flag), device=device)
        dist.all_reduce(found)
        return bool(found > 0)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    @contextmanager
    def one_after_the_other(self) -> Iterator[None]:
        """Within, the first process goes ahead of the others: what it fetches, they find."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()


def current() -> World:
    """The processes that `processes` has joined, or this one alone."""
    return World(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else World()


@contextmanager
def processes(device: str) -> Iterator[str]:
    """Join the processes that torchrun has started, if it has; yields this one's device ("cuda" becomes "cuda:i")."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    try:
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise StudioError(
            f"The processes cannot find each other ({error}). Start them with: torchrun --nproc-per-node N -m "
            "robust_model train ..."
        ) from error
    try:
        yield device
    finally:
        dist.destroy_process_group()


@dataclass(frozen=True)
class PartOfNoise:
    """The draws of this process's part of the global batch, from `noise` for all of it."""

    noise: Noise
    world: World

    def __call__(self, stack: MultiResolutionStack, batch: int) -> StackDraws:
        whole = batch * self.world.size
        return self.noise(stack, whole).part(self.world.part(whole))


class _Sum(torch.autograd.Function):
    """The sum over the processes, through which gradients are summed over the processes as well."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


class GlobalBatchNorm(_BatchNorm):
    """BatchNorm over the batches of all processes, which must be equally large, on any device.

    What `torch.nn.SyncBatchNorm` does on GPUs, and refuses to do elsewhere. Shares the tensors of `norm`.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        self.train(norm.training)

    def _check_input_dim(self, _input: Tensor) -> None:
        """Any [B, C, ...] will do."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, ...] of this process -> the same, normalised by the mean and variance over all processes."""
        if not self.training:
            found: Tensor = super().forward(x)
            return found
        kind, dims = x.dtype, [d for d in range(x.ndim) if d != 1]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        x = x.float()
        count = x.numel() // x.shape[1] * current().size
        mean: Tensor = _Sum.apply(x.sum(dims)) / count  # type: ignore[no-untyped-call]
        x = x - mean.view(shape)
        variance: Tensor = _Sum.apply(x.square().sum(dims)) / count  # type: ignore[no-untyped-call]
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            assert self.momentum is not None  # torchvision's, timm's and our own networks all have one
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked.add_(1)
        x = x * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            x = x * self.weight.view(shape) + self.bias.view(shape)
        return x.to(kind)


def share_batch_norm(model: nn.Module, device: torch.device) -> None:
    """Make every BatchNorm in `model` normalise by the batches of all processes; names and tensors stay."""
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                setattr(module, name, GlobalBatchNorm(child))
