"""What the gradient of the defended answer is worth: is there one, and does it lead uphill?

The checks of Athalye, Carlini & Wagner 2018 (arXiv 1802.00420), section 3 (shattered, stochastic and vanishing
gradients), as counts of images that `masking` tests. A mask need not show at the clean images, which lie on the grid of
8-bit numbers: the same is measured at random points of the ball, where attacks start, and where they ended; and steps
are no whole number of grey levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor

from robust_model.attacks import Defence, PassCount, project
from robust_model.attacks.base import uniform
from robust_model.attacks.losses import cross_entropy, margin
from robust_model.evaluation.record import values
from robust_model.evaluation.record.schema import Diagnostics
from robust_model.evaluation.record.values import Passes
from robust_model.networks.noise import FrozenNoise, Noise

SMALLEST = torch.finfo(torch.float32).tiny
"""Gradients below the smallest normal float32 number are none: their digits are lost, and on a GPU flushed to zero."""
PROMISE = 0.1
"""The part of a gradient's promise that a short step must keep; a smooth function keeps nearly all of it."""
TOLERANCE = 1e-3
"""Passes that differ by less, relative to their largest value, differ by the order of the additions on the device."""
STEP = 1.7 / 255
"""The length (L-inf) of the step that tests a gradient; it leads off the grid of 8-bit numbers, and nowhere onto it."""
DRAWS = 8
"""Over how many passes a random defence's gradients are summed."""
IN_THE_BALL = 64
"""At how many images, right when clean, a random point of the ball is looked at."""
AT_THE_END = 16
"""At how many images of a batch, that an attack left standing, the point where it ended is looked at."""


@dataclass(frozen=True)
class _Gradients:
    """Of B images: the gradients of cross-entropy and of the margin [B, 3, H, W], and the answer's logits [B, C]."""

    cross_entropy: Tensor
    margin: Tensor
    logits: Tensor


@dataclass
class Look:
    """What was seen at points of n images, as counts of them.

    `zero_gradient`: no loss has a gradient; `saturated_loss`: the margin has one, cross-entropy has not; `stepped`: a
    step was taken along the margin's gradient, `uphill`: and led uphill; `two_faced` of `faced`: the answer is another
    when its gradient is asked for (of a deterministic defence). `passes`: what that took.
    """

    n: int = 0
    zero_gradient: int = 0
    saturated_loss: int = 0
    stepped: int = 0
    uphill: int = 0
    faced: int = 0
    two_faced: int = 0
    passes: PassCount = field(default_factory=PassCount)

    def __add__(self, other: "Look") -> "Look":
        """Both as one."""
        return Look(**{name: getattr(self, name) + getattr(other, name) for name in vars(self)})

    def facts(self) -> values.Look:
        """As a part of the report."""
        return values.Look(
            n=self.n,
            zero_gradient=self.zero_gradient,
            saturated_loss=self.saturated_loss,
            stepped=self.stepped,
            uphill=self.uphill,
            faced=self.faced,
            two_faced=self.two_faced,
            passes=Passes.of(self.passes),
        )


def added(looks: Sequence[values.Look]) -> values.Look:
    """The counts of several looks as those of one."""
    every = (Look(**{**vars(facts), "passes": facts.passes.counted()}) for facts in looks)
    return sum(every, Look()).facts()


def _gradients(defence: Defence, images: Tensor, labels: Tensor, noise: Noise) -> _Gradients:
    """One pass; a gradient that does not exist is zero."""
    leaf = images.detach().requires_grad_()
    logits = defence.combine(defence.readouts(leaf, noise))

    def gradient(loss: Tensor) -> Tensor:
        if not loss.requires_grad:
            return torch.zeros_like(leaf)
        (found,) = torch.autograd.grad(loss.sum(), leaf, retain_graph=True, allow_unused=True)
        return torch.zeros_like(leaf) if found is None else found

    by_entropy, by_margin = (gradient(loss(logits, labels, labels)) for loss in (cross_entropy, margin))
    return _Gradients(by_entropy, by_margin, logits.detach())


def _none(gradient: Tensor) -> Tensor:
    """Which images [B] have no gradient."""
    return gradient.flatten(1).abs().amax(1) < SMALLEST


def _differ(first: Tensor, second: Tensor) -> Tensor:
    """Which images [B] have other values in one than in the other."""
    scale = max(float(first.abs().max()), float(second.abs().max())) if first.numel() else 0.0
    return (first - second).flatten(1).abs().amax(1) > TOLERANCE * scale


