"""Where a network's pass gets its random numbers from."""

from dataclasses import dataclass
from typing import Protocol

import torch

from robust_model.networks.stack import MultiResolutionStack, StackDraws


class Noise(Protocol):
    """Where a pass gets its random numbers from."""

    def __call__(self, stack: MultiResolutionStack, batch: int) -> StackDraws: ...


@dataclass(frozen=True)
class SilentNoise:
    """No randomness: the centre of every distribution."""

    def __call__(self, stack: MultiResolutionStack, batch: int) -> StackDraws:
        return stack.centre(batch)


@dataclass(frozen=True)
class FreshNoise:
    """New random numbers at every pass and for every image (with `shared`: one draw per pass for all images)."""

    rng: torch.Generator
    shared: bool = False

    def __call__(self, stack: MultiResolutionStack, batch: int) -> StackDraws:
        return stack.sample(batch, self.rng, shared=self.shared)


@dataclass(frozen=True)
class FrozenNoise:
    """The same random numbers at every pass: image i of a batch always gets draw i of `seed`.

    That holds for batches of any size: the draws are made image by image.
    """

    seed: int
    shared: bool = False

    def __call__(self, stack: MultiResolutionStack, batch: int) -> StackDraws:
        rng = torch.Generator().manual_seed(self.seed)
        if self.shared:
            return stack.sample(batch, rng, shared=True)
        return StackDraws.concatenate([stack.sample(1, rng) for _ in range(batch)])
