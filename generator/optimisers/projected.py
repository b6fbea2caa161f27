"""Update rules of attacks: steps along the sign, or the direction, of the gradient, and back into the budget.

Notation: x the change of the photo (pixels, or layers), g the gradient of the loss, P the projection into the
budget, a_t the step. With d(v) = sign v under L-inf or without a norm, and v / |v| under L2:

    pgd        x <- P(x - a_t d(g))                         Madry et al., arXiv 1706.06083
    mi-fgsm    v <- m v + g / |g|_1,  x <- P(x - a_t d(v))   Dong et al., arXiv 1710.06081, eq. 6 and 7
    apgd       see `AutoPGD`                                 Croce and Hein, arXiv 2003.01690, algorithm 1

The authors of mi-fgsm take m = 1. Steps are counted in the prior's units: of pixels, in parts of eps. Layers that
a bound squashes need no P; there d is scaled so that a step moves their sum by a_t (root mean square).
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from generator.optimisers.search import Search, checkpoints
from generator.priors.pixel import PixelPrior
from generator.priors.prior import DirectPrior, forget, gathered

FIRST_STEP = 2.0
"""Size of apgd's first step, in parts of eps."""

StepSize = Callable[[int], float]
"""The size of step number t, from 1."""


@runtime_checkable
class WatchesLosses(Protocol):
    """An optimiser that goes by the losses, too."""

    def observe(self, losses: Tensor) -> None:
        """Hear the losses [B] where the gradients of the next `step` were taken."""
        ...


def constant(rate: float, _steps: int) -> StepSize:
    """Return steps of one size."""
    return lambda _step: rate


def cosine(rate: float, steps: int) -> StepSize:
    """Return steps from `rate` towards 0 along half a cosine (Loshchilov and Hutter, arXiv 1608.03983)."""
    return lambda step: rate * (1 + math.cos(math.pi * (step - 1) / steps)) / 2


SCHEDULES: dict[str, Callable[[float, int], StepSize]] = {"constant": constant, "cosine": cosine}


def steepest(prior: DirectPrior, vectors: Sequence[Tensor]) -> list[Tensor]:
    """Return d(v) for each image, over all leaves together, scaled to length 1 in the prior's measure."""
    raw = [vector if prior.bound.norm == "l2" else vector.sign() for vector in vectors]
    largest = torch.stack([part.abs().amax((1, 2, 3)) for part in raw]).amax(dim=0).view(-1, 1, 1, 1)
    raw = [part / torch.where(largest > 0, largest, 1) for part in raw]  # squares must not underflow
    length = prior.length(raw).clamp_min(torch.finfo(raw[0].dtype).tiny)
    return [part / length for part in raw]


class ProjectedDescent:
    """pgd, or with a `decay` mi-fgsm: steps along d of the gradient, or of a decaying sum of normalised ones."""

    def __init__(self, prior: DirectPrior, step_size: StepSize, decay: float | None = None) -> None:
        self._prior, self._step_size, self._decay = prior, step_size, decay
        self._taken = 0
        self._velocity: list[Tensor] | None = None

    @torch.no_grad()
    def step(self) -> None:
        vectors = gathered(self._prior)
        if self._decay is not None:
            vectors = self._accumulated(vectors, self._decay)
        self._taken += 1
        rate = self._step_size(self._taken) * self._prior.unit
        for leaf, direction in zip(self._prior.leaves(), steepest(self._prior, vectors), strict=True):
            leaf.sub_(rate * direction)
        self._prior.project()

    def zero_grad(self) -> None:
        forget(self._prior)

    def _accumulated(self, gradients: Sequence[Tensor], decay: float) -> list[Tensor]:
        """v <- m v + g / |g|_1, of each image over all leaves."""
        sums = torch.stack([gradient.abs().sum((1, 2, 3)) for gradient in gradients]).sum(dim=0).view(-1, 1, 1, 1)
        normed = [gradient / torch.where(sums > 0, sums, 1) for gradient in gradients]
        if self._velocity is not None:
            normed = [decay * old + new for old, new in zip(self._velocity, normed, strict=True)]
        self._velocity = normed
        return normed


class AutoPGD:
    """apgd, Auto-PGD: steps with momentum, halved where they stop paying, from the best point so far.

    With z = P(x_k - a d(g)), x_(k+1) = P(x_k + 3/4 (z - x_k) + 1/4 (x_k - x_(k-1))). At a checkpoint an image's
    step a (at first 2 eps) is halved, and it goes back to the best point it has seen, if fewer than 3/4 of the
    steps since the last checkpoint lowered its loss, or if neither step nor best loss has changed since. The last
    of the planned steps puts that best point in place. Under random views, "best" is what it was when it was seen.
    """

    def __init__(self, prior: PixelPrior, steps: int) -> None:
        self._prior, self._steps = prior, steps
        self._checkpoints = checkpoints(steps)
        self._seen = 0
        self._last_checkpoint = 0
        self._losses: Tensor | None = None
        self._search: Search | None = None

    def observe(self, losses: Tensor) -> None:
        self._losses = losses.detach()

    @torch.no_grad()
    def step(self) -> None:
        (gradient,) = gathered(self._prior)
        if self._losses is None:
            raise RuntimeError("apgd goes by the losses: let it observe those of this step first.")
        (x,), losses = self._prior.leaves(), self._losses.to(gradient)
        self._losses = None
        if self._search is None:
            self._search = Search.begin(x.clone(), losses, gradient.clone(), FIRST_STEP)
        else:
            self._search.advance(x.clone(), losses, gradient.clone())
        search = self._search
        if self._seen in self._checkpoints:
            search.reconsider(self._seen - self._last_checkpoint)
            self._last_checkpoint = self._seen
        self._seen += 1
        if self._seen == self._steps:
            x.copy_(search.best_x)
            return
        (direction,) = steepest(self._prior, [search.gradient])
        new = self._prior.projected(search.x - search.steps * self._prior.unit * direction)
        if self._seen > 1:
            new = self._prior.projected(search.with_momentum(new))
        x.copy_(new)

    def zero_grad(self) -> None:
        forget(self._prior)
