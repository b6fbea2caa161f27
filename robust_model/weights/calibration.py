"""Probabilities that mean something: one temperature for a network's answer.

CrossMax's scores are ranks more than logits: they lie close together, and their softmax says 15 % where the network
is right nine times in ten. Dividing them by one positive number, fitted to held-out images, changes no decision and
makes the probabilities honest (temperature scaling, Guo et al. 2017, arXiv 1706.04599).
"""

import math

import torch.nn.functional as F
from torch import Tensor

from foundation.errors import StudioError

LOWEST, HIGHEST = 1e-3, 1e3
GOLDEN = (math.sqrt(5) - 1) / 2


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T > 0 for which softmax(logits / T) gives labels [n] the highest likelihood.

    The negative log-likelihood of logits [n, C] is convex in 1 / T: golden-section search over log T finds it.
    """
    if not len(labels):
        raise StudioError("A temperature is fitted to held-out images: this run has none (holdout is 0).")
    logits = logits.double()

    def loss(log_temperature: float) -> float:
        return float(F.cross_entropy(logits / math.exp(log_temperature), labels))

    low, high = math.log(LOWEST), math.log(HIGHEST)
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-5:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2)
