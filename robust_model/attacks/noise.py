"""Where an attack's passes get their random numbers from: fresh, shared over the batch, or frozen over the steps.

A gradient needs `eot` passes over each image, which run as one batch: copy e of image i is its row e * B + i.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from robust_model.attacks.base import Defence
from robust_model.networks.noise import Noise
from robust_model.networks.stack import MultiResolutionStack, StackDraws

NoiseOverSteps = Literal["fresh", "shared", "frozen"]


def take(draws: StackDraws, rows: Tensor) -> StackDraws:
    """The draws of some of the images (or of one several times): `rows` are indices [M] into the batch."""

    def pick(values: Tensor) -> Tensor:
        return values[rows.to(values.device)]

    return StackDraws(
        pick(draws.shifts),
        pick(draws.contrast),
        pick(draws.grey),
        None if draws.low is None else tuple(pick(noise) for noise in draws.low),
        None if draws.high is None else pick(draws.high),
    )


@dataclass(frozen=True)
class SharedRows:
    """At each pass `eot` new draws, each used for every image of the batch."""

    rng: torch.Generator
    eot: int

    def __call__(self, stack: MultiResolutionStack, batch: int) -> StackDraws:
        assert batch % self.eot == 0
        return take(stack.sample(self.eot, self.rng), torch.arange(self.eot).repeat_interleave(batch // self.eot))


@dataclass(frozen=True)
class FrozenRows:
    """The rows `rows` of draws that are made once per stack, on its first use, for `count` rows.

    An image keeps its draws when others leave the batch, since its rows are still its own.
    """

    rng: torch.Generator
    count: int
    rows: Tensor
    made: dict[int, StackDraws] = field(default_factory=dict)

    def __call__(self, stack: MultiResolutionStack, batch: int) -> StackDraws:
        assert batch == len(self.rows)
        if id(stack) not in self.made:
            self.made[id(stack)] = stack.sample(self.count, self.rng)
        return take(self.made[id(stack)], self.rows)


class StepNoise:
    """The noise of an attack's gradient passes over a batch of `batch` images.

    "fresh": whatever `noise` draws at each pass; "shared": one draw per pass (and EOT copy) for all images; "frozen":
    the same draws for an image at every step. A deterministic defence has only its own `noise`.
    """

    def __init__(
        self, over_steps: NoiseOverSteps, defence: Defence, noise: Noise, rng: torch.Generator, *, batch: int, eot: int
    ) -> None:
        self.over_steps: NoiseOverSteps = over_steps if over_steps == "fresh" or defence.random else "fresh"
        self.noise, self.batch, self.eot = noise, batch, eot
        if self.over_steps != "fresh":
            seed = int(torch.randint(2**31, (1,), generator=rng))
            self.rng = torch.Generator().manual_seed(seed)
            self.made: dict[int, StackDraws] = {}

    def for_images(self, indices: Tensor) -> Noise:
        """The noise of one pass over `eot` copies of the images `indices` [M] of the batch."""
        if self.over_steps == "shared":
            return SharedRows(self.rng, self.eot)
        if self.over_steps == "frozen":
            rows = (torch.arange(self.eot)[:, None] * self.batch + indices.cpu()).flatten()
            return FrozenRows(self.rng, self.eot * self.batch, rows, self.made)
        return self.noise
