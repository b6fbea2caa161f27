"""Auto-PGD's search: what it knows of each image, and when it halves its steps. Attacks and evaluations share it.

Source: Croce and Hein 2020 (arXiv 2003.01690), algorithm 1 and section 3. Losses are lowered here: who raises one hands
it in with its sign turned. How far a step of size 1 leads, and what it is projected onto, is the caller's.
"""

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

MOMENTUM = 0.75
"""Share of the new step (alpha); the rest goes on as the last one did."""
SUCCESSES = 0.75
"""Share of the steps since the last checkpoint (rho) that have to lower the loss, or the steps are halved."""


@dataclass
class Search:
    """The M images of a search; every field has a row for each.

    `x`: the point that the next step starts from, `before` the one that the last step started from, with `loss` [M] and
    `gradient` [M, 3, H, W] at `x`; `best_x` and so on: the same at the point of the lowest loss so far; `step` [M] is
    the size of the next one. Since the last checkpoint: `successes`, how often the loss fell, `halved`, whether the
    step was halved there, `best_then`, the lowest loss by then.
    """

    x: Tensor
    before: Tensor
    loss: Tensor
    gradient: Tensor
    best_x: Tensor
    best_loss: Tensor
    best_gradient: Tensor
    step: Tensor
    successes: Tensor
    halved: Tensor
    best_then: Tensor

    @classmethod
    def begin(cls, x: Tensor, loss: Tensor, gradient: Tensor, step: float) -> Self:
        """At the first point, whose tensors nobody may change afterwards."""
        none = torch.zeros_like(loss)
        return cls(x, x, loss, gradient, x, loss, gradient, torch.full_like(loss, step), none, none > 0, loss)

    def keep(self, mask: Tensor) -> Self:
        """Only the images in `mask`, bool [M]."""
        return type(self)(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})

    def advance(self, x: Tensor, loss: Tensor, gradient: Tensor) -> None:
        """Take in the point that the step led to."""
        self.successes = self.successes + (loss < self.loss)
        self.before, self.x, self.loss, self.gradient = self.x, x, loss, gradient
        lower = loss < self.best_loss
        self.best_x = _choose(lower, x, self.best_x)
        self.best_loss = _choose(lower, loss, self.best_loss)
        self.best_gradient = _choose(lower, gradient, self.best_gradient)

    def reconsider(self, window: int, share: float = SUCCESSES) -> None:
        """At a checkpoint, `window` steps after the last: halve the step and go back to the best point, where need be.

        Condition 1: the loss fell in fewer than `share` of the steps; condition 2: the step was not halved at the last
        checkpoint, and the lowest loss is still the one of then.
        """
        stuck = ~self.halved & (self.best_loss == self.best_then)
        self.halved = (self.successes < share * window) | stuck
        self.step = _choose(self.halved, self.step / 2, self.step)
        self.x = _choose(self.halved, self.best_x, self.x)
        self.loss = _choose(self.halved, self.best_loss, self.loss)
        self.gradient = _choose(self.halved, self.best_gradient, self.gradient)
        self.successes = torch.zeros_like(self.successes)
        self.best_then = self.best_loss

    @property
    def steps(self) -> Tensor:
        """The sizes of the next steps [M, 1, 1, 1]."""
        return self.step.view(-1, 1, 1, 1)

    def with_momentum(self, z: Tensor) -> Tensor:
        """What the step proper, to z [M, 3, H, W], becomes with the last one's momentum; to be projected again."""
        return self.x + MOMENTUM * (z - self.x) + (1 - MOMENTUM) * (self.x - self.before)


def _choose(mask: Tensor, where: Tensor, elsewhere: Tensor) -> Tensor:
    """Per image: `where` the mask [M] is true, otherwise `elsewhere` (both [M] or [M, 3, H, W])."""
    return torch.where(mask.view(-1, *[1] * (where.ndim - 1)), where, elsewhere)


def checkpoints(steps: int) -> tuple[int, ...]:
    """The steps w_j = ceil(p_j N), j >= 1, at which the step size is reconsidered.

    p_0 = 0, p_1 = 0.22, p_(j+1) = p_j + max(p_j - p_(j-1) - 0.03, 0.06), here in hundredths, which are exact.
    """
    found = []
    p, gap = 22, 22
    while p <= 100:
        found.append(-(-p * steps // 100))
        gap = max(gap - 3, 6)
        p += gap
    return tuple(dict.fromkeys(found))
