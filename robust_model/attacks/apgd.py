"""Auto-PGD for the L-inf norm: PGD with momentum, whose step sizes follow from the progress of each image.

Source: Croce & Hein 2020 (arXiv 2003.01690), algorithm 1 and section 3, with its names: the step size eta, the
momentum alpha, rho, the checkpoints w_j. As in the authors' code, checkpoint w_j is looked at as soon as f(x_(w_j)) is
known. What costs fewer passes here: the gradient and the verdict of an iterate share one pass, and an image that
is broken leaves the batch instead of being attacked to the end. For randomised defences f is the mean of the `eot`
passes that the gradient is the mean of.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from generator.optimisers.projected import checkpoints
from robust_model.attacks.base import AttackKind, AttackOutcome, Defence, Judge, PassCount, project
from robust_model.attacks.gradients import GradientAttack, GradientConfig, Query, check_gradient_attack, gradient_words
from robust_model.attacks.losses import TARGETED
from robust_model.networks.noise import Noise

ALPHA = 0.75  # the weight of the step proper; the rest is momentum


class ApgdConfig(GradientConfig):
    """Auto-PGD.

    `loss`: "ce", "margin", "dlr" or "targeted-dlr" (see `losses`). The targeted loss aims at the `targets` most
    likely wrong classes of the clean image in turn (at most C - 1), each with `restarts` restarts of `steps` steps.
    `rho`: the share of steps since the last checkpoint that must have raised the loss for the step size to stay.
    """

    kind: Literal["apgd"] = "apgd"
    loss: Literal["ce", "margin", "dlr", "targeted-dlr"] = "ce"
    steps: int = Field(100, ge=1)
    targets: int = Field(9, ge=1)
    rho: float = Field(0.75, gt=0, le=1)

    @property
    def name(self) -> str:
        """APGD, source, loss, and what else sets it apart."""
        return self._describe(f"APGD {self.source}/{self.loss}")

    @property
    def runs(self) -> int:
        """Restarts times targets."""
        return self.restarts * (self.targets if self.loss in TARGETED else 1)

    @property
    def units(self) -> int:
        return self.runs * (self.steps + 1) + 1

    def check(self, defence: Defence) -> None:
        check_gradient_attack(defence, self.source, self.loss)

    def cost(self) -> PassCount:
        ranking = PassCount(forward=int(self.loss in TARGETED))
        return PassCount(1, 1) * (self.runs * (self.steps + 1) * self.eot) + ranking


@dataclass
class ApgdRun:
    """One restart, for the M images that still stand; every field is per image.

    `which`: their indices in the batch; `x`, `before`: the current and the previous iterate, with `loss` and
    `gradient` at x; `best_x`...: the same at the iterate of the highest loss so far; `eta`: the step size; since the
    last checkpoint: `rises`, how often the loss rose, `halved`, whether eta was halved there, `best_then`, the
    highest loss by then.
    """

    which: Tensor
    x: Tensor
    before: Tensor
    loss: Tensor
    gradient: Tensor
    best_x: Tensor
    best_loss: Tensor
    best_gradient: Tensor
    eta: Tensor
    rises: Tensor
    halved: Tensor
    best_then: Tensor

    @classmethod
    def begin(cls, which: Tensor, x: Tensor, found: Query, eps: float) -> Self:
        """At the first iterate, with eta = 2 eps."""
        loss, gradient = found.loss, found.gradient
        eta, rises = torch.full_like(loss, 2 * eps), torch.zeros_like(loss)
        return cls(which, x, x, loss, gradient, x, loss, gradient, eta, rises, rises > 0, loss)

    def keep(self, mask: Tensor) -> Self:
        """Only the images in `mask`, bool [M]."""
        return type(self)(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})

    def next_point(self, clean: Tensor, eps: float, *, first: bool) -> Tensor:
        """x_(k+1) from x_k and x_(k-1); the first step has no momentum."""
        z = project(self.x + self.eta[:, None, None, None] * self.gradient.sign(), clean, eps)
        if first:
            return z
        return project(self.x + ALPHA * (z - self.x) + (1 - ALPHA) * (self.x - self.before), clean, eps)

    def advance(self, x: Tensor, found: Query) -> None:
        """Take the step to `x`, where `found` was found."""
        self.rises = self.rises + (found.loss > self.loss)
        self.before, self.x, self.loss, self.gradient = self.x, x, found.loss, found.gradient
        higher = found.loss > self.best_loss
        self.best_x = _choose(higher, x, self.best_x)
        self.best_loss = _choose(higher, found.loss, self.best_loss)
        self.best_gradient = _choose(higher, found.gradient, self.best_gradient)

    def reconsider(self, period: int, rho: float) -> None:
        """At a checkpoint, `period` steps after the last: halve eta and go back to the best point, where need be.

        Condition 1: the loss rose in fewer than rho of the steps; condition 2: eta was not halved at the last
        checkpoint, and the highest loss is still the one of then.
        """
        stuck = ~self.halved & (self.best_loss == self.best_then)
        self.halved = (self.rises < rho * period) | stuck
        self.eta = _choose(self.halved, self.eta / 2, self.eta)
        self.x = _choose(self.halved, self.best_x, self.x)
        self.loss = _choose(self.halved, self.best_loss, self.loss)
        self.gradient = _choose(self.halved, self.best_gradient, self.gradient)
        self.rises = torch.zeros_like(self.rises)
        self.best_then = self.best_loss


def _choose(mask: Tensor, where: Tensor, elsewhere: Tensor) -> Tensor:
    """Per image: `where` the mask [M] is true, otherwise `elsewhere` (both [M] or [M, 3, H, W])."""
    return torch.where(mask.view(-1, *[1] * (where.ndim - 1)), where, elsewhere)


def apgd(
    defence: Defence,
    images: Tensor,
    labels: Tensor,
    config: ApgdConfig,
    *,
    rng: torch.Generator,
    noise: Noise,
    judge: Judge,
    before: AttackOutcome | None = None,
) -> Iterator[AttackOutcome]:
    """Auto-PGD (see `AttackFunction`); yields after every step.

    Source: Croce and Hein (arXiv 2003.01690).

    `last` holds the point of the highest loss of each run (for a broken image, the point that broke it).
    """
    attack = GradientAttack(
        defence, images, labels, config, config.loss, rng=rng, noise=noise, judge=judge, before=before
    )
    outcome = attack.outcome
    for number in range(config.runs):
        rank, restart = divmod(number, config.restarts)
        if rank >= attack.wrong_classes:
            break
        yield from _run(attack, config, attack.start(restart), attack.targets(rank))
    yield outcome


def _run(attack: GradientAttack, config: ApgdConfig, start: Tensor, targets: Tensor) -> Iterator[AttackOutcome]:
    """One restart of all images that stand, aiming at `targets` [B]; adds its best points to `last`."""
    outcome, alive = attack.outcome, attack.outcome.standing()
    periods = {b: b - a for a, b in pairwise((0, *checkpoints(config.steps)))}
    last = start.clone()
    run: ApgdRun | None = None
    for step in range(config.steps + 1):
        if not len(alive):
            break
        clean = attack.images[alive]
        x = start[alive] if run is None else run.next_point(clean, config.eps, first=step == 1)
        found = attack.query(x, alive, targets)
        if run is None:
            run = ApgdRun.begin(alive, x, found, config.eps)
        else:
            run.advance(x, found)
        if step in periods:
            run.reconsider(periods[step], config.rho)
        if bool(found.fell.any()):
            run = run.keep(~found.fell)
        alive = run.which
        yield outcome
    if run is not None:
        last[run.which] = run.best_x
    last[outcome.broken] = outcome.images[outcome.broken]
    outcome.last.append(last)


APGD = AttackKind(ApgdConfig, apgd, "APGD", by_gradients=True, words=gradient_words)
