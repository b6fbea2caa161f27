"""What a victim says along the straight line from a photo to its attacked picture, before and beyond."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from generator.victims.verdicts import Verdict, Verdicts
from generator.victims.victims import Victim

FROM, TO = -0.5, 2.0
POINTS = 51
"""Points from `FROM` to `TO`, both included: every 0.05, so that the photo (0) and the attacked picture (1) are hit."""
AT_ONCE = 8
"""Points that a victim is asked about in one pass, if they have no more than so many pixels together:"""
MOST_PIXELS = 1 << 22
HALVINGS = 12
"""How often the stretch in which the answer changes is halved."""


@dataclass(frozen=True)
class Point:
    """What the victim says at t: 0 is the photo, 1 the attacked picture."""

    t: float
    verdict: Verdict


@dataclass(frozen=True)
class Crossing:
    """Where the answer changes from one label to another, between two points where the labels are as said."""

    t: float
    before: str
    after: str


@dataclass(frozen=True)
class Line:
    """The answers along a line, in the order of t, and where they change."""

    points: tuple[Point, ...]
    crossings: tuple[Crossing, ...]


def default_positions() -> tuple[float, ...]:
    """Return the t of all points, rounded to what is written: 0 and 1 are exact."""
    step = (TO - FROM) / (POINTS - 1)
    return tuple(round(FROM + step * index, 6) for index in range(POINTS))


def between(photo: Tensor, attacked: Tensor, t: float) -> Tensor:
    """Return photo + t (attacked - photo), cut to [0, 1]: [1, 3, H, W]. At 0 and 1 the two are returned exactly."""
    return torch.lerp(photo, attacked, t).clamp(0, 1)


def along(
    victim: Victim,
    photo: Tensor,
    attacked: Tensor,
    positions: Sequence[float] | None = None,
    *,
    halvings: int = HALVINGS,
) -> Line:
    """Ask a victim along the line from a photo to an attacked picture, each [1, 3, H, W] in [0, 1].

    `positions` must increase; by default `default_positions`. Each change of the answer between two neighbouring points
    is narrowed down by so many halvings, by default to 1/4096 of their distance; without any it is said to be half-way.
    Of several changes between two neighbouring points only one is found. The pictures in between are not rounded to
    8 bit, and beyond 1 the change is larger than the budget. ValueError for images that are not of one size.
    """
    if photo.shape != attacked.shape or len(photo) != 1:
        raise ValueError(f"a line needs two images of one size, not {list(photo.shape)} and {list(attacked.shape)}")
    chosen = default_positions() if positions is None else tuple(positions)
    if any(later <= earlier for earlier, later in pairwise(chosen)):
        raise ValueError("positions on a line must increase")

    def look(*ts: float) -> Verdicts:
        return victim.look(torch.cat([between(photo, attacked, t) for t in ts]))

    fitting = max(1, min(AT_ONCE, MOST_PIXELS // photo[0, 0].numel()))
    at_once = fitting if victim.by_image else 1
    parts = [chosen[start : start + at_once] for start in range(0, len(chosen), at_once)]
    points = tuple(Point(t, said) for part in parts for t, said in zip(part, look(*part), strict=True))
    crossings = []
    for left, right in pairwise(points):
        if left.verdict.label == right.verdict.label:
            continue
        low, high, said = left.t, right.t, right.verdict.label
        for _ in range(halvings):
            middle = (low + high) / 2
            label = look(middle)[0].label
            if label == left.verdict.label:
                low = middle
            else:
                high, said = middle, label
        crossings.append(Crossing((low + high) / 2, left.verdict.label, said))
    return Line(points, tuple(crossings))
