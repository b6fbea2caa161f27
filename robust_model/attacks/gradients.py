"""What attacks by gradients share: one pass over the standing images, for loss, gradient and verdict together."""

import re
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from foundation.errors import StudioError
from robust_model.attacks.answers import named
from robust_model.attacks.base import AttackBase, AttackOutcome, Defence, Judge, PassCount, project, source_of, uniform
from robust_model.attacks.losses import LOSSES, TARGETED, Loss, check_classes
from robust_model.attacks.noise import NoiseOverSteps, StepNoise
from robust_model.networks.noise import Noise

_SOURCES = {
    "mean": "the mean of the read-outs",
    "defence": "the model's own answer",
    "predictor -1": "the deepest read-out",
}
_LOSSES = {
    "ce": "by cross-entropy",
    "margin": "by the margin to the next class",
    "targeted": "towards each of the likeliest other classes, by margin",
    "dlr": "by the difference-of-logits ratio",
    "targeted-dlr": "towards each of the likeliest other classes, by the difference-of-logits ratio",
}
_MARKS = {
    "continued": "it goes on from where the attack before it ended",
    "shared noise": "one draw of the model's noise for all images of a pass",
    "frozen noise": "every image keeps its own draw of the model's noise",
}
_NAME = re.compile(r"(?P<rule>APGD )?(?P<source>[\w +-]+)/(?P<loss>[\w-]+)(?: \((?P<marks>[^)]*)\))?(?: #\d+)?")
_PREDICTOR = re.compile(r"predictor (-?\d+)")


def gradient_words(name: str) -> str:
    """What an attack by gradients does, by its name, as a sentence; empty for another's."""
    match = _NAME.fullmatch(name)
    if match is None or match["loss"] not in _LOSSES:
        return ""
    rule = "APGD" if match["rule"] else "PGD"
    marks = [_MARKS[mark] for mark in (match["marks"] or "").split(", ") if mark in _MARKS]
    what = f"{rule} on {_source_words(match['source'])}, {_LOSSES[match['loss']]}"
    return f"{'; '.join([what, *marks])}."


def _source_words(name: str) -> str:
    counted = _PREDICTOR.fullmatch(name)
    if name in _SOURCES or counted is None:
        return _SOURCES.get(name, f"the read-outs combined by {name}")
    number = int(counted[1])
    return f"read-out {number + 1}, from the shallowest" if number >= 0 else f"read-out {-number}, from the deepest"


class GradientConfig(AttackBase):
    """What attacks by gradients have in common.

    `source`: whose logits are attacked (see `source_of`). With `continues`, restart i starts where restart i
    of the attack before ended; otherwise at a uniform point of the ball. `noise_over_steps` says what a randomised
    defence draws in the attack's passes: "fresh" numbers for every pass and image, one draw per pass "shared" by
    all images, or "frozen" draws, an image's own at all steps. The judge always draws afresh.
    """

    source: str = "mean"
    restarts: int = Field(1, ge=1)
    continues: bool = False
    noise_over_steps: NoiseOverSteps = "fresh"

    def _describe(self, what: str) -> str:
        """`what` and the settings that tell an attack from its siblings."""
        marks = ["continued"] if self.continues else []
        if self.noise_over_steps != "fresh":
            marks.append(f"{self.noise_over_steps} noise")
        return what + (f" ({', '.join(marks)})" if marks else "")


def check_gradient_attack(defence: Defence, source: str, loss: str) -> None:
    """A StudioError where the defence has no such source, or too few classes for the loss."""
    source_of(defence, source)
    check_classes(loss, len(defence.class_names))


@dataclass
class Query:
    """What one pass over M standing images says: `loss` [M], its `gradient` [M, 3, H, W], and which `fell` [M]."""

    loss: Tensor
    gradient: Tensor
    fell: Tensor


