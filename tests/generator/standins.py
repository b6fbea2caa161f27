"""Tiny classifiers, encoders and priors that stand in for real ones."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

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


class Words:
    """An encoder of random weights: images [B, 3, H, W] of at least 6 x 6, and texts, to 16 dimensions.

    It computes in the type of its images, and knows the words `vocabulary` ("" for all words).
    """

    image_size = 12
    logit_scale = 20.0

    def __init__(self, seed: int = 0, vocabulary: str = "") -> None:
        draws = rng(seed)
        self.filters = torch.randn(12, 3, 5, 5, generator=draws) / 4
        self.matrix = torch.randn(16, 12 * 4, generator=draws) / 4
        self.seed, self.vocabulary = seed, vocabulary.split()
        self.batches: list[tuple[int, ...]] = []
        self.texts: list[str] = []

    def encode_images(self, images: Tensor, /) -> Tensor:
        self.batches.append(tuple(images.shape))
        small = torch.nn.functional.adaptive_avg_pool2d(images, 12)
        features = torch.nn.functional.conv2d(small - 0.4, self.filters.to(images)).tanh()
        pooled = torch.nn.functional.adaptive_avg_pool2d(features, 2).flatten(1)
        return torch.nn.functional.normalize(pooled @ self.matrix.to(images).T, dim=1)

    def encode_text(self, texts: Sequence[str], /) -> Tensor:
        assert texts and not torch.is_grad_enabled()
        self.texts.extend(texts)
        return torch.nn.functional.normalize(torch.stack([self._draw(text) for text in texts]), dim=1)

    def _draw(self, text: str) -> Tensor:
        return torch.randn(16, generator=rng(zlib.crc32(text.encode()) + self.seed))

    def unknown_words(self, text: str, /) -> tuple[str, ...]:
        return tuple(word for word in text.split() if self.vocabulary and word not in self.vocabulary)


def random_images(seed: int = 0, shape: tuple[int, ...] = (2, 3, 9, 14), spread: float = 1.2) -> torch.Tensor:
    """Images whose values leave [0, 1] on either side by half of what `spread` is above 1."""
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=rng) * spread - (spread - 1) / 2


@dataclass(frozen=True)
class Info:
    name: str
    title: str = "A model of colours"
    ready: bool = True
    why_not: str = ""
    revision: str = "abc123"
