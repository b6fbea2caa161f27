"""Adaptive PGD: attacks every way to read a self-ensemble out, and judges the defended answer at every step.

Sources: PGD, Madry et al. 2017 (arXiv 1706.06083); expectation over the noise (EOT), Athalye et al. 2018; the
transfer from the mean of the predictors' logits to CrossMax, arXiv 2411.14834. One forward pass gives all
predictors, so the source's gradient and the defence's verdict on the same iterate cost one pass together.
"""

import math
from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from robust_model.attacks.base import AttackKind, AttackOutcome, Defence, Judge, PassCount, project
from robust_model.attacks.gradients import GradientAttack, GradientConfig, check_gradient_attack, gradient_words
from robust_model.attacks.losses import TARGETED
from robust_model.networks.noise import Noise


class PgdConfig(GradientConfig):
    """Projected gradient ascent with signed steps.

    `loss`: "ce" (cross-entropy), "margin" (best wrong logit minus the true one), or "targeted" (one wrong
    class's logit minus the true one; restart i takes the i-th most likely wrong class of the clean image). The
    step starts at `step` times eps and falls to zero on a cosine.
    """

    kind: Literal["pgd"] = "pgd"
    loss: Literal["ce", "margin", "targeted"] = "ce"
    steps: int = Field(50, ge=1)
    restarts: int = Field(2, ge=1)
    step: float = Field(0.3, gt=0)

    @property
    def name(self) -> str:
        """Source, loss, and what else sets it apart."""
        return self._describe(f"{self.source}/{self.loss}")

    @property
    def units(self) -> int:
        return self.restarts * (self.steps + 1) + 1

    def check(self, defence: Defence) -> None:
        check_gradient_attack(defence, self.source, self.loss)

    def cost(self) -> PassCount:
        ranking = PassCount(forward=int(self.loss in TARGETED))
        return PassCount(1, 1) * (self.restarts * (self.steps + 1) * self.eot) + ranking


AttackConfig = PgdConfig


def pgd(
    defence: Defence,
    images: Tensor,
    labels: Tensor,
    config: PgdConfig,
    *,
    rng: torch.Generator,
    noise: Noise,
    judge: Judge,
    before: AttackOutcome | None = None,
) -> Iterator[AttackOutcome]:
    """Adaptive PGD (see `AttackFunction`); yields after every step.

    Sources: Madry et al. (arXiv 1706.06083); from the mean to CrossMax, arXiv 2411.14834.
    """
    attack = GradientAttack(
        defence, images, labels, config, config.loss, rng=rng, noise=noise, judge=judge, before=before
    )
    outcome = attack.outcome
    for restart in range(config.restarts):
        last = attack.start(restart)
        alive = outcome.standing()
        for step in range(config.steps + 1):
            if not len(alive):
                break
            x = last[alive]
            found = attack.query(x, alive, attack.targets(restart))
            size = config.step * config.eps * 0.5 * (1 + math.cos(math.pi * step / config.steps))
            last[alive] = project(x + size * found.gradient.sign(), images[alive], config.eps)
            alive = alive[~found.fell]
            yield outcome
        outcome.last.append(last)
    yield outcome


PGD = AttackKind(PgdConfig, pgd, "PGD", by_gradients=True, words=gradient_words)
