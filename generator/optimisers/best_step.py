"""Which step of an attack is kept, and when it has come far enough: looks at the picture on the way.

A look asks the models for their own answers about the picture without any view. The judge of an attack that is to take
all its steps is its objective; that of one that may end early is how sure its models are, about the picture as it would
be saved: the log of the odds against what is wanted,

    log((1 - p) / p) = log sum_{c not wanted} exp z_c - log sum_{c wanted} exp z_c,

which tells apart what all rounds to the probability 1. Notation: z [B, C] the logits of images [B, 3, H, W], p the
probability of the wanted classes together.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from foundation.protocols import Classifier
from generator.objectives.base import Objective, rows_for, total
from generator.priors.prior import Prior

Judge = Callable[[Tensor], Tensor]
"""Images [B, 3, H, W] -> how far they are from what is wanted [B]; the less, the better."""
AGREED = 2
"""Looks in a row that have to find a picture good enough: a classifier may draw random numbers."""


@torch.no_grad()
def judged(images: Tensor, objective: Objective) -> Tensor:
    """The objective's total [B] for images [B, 3, H, W] as they are, under no view, in one pass through each model."""
    totals = [total(member.evaluate(member.prepare(images))) for member in objective.members()]
    return torch.stack(totals).sum(dim=0)


@torch.no_grad()
def odds_against(images: Tensor, asked: Sequence[tuple[Classifier, Tensor]]) -> Tensor:
    """The log of the odds [B] against what is wanted of images [B, 3, H, W], by the model that is least sure of it.

    Each classifier comes with the classes that are wanted of it, [1 or T, C], true for those: with T rows image i has
    row i.
    """
    found = []
    for classifier, wanted in asked:
        logits = classifier(images)
        rows = rows_for(wanted, len(logits)).to(logits.device)
        inside, outside = (logits.masked_fill(~some, -torch.inf).logsumexp(dim=1) for some in (rows, ~rows))
        found.append(outside - inside)
    return torch.stack(found).amax(dim=0)


class BestStep:
    """Remembers where each picture of a prior was best, by a judge who looks now and then.

    Args:
        prior: holds the pictures.
        judge: says how far they are from what is wanted.
        enough: what the judge has to say, or less, of a picture that is good enough; none is by default.
        saved: makes of the prior's images what the judge looks at; the images themselves by default.
    """

    def __init__(
        self, prior: Prior, judge: Judge, enough: float = -math.inf, saved: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self._prior, self._judge, self._enough, self._saved = prior, judge, enough, saved
        self._least: Tensor | None = None
        self._agreed = 0

    def look(self, images: Tensor) -> None:
        """Judge the prior's images [B, 3, H, W] as they are now, and remember those that are better than before."""
        losses = self._judge(images if self._saved is None else self._saved(images))
        better = torch.ones_like(losses, dtype=torch.bool) if self._least is None else losses < self._least
        self._least = losses if self._least is None else torch.where(better, losses, self._least)
        self._agreed = self._agreed + 1 if bool((losses <= self._enough).all()) else 0
        if better.any():
            self._prior.remember(better)

    @property
    def has_enough(self) -> bool:
        """Whether the last `AGREED` looks found all pictures good enough, so that no more steps are needed."""
        return self._agreed >= AGREED

    def settle(self) -> None:
        """Put every picture back to where it was best, if anybody has looked."""
        if self._least is not None:
            self._prior.recall()
