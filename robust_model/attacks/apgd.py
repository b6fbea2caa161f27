"""Auto-PGD for the L-inf norm: PGD with momentum, whose step sizes follow from the progress of each image.

Source: Croce & Hein 2020 (arXiv 2003.01690), algorithm 1 and section 3, with its names: the step size eta, the
momentum alpha, rho, the checkpoints w_j. As in the authors' code, checkpoint w_j is looked at as soon as f(x_(w_j)) is
known. What costs fewer passes here: the gradient and the verdict of an iterate share one pass, and an image that
is broken leaves the batch instead of being attacked to the end. For randomised defences f is the mean of the `eot`
passes that the gradient is the mean of.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from generator.optimisers.search import Search, checkpoints
from robust_model.attacks.base import AttackKind, AttackOutcome, Defence, Judge, PassCount, project
from robust_model.attacks.gradients import GradientAttack, GradientConfig, check_gradient_attack, gradient_words
from robust_model.attacks.losses import TARGETED
from robust_model.networks.noise import Noise


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
    search: Search | None = None
    for step in range(config.steps + 1):
        if not len(alive):
            break
        clean = attack.images[alive]
        x = start[alive] if search is None else next_point(search, clean, config.eps, first=step == 1)
        found = attack.query(x, alive, targets)
        if search is None:
            search = Search.begin(x, -found.loss, found.gradient, 2 * config.eps)
        else:
            search.advance(x, -found.loss, found.gradient)
        if step in periods:
            search.reconsider(periods[step], config.rho)
        if bool(found.fell.any()):
            search, alive = search.keep(~found.fell), alive[~found.fell]
        yield outcome
    if search is not None:
        last[alive] = search.best_x
    last[outcome.broken] = outcome.images[outcome.broken]
    outcome.last.append(last)


def next_point(search: Search, clean: Tensor, eps: float, *, first: bool) -> Tensor:
    """x_(k+1) from x_k and x_(k-1), up the gradient; the first step has no momentum."""
    z = project(search.x + search.steps * search.gradient.sign(), clean, eps)
    return z if first else project(search.with_momentum(z), clean, eps)


APGD = AttackKind(ApgdConfig, apgd, "APGD", by_gradients=True, words=gradient_words)