def _seen(
    defence: Defence, images: Tensor, labels: Tensor, found: list[_Gradients], step: float, noise: Noise, random: Tensor
) -> Look:
    """What the gradients `found` at `images` [B, 3, H, W] are worth; `random`: signs [B, 3, H, W] of another step.

    A step along the signs of the margin's gradient leads uphill if it raises the margin loss by at least `PROMISE` of
    what the gradient says, step * |gradient|_1, and by more than a random step as long. All are judged under the same
    frozen draws, as many as there are gradients, or without any where the defence is deterministic (its noise may be
    switched off: `noise`).
    """
    by_entropy, by_margin = (
        torch.stack(gradients).mean(0) for gradients in ([g.cross_entropy for g in found], [g.margin for g in found])
    )
    flat, flat_margin = _none(by_entropy), _none(by_margin)
    zero, saturated = int((flat & flat_margin).sum()), int((flat & ~flat_margin).sum())
    passes = PassCount(len(images), 2 * len(images)) * len(found)
    look = Look(len(images), zero, saturated, passes=passes)
    some = torch.nonzero(~flat_margin).squeeze(1)
    if not defence.random:
        some = torch.arange(len(images), device=images.device)  # what is answered without gradients is of interest
    if not len(some):
        return look
    x, y, gradient = images[some], labels[some], by_margin[some]
    points = [x, *((x + step * way).clamp(0, 1) for way in (gradient.sign(), random[some]))]
    losses = torch.zeros(len(points), len(x), device=x.device)
    draws = len(found) if defence.random else 1
    with torch.no_grad():
        for seed in range(draws):
            for row, point in zip(losses, points, strict=True):
                logits = defence.combine(defence.readouts(point, FrozenNoise(seed) if defence.random else noise))
                row += margin(logits, y, y) / draws
                if point is x and not defence.random:
                    look.faced, look.two_faced = len(x), int(_differ(logits, found[0].logits).sum())
    look.passes += PassCount(draws * len(points) * len(x))
    here, along, anywhere = losses
    promised = ((points[1] - x) * gradient).flatten(1).sum(1)
    leads = (along - here >= PROMISE * promised) & (along > anywhere)
    stepped = ~flat_margin[some]
    look.stepped, look.uphill = int(stepped.sum()), int((leads & stepped).sum())
    return look


def _signs(images: Tensor, rng: torch.Generator) -> Tensor:
    return torch.randint(2, images.shape, generator=rng).to(images) * 2 - 1


def look(
    defence: Defence, points: Tensor, labels: Tensor, *, step: float = STEP, noise: Noise, rng: torch.Generator
) -> Look:
    """What is seen at `points` [B, 3, H, W] in [0, 1] of images with labels [B]; `rng` draws the random step."""
    if not len(points):
        return Look()
    found = [_gradients(defence, points, labels, noise) for _ in range(DRAWS if defence.random else 1)]
    return _seen(defence, points, labels, found, step, noise, _signs(points, rng))


def look_cost(random: bool) -> PassCount:
    """The passes that a look takes for one image, if it has a gradient."""
    draws = DRAWS if random else 1
    return PassCount(4, 2) * draws


def diagnose(
    defence: Defence,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    step: float = STEP,
    batch: int = 250,
    noise: Noise,
    rng: torch.Generator,
) -> Diagnostics:
    """The report's `diagnostics`, from images [B, 3, H, W] with labels [B] that are right when clean.

    Gradients are summed over `DRAWS` passes where the defence is random; `step` is the length (L-inf, [0, 1] units) of
    the step that tests them; `rng` draws the random step that it is compared with. "ball": the same at one random point
    of the L-inf ball of `eps` round each of the first images.
    """
    passes = DRAWS if defence.random else 1
    sums, total = Look(), PassCount()
    answers_vary = gradients_vary = False
    leads: list[float] = []
    for x, y in zip(images.split(batch), labels.split(batch), strict=True):
        found = [_gradients(defence, x, y, noise) for _ in range(max(2, passes))]
        leads += torch.stack([-margin(g.logits, y, y) for g in found]).mean(0).tolist()
        gradients_vary |= bool(_differ(found[0].margin, found[1].margin).any())
        with torch.no_grad():
            first, second = (defence.combine(defence.readouts(x, noise)) for _ in range(2))
        answers_vary |= bool(_differ(first, second).any())
        seen = _seen(defence, x, y, found, step, noise, _signs(x, rng))
        sums += seen
        total += PassCount(2 * len(x))
    ball = images[:IN_THE_BALL]
    points = project(ball + uniform(ball, eps, rng), ball, eps)
    inside = look(defence, points, labels[:IN_THE_BALL], step=step, noise=noise, rng=rng)
    return Diagnostics(
        n=sums.n,
        zero_gradient=sums.zero_gradient,
        saturated_loss=sums.saturated_loss,
        stepped=sums.stepped,
        uphill=sums.uphill,
        faced=sums.faced,
        two_faced=sums.two_faced,
        passes=Passes.of(sums.passes + total + inside.passes),
        random=defence.random,
        draws=passes,
        step=step,
        median_margin=median(leads) if leads else None,
        answers_vary=answers_vary if len(images) else None,
        gradients_vary=gradients_vary if sums.stepped else None,
        ball=inside.facts(),
    )
