"""The weighted mean of several networks' weights ("model soups", Wortsman et al. 2022, arXiv 2203.05482)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from foundation.errors import StudioError


def shares(weights: Sequence[float], count: int) -> list[float]:
    """What each of `count` models contributes: relative `weights` (equal if there are none) divided by their sum.

    Raises StudioError for fewer than two models, and for weights that are too few or too many, negative or all zero.
    """
    if count < 2:
        raise StudioError("An average needs at least two models.")
    chosen = list(weights) or [1.0] * count
    if len(chosen) != count:
        raise StudioError(f"{count} models need as many weights, not {len(chosen)}.")
    if not all(0 <= w < float("inf") for w in chosen) or not sum(chosen):
        raise StudioError(f"The weights must be numbers that are not negative, nor all zero: {chosen}.")
    return [w / sum(chosen) for w in chosen]


def mean_weights(
    parts: Sequence[dict[str, Tensor]], contributions: Sequence[float], names: Sequence[str]
) -> dict[str, Tensor]:
    """The weighted mean of every floating-point tensor, summed in float64, in float32; counters are the first model's.

    `names` are the models', for the StudioError where the weights of one do not fit those of the first.
    """
    for name, part in zip(names, parts, strict=True):
        if {n: t.shape for n, t in part.items()} != {n: t.shape for n, t in parts[0].items()}:
            raise StudioError(f"The weights of '{name}' do not fit those of '{names[0]}'.")

    def mean(name: str, first: Tensor) -> Tensor:
        if not first.is_floating_point():
            return first
        terms = (share * part[name].double() for share, part in zip(contributions, parts, strict=True))
        return sum(terms, torch.tensor(0.0)).float()

    return {name: mean(name, tensor) for name, tensor in parts[0].items()}
