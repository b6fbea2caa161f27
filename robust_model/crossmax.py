"""CrossMax and its alternatives: how the logits of several predictors become one answer.

Source: Fort & Lakshminarayanan, "Ensemble everything everywhere" (arXiv 2408.05446), section 3.3 and the
authors' notebook. Every aggregator maps logits [B, N, C] of N predictors to [B, C].
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from generator.errors import StudioError

Aggregator = Callable[[Tensor], Tensor]


def crossmax(logits: Tensor, k: int | None = None) -> Tensor:
    """Aggregate the logits [B, N, C] of N predictors into [B, C] by CrossMax.

    With Z the logits: Z' = Z - max over classes (no predictor dominates by its scale), Z'' = Z' - max over
    predictors (no class is dominated by one confident predictor), and the answer for a class is the k-th
    largest of its N values in Z'' (the paper's self-ensemble: k = 3), or their median for `k = None` (the
    paper's ensembles of equal models; of an even number, the lower of the two middle values, as
    `torch.median`). Fewer than k predictors have no k-th largest: a StudioError.
    """
    predictors = logits.shape[1]
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


def mean(logits: Tensor) -> Tensor:
    """The plain mean of the predictors' logits: [B, N, C] -> [B, C]. The adaptive attack's surrogate."""
    return logits.mean(dim=1)


def last(logits: Tensor) -> Tensor:
    """The deepest predictor alone: [B, N, C] -> [B, C]."""
    return logits[:, -1]


def top3(logits: Tensor) -> Tensor:
    """CrossMax with k = 3, the self-ensemble of the paper."""
    return crossmax(logits, 3)


def top2(logits: Tensor) -> Tensor:
    """CrossMax with k = 2."""
    return crossmax(logits, 2)


def median(logits: Tensor) -> Tensor:
    """CrossMax with the median, the paper's way to combine equal models."""
    return crossmax(logits, None)


def mean_probability(logits: Tensor) -> Tensor:
    """The logarithm of the mean of the predictors' probabilities: [B, N, C] -> [B, C]."""
    return torch.logsumexp(logits.log_softmax(dim=2), dim=1) - math.log(logits.shape[1])


AGGREGATORS: dict[str, Aggregator] = {
    "crossmax-top3": top3,
    "crossmax-top2": top2,
    "crossmax-median": median,
    "mean": mean,
    "mean-probability": mean_probability,
    "last": last,
}


def find_aggregator(name: str, predictors: int) -> Aggregator:
    """The aggregator called `name`; a StudioError if there is none, or if it cannot combine so few predictors."""
    if name not in AGGREGATORS:
        raise StudioError(f"There is no aggregator '{name}': use {', '.join(AGGREGATORS)}.")
    AGGREGATORS[name](torch.zeros(1, predictors, 2))  # refuses now, not at the first image
    return AGGREGATORS[name]
