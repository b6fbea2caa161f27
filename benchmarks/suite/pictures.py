"""What models are shown: cuts of the photos that come with the program, and the models themselves."""

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from foundation.files.shipped import ASSETS
from foundation.images.files import load_image, to_tensor
from robust_model.zoo.subjects import load_subject

PHOTOS = ("cat", "coffee", "rocket")
SHARE = 0.85
"""Of the shorter side of a photo, what a cut takes."""


def cuts(count: int, side: int, device: str = "cpu") -> Tensor:
    """Squares out of the shipped photos in turn, each from a place of its own: [count, 3, side, side] in [0, 1]."""
    photos = [to_tensor(load_image(ASSETS / "photos" / f"{name}.png")) for name in PHOTOS]
    rng = torch.Generator().manual_seed(0)
    found = []
    for number in range(count):
        photo = photos[number % len(photos)]
        height, width = photo.shape[-2:]
        edge = int(SHARE * min(height, width))
        top, left = (int(torch.randint(length - edge + 1, (1,), generator=rng)) for length in (height, width))
        square = photo[..., top : top + edge, left : left + edge].reshape(1, 3, edge, edge)
        found.append(F.interpolate(square, size=(side, side), mode="bilinear", align_corners=False, antialias=True))
    return torch.cat(found).clamp(0, 1).to(device)


@cache
def classifier(name: str, device: str) -> Any:
    """A classifier by its short name, loaded once."""
    return load_subject(name, device).model
