"""Pictures that ran away: how they show, and how they are drawn anew with the seeds that follow.

Drawing from nothing can end all white, in one colour, or with every value black or white: the gradient drives the
picture there, and then it vanishes. Such a picture shows in its own values. Of 1,000 photos of things, none has a
largest standard deviation of a channel below 0.071, or more than 70 % of its values at the limits; of 40 drawn
pictures, one ran away, with 0.002 and 100 %, and the others have at least 0.165 and at most 11 %.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from generator.records.pictures import RanAway
from generator.synthesis.apart import PriorsApart
from generator.synthesis.synthesis import Synthesis

FLAT = 0.03
"""A picture is of one colour if no channel has a larger standard deviation, of values from 0 to 1."""
SATURATED = 0.9
"""A picture is saturated if more of its values than this share are black or white."""
AT_LIMIT = 3 / 255
"""So near to 0 or 1, a value is taken for black or white."""

Losses = Mapping[str, Sequence[Sequence[float]]]
"""Name of a term -> its value for each image, step by step."""


class Drawn(NamedTuple):
    """A production that came to its end: `images` [B, 3, H, W] in [0, 1] after the last step, and all losses."""

    synthesis: Synthesis
    images: Tensor
    losses: Losses


@dataclass(frozen=True)
class Runaway:
    """A picture that ran away.

    Attributes:
        image: its number in the batch, from 1.
        seed: it was drawn with; None where the images of a batch have none of their own.
        why: how it shows, as a part of a sentence.
        anew: the seed that it was drawn anew with; None if it was kept.
    """

    image: int
    seed: int | None
    why: str
    anew: int | None = None

    def record(self) -> RanAway:
        """The fields, with the sentence for people."""
        return RanAway(**asdict(self), sentence=self.sentence)

    @property
    def sentence(self) -> str:
        """What a person is told."""
        which = f"Picture {self.image}" + ("" if self.seed is None else f" (seed {self.seed})")
        then = "Try another seed, or let such pictures be drawn anew (redraw)."
        if self.anew is not None:
            then = f"It was drawn anew with seed {self.anew}."
        return f"{which} ran away: it is {self.why}. {then}"


def why_ran_away(image: Tensor) -> str:
    """How it shows that an image [3, H, W] in [0, 1] ran away, such as "all one colour"; "" if it did not."""
    values = image.detach().float()
    deviation = values.flatten(1).std(dim=1, correction=0).max().item()
    limited = ((values <= AT_LIMIT) | (values >= 1 - AT_LIMIT)).float().mean().item()
    if deviation <= FLAT:
        means = values.mean(dim=(1, 2))
        white, black = bool((means >= 1 - FLAT).all()), bool((means <= FLAT).all())
        return "all white" if white else "all black" if black else "all one colour"
    return f"saturated ({limited:.0%} of its values are black or white)" if limited > SATURATED else ""


def draw_anew(drawn: Drawn, draw: Callable[[int], Drawn | None]) -> tuple[Drawn, list[Runaway]]:
    """Draw the pictures anew that ran away, each at most as often as the recipe says (`redraw`).

    The seeds are those that follow the batch's own, in order. `draw` makes the single picture of a seed, or returns
    None if it was stopped or diverged: then everything stays as it was before (of a single picture, the last one that
    was finished). The recipe of what is returned makes the same again: that of a single picture has the seed that it
    was drawn with in the end, and as many tries as were left.
    """
    if not drawn.synthesis.seeds:
        return drawn, _kept(drawn)
    recipe = drawn.synthesis.recipe
    following, runaways, anew = recipe.seed + recipe.images, list[Runaway](), dict[int, Drawn]()
    for index, seed in enumerate(drawn.synthesis.seeds):
        image, left = drawn.images[index], recipe.redraw
        while why := why_ran_away(image):
            new = draw(following) if left else None
            if new is None and left:
                return _ended_early(drawn, anew, runaways)
            runaways.append(Runaway(index + 1, seed, why, None if new is None else following))
            if new is None:
                break
            anew[index], image, seed = new, new.images[0], following
            following, left = following + 1, left - 1
    if recipe.images == 1 and anew:
        return _with_tries(anew[0], recipe.redraw - len(runaways)), runaways
    return _together(drawn, anew), runaways


def _kept(drawn: Drawn) -> list[Runaway]:
    """The pictures that ran away and are kept."""
    seeds: Sequence[int | None] = drawn.synthesis.seeds or [None] * len(drawn.images)
    found = [
        Runaway(number, seed, why_ran_away(image))
        for number, (seed, image) in enumerate(zip(seeds, drawn.images, strict=True), start=1)
    ]
    return [one for one in found if one.why]


def _ended_early(drawn: Drawn, anew: Mapping[int, Drawn], before: Sequence[Runaway]) -> tuple[Drawn, list[Runaway]]:
    """What is left where drawing anew came to no end."""
    if len(drawn.images) == 1 and anew:
        return _with_tries(anew[0], 0), [*before, *_kept(anew[0])]
    return _with_tries(drawn, 0), _kept(drawn)


def _with_tries(drawn: Drawn, left: int) -> Drawn:
    """The same, whose recipe draws anew so often."""
    plan = drawn.synthesis.plan.completed(redraw=max(0, left))
    return drawn._replace(synthesis=replace(drawn.synthesis, plan=plan))


def _together(drawn: Drawn, anew: Mapping[int, Drawn]) -> Drawn:
    """A batch in which some pictures are others."""
    if not anew:
        return drawn
    synthesis, images = drawn.synthesis, list(drawn.images.split(1))
    assert isinstance(synthesis.prior, PriorsApart)  # images that have seeds of their own are made apart
    priors, start, seeds = list(synthesis.prior.priors), list(synthesis.start.split(1)), list(synthesis.seeds)
    losses = {name: [list(values) for values in steps] for name, steps in drawn.losses.items()}
    for index, new in anew.items():
        priors[index], start[index], images[index] = new.synthesis.prior, new.synthesis.start, new.images
        seeds[index] = new.synthesis.recipe.seed
        for name, steps in new.losses.items():
            for values, own in zip(losses[name], steps, strict=True):
                values[index] = own[0]
    whole = replace(
        synthesis,
        prior=PriorsApart(priors, synthesis.prior.bound),
        start=torch.cat(start),
        seeds=tuple(seeds),
    )
    return Drawn(whole, torch.cat(images), losses)
