"""Adaptive PGD: attacks every way to read a self-ensemble out, and judges the defended answer at every step.

Sources: PGD, Madry et al. 2017 (arXiv 1706.06083); expectation over the noise (EOT), Athalye et al. 2018; the
transfer from the mean of the predictors' logits to CrossMax, arXiv 2411.14834. One forward pass gives all
predictors, so the source's gradient and the defence's verdict on the same iterate cost one pass together.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from generator.errors import StudioError
from robust_model.crossmax import AGGREGATORS, Aggregator
from robust_model.ensemble import Noise, SelfEnsemble


class AttackConfig(BaseModel):
    """One attack. Frozen, validated, JSON.

    `source`: whose logits are attacked: "defence" (the model's own answer), the name of an aggregator ("mean",
    "crossmax-median"...), or "predictor I" (0-based; negative counts from the deepest). `loss`: "ce" (cross-entropy),
    "margin" (best wrong logit minus the true one), or "targeted" (one wrong class's logit minus the true one;
    restart i takes the i-th most likely wrong class of the clean image). `eps` is the L-inf budget in [0, 1] pixel
    units; the step starts at `step` times eps and falls to zero on a cosine. `eot` passes with independent noise are
    averaged for each gradient (one suffices for a deterministic model). With `continues`, restart i starts
    from the last iterate of restart i of the attack before; otherwise from a uniform point of the ball.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = "mean"
    loss: Literal["ce", "margin", "targeted"] = "ce"
    eps: float = Field(8 / 255, ge=0, le=1)
    steps: int = Field(50, ge=1)
    restarts: int = Field(2, ge=1)
    eot: int = Field(1, ge=1)
    step: float = Field(0.3, gt=0)
    continues: bool = False

    @property
    def name(self) -> str:
        """Short and unambiguous within a suite: source, loss, continuation."""
        return f"{self.source}/{self.loss}" + (" (continued)" if self.continues else "")


def adaptive_suite(eps: float, steps: int, restarts: int, eot: int) -> tuple[AttackConfig, ...]:
    """The standard suite: the mean of the logits by two losses, then on from there against the defence itself."""
    budget = {"eps": eps, "steps": steps, "restarts": restarts, "eot": eot}
    return (
        AttackConfig(source="mean", loss="ce", **budget),
        AttackConfig(source="mean", loss="margin", **budget),
        AttackConfig(source="defence", loss="margin", continues=True, **budget),
        AttackConfig(source="defence", loss="ce", **budget),
        AttackConfig(source="predictor -1", loss="margin", **budget),
        AttackConfig(source="mean", loss="targeted", **{**budget, "restarts": max(restarts, 4)}),
    )


def source_of(model: SelfEnsemble, name: str) -> Aggregator:
    """The function from all predictors' logits [B, N, C] to the attacked logits [B, C] that `name` stands for.

    Aggregators combine the predictors that take part in the answer.
    """
    if name == "defence":
        return model.combine
    if name in AGGREGATORS:
        return lambda logits: AGGREGATORS[name](model.voting(logits))
    kind, _, number = name.partition(" ")
    predictors = len(model.readout_names)
    if kind == "predictor" and number.lstrip("-").isdigit() and -predictors <= int(number) < predictors:
        return lambda logits: logits[:, int(number)]
    raise StudioError(
        f"Unknown source '{name}': use defence, predictor 0..{predictors - 1}, or one of {', '.join(AGGREGATORS)}."
    )


def attack_loss(logits: Tensor, labels: Tensor, loss: str, targets: Tensor) -> Tensor:
    """The loss [B] that the attack maximises, from logits [B, C]."""
    if loss == "ce":
        return F.cross_entropy(logits, labels, reduction="none")
    true = logits.gather(1, labels[:, None]).squeeze(1)
    if loss == "targeted":
        return logits.gather(1, targets[:, None]).squeeze(1) - true
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return others.amax(1) - true


