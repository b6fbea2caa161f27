"""Square Attack for the L-inf norm: random search with squares, without gradients.

Source: Andriushchenko, Croce, Flammarion & Hein 2020 (arXiv 1912.00049), algorithms 1 and 2. Masked gradients do not
hinder it. Each image has squares of its own. For a randomised defence a point's score is the mean over `repeats`
passes: a single lucky draw must neither break an image nor keep a bad point.

As a check of other attacks it is short and sparing: it meets what they left standing, first a sample of it, and goes on
to all of it where the sample shows that this pays.
"""

import math
from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from robust_model.attacks.base import AttackBase, AttackKind, AttackOutcome, Defence, Judge, PassCount, project
from robust_model.attacks.losses import margin
from robust_model.networks.noise import Noise

GOES_ON = 0.05
"""The share of a sample that must fall (and two images at least) for the rest to be attacked as well."""
SMALLEST_SAMPLE = 8
"""A sample has so many images at least, where there are as many."""
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of 10000 queries


class SquareConfig(AttackBase):
    """Square Attack against the defence's own answer.

    `queries` scores per restart, the first one being that of random vertical stripes; `p_init` is the share of the
    pixels that the first squares cover; each score is the mean of `repeats` passes, which run as one batch.
    `only_standing`: it meets only images that the attacks before it left standing. `sample`: the share of its images
    that it attacks first (the first ones; an evaluation meets images in an order of chance); the others follow only if
    `GOES_ON` of these fall.
    """

    kind: Literal["square"] = "square"
    eot: Literal[1] = 1  # there is no gradient to average
    queries: int = Field(5000, ge=1)
    restarts: int = Field(1, ge=1)
    p_init: float = Field(0.8, gt=0, le=1)
    repeats: int = Field(1, ge=1)
    only_standing: bool = False
    sample: float = Field(1.0, gt=0, le=1)

    @property
    def name(self) -> str:
        """Square, whether it only checks a sample, and the repeats if there are several."""
        marks = ["short"] if self.sample < 1 else []
        marks += [f"{self.repeats} repeats"] if self.repeats > 1 else []
        return "Square" + (f" ({', '.join(marks)})" if marks else "")

    @property
    def is_sampled(self) -> bool:
        return self.sample < 1

    @property
    def caveat(self) -> str:
        return (
            "The short Square checks the attacks by gradients: it was given a sample of what they left standing, "
            "and the rest only if at least 5 % of that fell. Images that it was not given count as standing under it."
            if self.is_sampled
            else ""
        )

    @property
    def units(self) -> int:
        return self.restarts * self.queries * (1 if self.sample == 1 else 2) + 1

    def cost(self) -> PassCount:
        """Of a sample, its share: of images that never break no more are attacked."""
        return PassCount(forward=math.ceil(self.restarts * self.queries * self.repeats * self.sample))

    def sampled(self, count: int) -> int:
        """How many of `count` images are attacked first."""
        return min(count, max(SMALLEST_SAMPLE, round(self.sample * count)))


def side_of_square(query: int, config: SquareConfig, height: int, width: int) -> int:
    """The side in pixels at query number `query` >= 1.

    The squares cover the share p of the pixels; p starts at `p_init` and is halved after 10, 50, 200... of 10000
    queries, a schedule that is stretched to the queries there are.
    """
    progress = query * 10000 // config.queries
    p = config.p_init / 2 ** sum(progress > limit for limit in HALVINGS)
    return max(1, min(round(math.sqrt(p * height * width)), height, width))


