"""Photos on disk, and a context for jobs that nobody watches."""

from pathlib import Path

import torch
from torch import Tensor

from foundation.images.files import save_png
from foundation.progress import Progress
from generator.recipes.recipe import Recipe
from tests.generator.standins import NAMES, rng

RECIPE = Recipe(
    task="attack",
    models=("colours",),
    classes=("green",),
    objective="margin",
    norm="linf",
    eps=0.2,
    steps=3,
    learning_rate=0.5,
    resolutions="1..4,8",
    views="identity",
    views_per_step=1,
    start_std=0.0,
)


class Context:
    """Remembers what it was told; asks to stop once it was told so many times."""

    device = "cpu"

    def __init__(self, stop_after: int | None = None) -> None:
        self.told: list[tuple[int, int, str]] = []
        self.stop_after = stop_after

    @property
    def stop_requested(self) -> bool:
        return self.stop_after is not None and len(self.told) >= self.stop_after

    def progress(self, now: Progress, /) -> None:
        self.told.append((now.done, now.total, now.message))


def tinted(colour: int, seed: int, size: tuple[int, int] = (20, 32)) -> Tensor:
    """A noisy picture in which one channel is stronger: Colours calls it by that channel's name."""
    picture = 0.35 + 0.2 * torch.rand(1, 3, *size, generator=rng(seed))
    picture[:, colour] += 0.25
    return picture


def save_photos(folder: Path, colours: tuple[int, ...] = (0, 2)) -> list[Path]:
    """Photos p0.png, p1.png... of the colours NAMES[c], each of another size."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, colour in enumerate(colours):
        assert colour < len(NAMES)
        paths.append(folder / f"p{number}.png")
        save_png(tinted(colour, number, (20 + 2 * number, 32)), paths[-1])
    return paths
