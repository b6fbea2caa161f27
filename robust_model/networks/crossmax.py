"""CrossMax and its alternatives: how the logits of several predictors become one answer.

Source: Fort & Lakshminarayanan, "Ensemble everything everywhere" (arXiv 2408.05446), section 3.3 and the
authors' notebook. Every aggregator maps logits [B, N, C] of N predictors to [B, C].

**Ties.** Where k predictors or more name a class, CrossMax gives it exactly 0, and no class more. So another class that
as many name ties with it (of 7 or 8 predictors with k = 3 that happens on photos), and so does one whose k highest
values are equal, be it far behind. Which of them is the answer is then decided by the order of the classes, as
`argmax` takes the first. An attack that walks along the boundary (FAB) finds points of the second kind, where every
step aside, and so rounding to 8 bits, restores the answer (README, "Ties"). The aggregators whose names end in
"-votes" settle ties: by how many
predictors name a class, then by their mean probability. Where there is no tie they answer alike.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from foundation.errors import StudioError

Aggregator = Callable[[Tensor], Tensor]

TIE = 1e-7
"""What a vote weighs where ties are settled: next to nothing, but far more than float32's steps around 0."""


def crossmax(logits: Tensor, k: int | None = None) -> Tensor:
    """Aggregate the logits [B, N, C] of N predictors into [B, C] by CrossMax.

    With Z the logits: Z' = Z - max over classes (no predictor dominates by its scale), Z'' = Z' - max over
    predictors (no class is dominated by one confident predictor), and the answer for a class is the k-th
    largest of its N values in Z'' (the paper's self-ensemble: k = 3), or their median for `k = None` (the
    paper's ensembles of equal models; of an even number, the lower of the two middle values, as
    `torch.median`). Fewer than k predictors have no k-th largest, and of one predictor every value is 0, whatever it
    says: a StudioError.
    """
    if logits.ndim != 3:
        raise StudioError(f"CrossMax takes logits [B, N, C] of N predictors, not {list(logits.shape)}.")
    predictors = logits.shape[1]
    if predictors == 1:
        raise StudioError(
            "CrossMax of one predictor is zero for every class, whatever it says: of one predictor use mean or last, "
            "or combine at least two different ones."
        )
    if k is not None and not 1 <= k <= predictors:
        raise StudioError(
            f"CrossMax top-{k} needs at least {max(k, 1)} predictors, and there are {predictors}: choose a smaller k, "
            "or another aggregator."
        )
    relative = logits - logits.amax(dim=2, keepdim=True)
    relative = relative - relative.amax(dim=1, keepdim=True)
    if k is None:
        return relative.median(dim=1).values
    return relative.topk(k, dim=1).values[:, -1]


def settled(combine: Aggregator) -> Aggregator:
    """CrossMax whose ties are settled by votes, and those of as many votes by the mean probability (see above).

    Not from the paper. Of N predictors, every answer is higher by `TIE` times a number between 0 and N + 1.
    """

    def by_votes(logits: Tensor) -> Tensor:
        """CrossMax whose ties are settled by votes. Not from the paper."""
        votes = F.one_hot(logits.argmax(dim=2), logits.shape[2]).sum(dim=1)
        return combine(logits) + TIE * (votes + logits.softmax(dim=2).mean(dim=1))

    return by_votes


def mean(logits: Tensor) -> Tensor:
    """The plain mean of the predictors' logits: [B, N, C] -> [B, C]. The adaptive attack's surrogate."""
    return logits.mean(dim=1)


def last(logits: Tensor) -> Tensor:
    """The deepest predictor alone: [B, N, C] -> [B, C]."""
    return logits[:, -1]


def top3(logits: Tensor) -> Tensor:
    """CrossMax with k = 3, the self-ensemble of the paper (arXiv 2408.05446)."""
    return crossmax(logits, 3)


def top2(logits: Tensor) -> Tensor:
    """CrossMax with k = 2."""
    return crossmax(logits, 2)


def median(logits: Tensor) -> Tensor:
    """CrossMax with the median, the paper's way to combine equal models (arXiv 2408.05446)."""
    return crossmax(logits, None)


def mean_probability(logits: Tensor) -> Tensor:
    """The logarithm of the mean of the predictors' probabilities: [B, N, C] -> [B, C]."""
    return torch.logsumexp(logits.log_softmax(dim=2), dim=1) - math.log(logits.shape[1])


@dataclass(frozen=True)
class CrossMax:
    """An aggregator that is a CrossMax, as analyses compare it with the mean.

    Attributes:
        combine: from logits [B, N, C] to [B, C].
        title: in their tables and figures.
        but_for_ties: the name of the one that it is wherever no classes tie; empty for one whose ties are not settled.
    """

    combine: Aggregator
    title: str
    but_for_ties: str = ""

    def __call__(self, logits: Tensor) -> Tensor:
        """Combine logits [B, N, C] to [B, C]."""
        return self.combine(logits)


AGGREGATORS: dict[str, Aggregator] = {
    "crossmax-top3": CrossMax(top3, "CrossMax top-3"),
    "crossmax-median": CrossMax(median, "CrossMax median"),
    "crossmax-top2": CrossMax(top2, "CrossMax top-2"),
    "crossmax-top3-votes": CrossMax(settled(top3), "CrossMax top-3, ties by votes", "crossmax-top3"),
    "crossmax-median-votes": CrossMax(settled(median), "CrossMax median, ties by votes", "crossmax-median"),
    "crossmax-top2-votes": CrossMax(settled(top2), "CrossMax top-2, ties by votes", "crossmax-top2"),
    "mean": mean,
    "mean-probability": mean_probability,
    "last": last,
}
"""Every aggregator by its name. Of those that are a CrossMax, analyses take the first that there are enough predictors
for."""


def crossmaxes() -> dict[str, CrossMax]:
    """Those that are a CrossMax, by name."""
    return {name: kind for name, kind in AGGREGATORS.items() if isinstance(kind, CrossMax)}


def find_aggregator(name: str, predictors: int) -> Aggregator:
    """The aggregator called `name`; a StudioError if there is none, or if it cannot combine so few predictors."""
    if name not in AGGREGATORS:
        raise StudioError(f"There is no aggregator '{name}': use {', '.join(AGGREGATORS)}.")
    AGGREGATORS[name](torch.zeros(1, predictors, 2))  # refuses now, not at the first image
    return AGGREGATORS[name]