def square(
    defence: Defence,
    images: Tensor,
    labels: Tensor,
    config: SquareConfig,
    *,
    rng: torch.Generator,
    noise: Noise,
    judge: Judge,
    before: AttackOutcome | None = None,  # noqa: ARG001 -- nothing to continue from
) -> Iterator[AttackOutcome]:
    """Square Attack (see `AttackFunction`); yields after every query.

    Source: Andriushchenko et al. (arXiv 1912.00049).

    Random numbers are drawn for the whole batch, so that they do not depend on which images are broken already.
    `last` holds the best point of each restart. `extra`: "asked", how many images it attacked.
    """
    outcome = AttackOutcome.untouched(images)
    first = config.sampled(len(images))
    everywhere = torch.arange(len(images), device=images.device)
    outcome.last = [images.clone() for _ in range(config.restarts)]
    for part in (everywhere[:first], everywhere[first:]):
        outcome.extra["asked"] = int(outcome.extra.get("asked", 0)) + len(part)
        yield from _search(defence, images, labels, part, config, outcome, rng=rng, noise=noise, judge=judge)
        if int(outcome.broken.sum()) < max(2, GOES_ON * first):
            break
    yield outcome


def _search(
    defence: Defence,
    images: Tensor,
    labels: Tensor,
    part: Tensor,
    config: SquareConfig,
    outcome: AttackOutcome,
    *,
    rng: torch.Generator,
    noise: Noise,
    judge: Judge,
) -> Iterator[AttackOutcome]:
    """The attack on the images `part` (indices); adds to the outcome of all."""
    for restart in range(config.restarts):
        best = outcome.last[restart]
        score = torch.full((len(images),), -torch.inf, device=images.device)
        for query in range(config.queries):
            alive = part[~outcome.broken[part]]
            if not len(alive):
                break
            if query == 0:
                change = stripes(images, config.eps, rng)
            else:
                side = side_of_square(query, config, *images.shape[2:])
                change = squares(images, side, 2 * config.eps, rng)
            x = project(best[alive] + change[alive], images[alive], config.eps)
            found = score_of(defence, x, labels[alive], noise, config.repeats)
            outcome.passes += PassCount(forward=len(x) * config.repeats)
            better = found > score[alive]
            best[alive[better]], score[alive[better]] = x[better], found[better]
            wrong = ~(found < 0)  # what is no number is no right answer either
            if bool(wrong.any()):
                fell = torch.zeros_like(wrong)
                fell[wrong] = ~judge(x[wrong], labels[alive[wrong]])
                outcome.mark(alive[fell], x[fell], images[alive[fell]], config.eps)
            yield outcome
        best[outcome.broken] = outcome.images[outcome.broken]


def score_of(defence: Defence, x: Tensor, labels: Tensor, noise: Noise, repeats: int) -> Tensor:
    """The margin of the best wrong class over the label, the mean over `repeats` passes: [M]."""
    with torch.no_grad():
        logits = defence.combine(defence.readouts(x.repeat(repeats, 1, 1, 1), noise))
        return margin(logits, labels.repeat(repeats), labels).view(repeats, -1).mean(0)


def _signs(shape: tuple[int, ...], images: Tensor, rng: torch.Generator) -> Tensor:
    """-1 or 1, each with probability one half."""
    return (2 * torch.randint(2, shape, generator=rng) - 1).to(images)


def stripes(images: Tensor, height: float, rng: torch.Generator) -> Tensor:
    """A change [B, 3, H, W] of vertical stripes, one pixel wide, each channel of each stripe +height or -height."""
    count, channels, rows, columns = images.shape
    return height * _signs((count, channels, 1, columns), images, rng).expand(-1, -1, rows, -1)


def squares(images: Tensor, side: int, height: float, rng: torch.Generator) -> Tensor:
    """A change [B, 3, H, W] that is zero outside one square per image, and +height or -height per channel within.

    All positions at which the square lies within the image are equally likely.
    """
    count, channels, rows, columns = images.shape
    top = torch.randint(rows - side + 1, (count, 1), generator=rng)
    left = torch.randint(columns - side + 1, (count, 1), generator=rng)
    row, column = torch.arange(rows), torch.arange(columns)
    inside = ((row >= top) & (row < top + side))[:, :, None] & ((column >= left) & (column < left + side))[:, None]
    return height * _signs((count, channels, 1, 1), images, rng) * inside[:, None].to(images)


SQUARE = AttackKind(SquareConfig, square, "Square", black_box=True)
