"""Tiny classifiers and priors that stand in for real ones."""

import torch
from torch import Tensor

NAMES = ("red", "green", "blue", "grey")


class Colours(torch.nn.Module):
    """Scores colours: logits are a fixed matrix times the mean colour, so red images are "red"."""

    class_names = NAMES

    def __init__(self, scale: float = 8.0) -> None:
        super().__init__()
        matrix = torch.tensor([[1.0, -0.5, -0.5], [-0.5, 1.0, -0.5], [-0.5, -0.5, 1.0], [0.1, 0.1, 0.1]])
        self.matrix = torch.nn.Parameter(scale * matrix)
        self.batches: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.batches.append(tuple(images.shape))
        return images.mean(dim=(2, 3)) @ self.matrix.T


class LayeredColours(Colours):
    """The same with two read-outs, one of which sees the classes in reverse order, but only faintly."""

    readout_names = ("early", "final")

    def readouts(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        return torch.stack([0.1 * logits.flip(1), logits], dim=1)


class NoisyColours(Colours):
    """The same with noise from a generator of its own."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.rng = torch.Generator().manual_seed(seed)

    def with_seed(self, seed: int) -> "NoisyColours":
        return NoisyColours(seed)

    def forward(self, images: Tensor) -> Tensor:
        noise = torch.randn(images.shape, generator=self.rng)
        return super().forward(images + 0.05 * noise)


class BreaksAfter(Colours):
    """Gives NaN from pass number `good` + 1 on."""

    def __init__(self, good: int) -> None:
        super().__init__()
        self.good = good

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        return logits if len(self.batches) <= self.good else logits * torch.nan


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
