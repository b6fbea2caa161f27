"""A sheet of a layer's channels: a picture of each and, beside it, the photos of a folder that excite it most."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from pydantic import JsonValue
from torch import Tensor
from torch.nn import functional

from foundation.errors import StudioError
from foundation.images.animation import contact_sheet
from foundation.images.files import ImageError, load_image, to_tensor
from foundation.progress import Progress
from foundation.protocols import JobContext, Observable
from generator.inputs.photos import find_photos
from generator.recipes.presets import from_preset
from generator.recipes.recipe import Recipe
from generator.synthesis.apart import rendered
from generator.synthesis.models import Model
from generator.synthesis.synthesis import synthesise
from generator.units.layers import DEFAULT_SIDE, Layer, watching

Ranked = tuple[tuple[Path, float], ...]
"""Photos with their activations, the largest first."""
MOST_CHANNELS = 256
PHOTOS_BESIDE = 4
SIDE = 160
"""Pixels along a side of each picture of the sheet."""
_BATCH = 16
_ACROSS = 2
_PART = re.compile(r"([0-9]{1,6})(?:\.\.([0-9]{1,6}))?")


@dataclass(frozen=True)
class Grid:
    """What is asked for: channels of a layer of the model called `model`, and how each is drawn."""

    model: str
    layer: str
    channels: tuple[int, ...]
    preset: str = "quick"
    seed: int = 0

    def recipe(self, channel: int) -> Recipe:
        """The recipe of one channel's picture, which makes the same picture by itself."""
        unit = f"{self.layer}:{channel}"
        return from_preset("class", self.preset, models=(self.model,), unit=unit, seed=self.seed)


@dataclass(frozen=True, eq=False)
class Cell:
    """A channel as it came out: its picture [1, 3, H, W], and the photos that excite it most, the most so first."""

    channel: int
    picture: Tensor
    photos: Ranked = ()


def parse_channels(text: str) -> tuple[int, ...]:
    """Read `0..15` or `1,4,20..23`. StudioError for anything else, and for more than MOST_CHANNELS."""
    found: dict[int, None] = {}
    for part in text.replace(" ", "").split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise StudioError(f"'{part[:40]}' names no channels: write 0..15, or 1,4,20..23.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise StudioError(f"'{part}' ends before it begins: write {last}..{first}.")
        if len(found) + last - first >= MOST_CHANNELS:
            raise StudioError(f"A sheet shows at most {MOST_CHANNELS} channels: name fewer.")
        found |= dict.fromkeys(range(first, last + 1))
    return tuple(found)


def draw(grid: Grid, model: Model, context: JobContext, photos: Mapping[int, Ranked]) -> Iterator[Cell]:
    """Draw channel by channel, each with its `photos`; ends early, after at least one, when asked to stop."""
    for number, channel in enumerate(grid.channels):
        recipe = grid.recipe(channel)
        synthesis = synthesise(recipe, {grid.model: model}, device=context.device)
        for step in synthesis.steps:
            done = number * recipe.steps + step.index
            context.progress(
                Progress(done, len(grid.channels) * recipe.steps, f"Drawing channel {channel}", unit="items")
            )
        yield Cell(channel, rendered(synthesis.prior), photos.get(channel, ()))
        if context.stop_requested:
            return


def most_exciting(
    grid: Grid, model: Observable, layer: Layer, folder: Path, context: JobContext
) -> tuple[dict[int, Ranked], tuple[Path, ...]]:
    """For each channel the photos in a folder with the largest mean activation, and that, the largest first.

    A photo is seen as the sheet shows it: the largest square in its middle, at the side that the model sees. Also
    returns the files that are left out, as no photos that can be read. StudioError if no other is there.
    """
    found, scores, paths = find_photos([folder]), list[Tensor](), list[Path]()
    for start in range(0, len(found), _BATCH):
        context.progress(Progress(start, len(found), "Looking at photos", unit="items"))
        squares = _squares(found[start : start + _BATCH], model.observed_side or DEFAULT_SIDE)
        if not squares:
            continue
        paths += squares
        shown = torch.cat(list(squares.values()))
        with torch.no_grad(), watching(model.observed, [layer.name]) as outputs:
            model.look(shown.to(context.device))
        chosen = layer.by_channel(outputs[layer.name])[:, list(grid.channels)]
        scores.append(chosen.flatten(2).mean(dim=2).cpu() if chosen.ndim > 2 else chosen.cpu())
    if not scores:
        raise StudioError(f"None of the files in '{folder}' can be read as a photo: give a folder with photos.")
    activations = torch.cat(scores)  # [photos, channels]
    best = activations.argsort(dim=0, descending=True, stable=True)[:PHOTOS_BESIDE]
    ranked = {
        channel: tuple((paths[place], activations[place, column].item()) for place in best[:, column].tolist())
        for column, channel in enumerate(grid.channels)
    }
    return ranked, tuple(path for path in found if path not in set(paths))


def _squares(paths: Sequence[Path], side: int) -> dict[Path, Tensor]:
    """The squares of those of the files that can be read."""
    read: dict[Path, Tensor] = {}
    for path in paths:
        with contextlib.suppress(ImageError):
            read[path] = square(path, side)
    return read


def square(path: Path, side: int) -> Tensor:
    """The largest square in the middle of a photo, as [1, 3, side, side] in [0, 1]. Raises ImageError."""
    photo = to_tensor(load_image(path))
    height, width = photo.shape[2:]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    return _scaled(photo[:, :, top : top + short, left : left + short], side)


def _scaled(images: Tensor, side: int) -> Tensor:
    if images.shape[2:] == (side, side):
        return images
    return functional.interpolate(images, size=(side, side), mode="bilinear", align_corners=False, antialias=True)


def sheet(cells: Sequence[Cell]) -> Image.Image:
    """All channels as one picture; where there are photos, each channel is followed by those that excite it most."""
    images: list[Tensor] = []
    captions: list[str] = []
    for cell in cells:
        images.append(_scaled(cell.picture.cpu(), SIDE))
        captions.append(f"channel {cell.channel}")
        for path, activation in cell.photos:
            images.append(square(path, SIDE))
            captions.append(f"{activation:.3g}  {path.stem}")
    beside = len(cells[0].photos)
    columns = (1 + beside) * min(_ACROSS, len(cells)) if beside else max(1, round(len(cells) ** 0.5))
    return contact_sheet(images, captions, columns=columns)


def record(grid: Grid, cells: Sequence[Cell], left_out: Sequence[Path] = ()) -> dict[str, JsonValue]:
    """What the sheet shows, as JSON: the recipe of every picture, and the photos with their activations."""
    return {
        "model": grid.model,
        "layer": grid.layer,
        "left_out": [path.name for path in left_out],
        "channels": [
            {
                "channel": cell.channel,
                "recipe": grid.recipe(cell.channel).model_dump(mode="json"),
                "photos": [{"file": path.name, "activation": activation} for path, activation in cell.photos],
            }
            for cell in cells
        ],
    }