class GradientAttack:
    """The state of one attack on clean images [B, 3, H, W] with labels [B]; `outcome` is what it has found so far."""

    def __init__(
        self,
        defence: Defence,
        images: Tensor,
        labels: Tensor,
        config: GradientConfig,
        loss: str,
        *,
        rng: torch.Generator,
        noise: Noise,
        judge: Judge,
        before: AttackOutcome | None,
    ) -> None:
        if config.continues and (before is None or not before.last):
            raise StudioError(f"The attack '{config.name}' continues another one; put that one before it.")
        check_classes(loss, len(defence.class_names))
        self.defence, self.images, self.labels, self.config = defence, images, labels, config
        self.rng, self.judge, self.before = rng, judge, before
        self.source = source_of(defence, config.source)
        self.loss: Loss = LOSSES[loss]
        self.noise = StepNoise(config.noise_over_steps, defence, noise, rng, batch=len(images), eot=config.eot)
        self.outcome = AttackOutcome.untouched(images)
        self._ranking = self._rank(noise) if loss in TARGETED else labels[:, None]

    def _rank(self, noise: Noise) -> Tensor:
        """The wrong classes of each clean image, most likely first, [B, C - 1]."""
        with torch.no_grad():
            clean = self.source(self.defence.readouts(self.images, noise))
        self.outcome.passes += PassCount(forward=len(self.images))
        return clean.scatter(1, self.labels[:, None], -torch.inf).argsort(1, descending=True)[:, :-1]

    @property
    def wrong_classes(self) -> int:
        """How many classes there are to aim at."""
        return len(self.defence.class_names) - 1

    def targets(self, rank: int) -> Tensor:
        """The class to aim at, [B]: the `rank`-th most likely wrong one (the last, where there are not so many)."""
        return self._ranking[:, min(rank, self._ranking.shape[1] - 1)]

    def start(self, restart: int) -> Tensor:
        """Where a restart begins, [B, 3, H, W].

        Numbers are drawn for the whole batch, so that they do not depend on which images are broken already.
        """
        if self.config.continues and self.before is not None:
            return project(self.before.last[restart % len(self.before.last)], self.images, self.config.eps)
        away = uniform(self.images, self.config.eps, self.rng)
        return project(self.images + away, self.images, self.config.eps)

    def query(self, x: Tensor, which: Tensor, targets: Tensor) -> Query:
        """Loss, EOT gradient and verdict at points x [M, 3, H, W] of the images `which` (indices [M]).

        An image falls when the defence errs in at least half of its `eot` passes and the judge confirms it.
        """
        labels, eot = self.labels[which], self.config.eot
        leaf = x.detach().requires_grad_()
        logits = self.defence.readouts(leaf.repeat(eot, 1, 1, 1), self.noise.for_images(which))
        losses = self.loss(self.source(logits), labels.repeat(eot), targets[which].repeat(eot)).view(eot, -1)
        gradient = _gradient(losses.mean(0).sum(), leaf)
        if "zero_gradients" not in self.outcome.extra:
            self.outcome.extra["zero_gradients"] = int((gradient.flatten(1) == 0).all(1).sum())
        self.outcome.passes += PassCount(len(x), len(x)) * eot

        answers = named(self.defence.combine(logits.detach())).view(eot, -1)
        wrong = (answers != labels).float().mean(0) >= 0.5
        fell = torch.zeros_like(wrong)
        if bool(wrong.any()):
            fell[wrong] = ~self.judge(x[wrong], labels[wrong])
        self.outcome.mark(which[fell], x[fell], self.images[which[fell]], self.config.eps)
        return Query(losses.detach().mean(0), gradient, fell)


def _gradient(loss: Tensor, leaf: Tensor) -> Tensor:
    """d loss / d leaf; zero where it is no number, and where nothing differentiable leads from one to the other.

    Both mask the gradient.
    """
    if not loss.requires_grad:
        return torch.zeros_like(leaf)
    (gradient,) = torch.autograd.grad(loss, leaf, allow_unused=True)
    return torch.zeros_like(leaf) if gradient is None else gradient.nan_to_num(nan=0.0)