@dataclass
class AttackOutcome:
    """What an attack did to B images.

    `broken` bool [B] and `images` [B, 3, H, W]: for a broken image the first iterate that the defence got wrong
    (confirmed by `judge`), else the clean one. `last`: the last iterate of each restart, for a continuation.
    `passes`: forward passes, counted in images.
    """

    broken: Tensor
    images: Tensor
    last: list[Tensor] = field(default_factory=list)
    passes: int = 0


Judge = Callable[[Tensor, Tensor], Tensor]


def run_attack(
    model: SelfEnsemble,
    images: Tensor,
    labels: Tensor,
    config: AttackConfig,
    *,
    rng: torch.Generator,
    noise: Noise,
    judge: Judge,
    before: AttackOutcome | None = None,
) -> Iterator[AttackOutcome]:
    """Attack clean images [B, 3, H, W] with labels [B]; yields the running outcome after every step.

    An image leaves the batch when one of its iterates is misclassified in the attack's own pass and `judge`
    (images, labels -> bool [B], true where the defended model still stands) confirms it. The distance to the
    clean image is asserted for every image that is returned.
    """
    source = source_of(model, config.source)
    defence = source_of(model, "defence")
    if config.continues and (before is None or not before.last):
        raise StudioError(f"The attack '{config.name}' continues another one; put that one before it.")
    outcome = AttackOutcome(torch.zeros(len(images), dtype=torch.bool, device=images.device), images.clone())
    with torch.no_grad():
        clean = source(model.readouts(images, noise)).scatter(1, labels[:, None], -torch.inf)
    ranking = clean.argsort(1, descending=True)

    for restart in range(config.restarts):
        alive = torch.nonzero(~outcome.broken).squeeze(1)
        start = images + config.eps * (2 * torch.rand(images.shape, generator=rng).to(images) - 1)
        if config.continues and before is not None:
            start = before.last[restart % len(before.last)]
        last = project(start, images, config.eps)
        for step in range(config.steps + 1):
            if not len(alive):
                break
            x, y, origin = last[alive], labels[alive], images[alive]
            targets = ranking[alive, min(restart, ranking.shape[1] - 2)]
            gradient, wrong = _gradient(model, x, y, targets, source, defence, config, noise)
            outcome.passes += len(x) * config.eot
            fallen = torch.zeros_like(wrong)
            if bool(wrong.any()):
                fallen[wrong] = ~judge(x[wrong], y[wrong])
            if bool(fallen.any()):
                which = alive[fallen]
                distance = float((x[fallen] - origin[fallen]).abs().max())
                assert distance <= config.eps + 1e-6, f"left the ball: {distance} > {config.eps}"
                outcome.images[which] = x[fallen]
                outcome.broken[which] = True
            size = config.step * config.eps * 0.5 * (1 + math.cos(math.pi * step / config.steps))
            last[alive] = project(x + size * gradient.sign(), origin, config.eps)
            alive = alive[~fallen]
            yield outcome
        outcome.last.append(last)
    yield outcome


def project(x: Tensor, centre: Tensor, eps: float) -> Tensor:
    """The nearest point to `x` within L-inf distance eps of the clean `centre` and within [0, 1]."""
    return torch.minimum(torch.maximum(x, centre - eps), centre + eps).clamp(0, 1)


def _gradient(
    model: SelfEnsemble,
    x: Tensor,
    labels: Tensor,
    targets: Tensor,
    source: Aggregator,
    defence: Aggregator,
    config: AttackConfig,
    noise: Noise,
) -> tuple[Tensor, Tensor]:
    """The EOT gradient [B, 3, H, W] at x, and where the defence errs in at least half of these passes [B]."""
    leaf = x.detach().requires_grad_()
    many = leaf.repeat(config.eot, 1, 1, 1)
    logits = model.readouts(many, noise)
    loss = attack_loss(source(logits), labels.repeat(config.eot), config.loss, targets.repeat(config.eot))
    (gradient,) = torch.autograd.grad(loss.sum(), leaf)
    errors = defence(logits.detach()).argmax(1).view(config.eot, -1) != labels
    return gradient, errors.float().mean(0) >= 0.5
