"""What the gradient of the defended answer is worth, measured at clean images: is there one, and does it lead uphill?

The checks of Athalye, Carlini & Wagner 2018 (arXiv 1802.00420), section 3 (shattered, stochastic and vanishing
gradients), as counts of images that `masking` tests.
"""

from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from robust_model.attacks import Defence
from robust_model.attacks.losses import cross_entropy, margin
from robust_model.noise import FrozenNoise, Noise

SMALLEST = torch.finfo(torch.float32).tiny
"""Gradients below the smallest normal float32 number are none: their digits are lost, and on a GPU flushed to zero."""
PROMISE = 0.1
"""The part of a gradient's promise that a short step must keep; a smooth function keeps nearly all of it."""
TOLERANCE = 1e-3
"""Passes that differ by less, relative to their largest value, differ by the order of the additions on the device."""


@dataclass(frozen=True)
class _Gradients:
    """Of B images: the gradients of cross-entropy and of the margin [B, 3, H, W], and the true logit's lead [B]."""

    cross_entropy: Tensor
    margin: Tensor
    lead: Tensor


def _gradients(defence: Defence, images: Tensor, labels: Tensor, noise: Noise) -> _Gradients:
    """One pass; a gradient that does not exist is zero."""
    leaf = images.detach().requires_grad_()
    logits = defence.combine(defence.readouts(leaf, noise))

    def gradient(loss: Tensor) -> Tensor:
        if not loss.requires_grad:
            return torch.zeros_like(leaf)
        (found,) = torch.autograd.grad(loss.sum(), leaf, retain_graph=True, allow_unused=True)
        return torch.zeros_like(leaf) if found is None else found

    gap = margin(logits, labels, labels)
    return _Gradients(gradient(cross_entropy(logits, labels, labels)), gradient(gap), -gap.detach())


def _none(gradient: Tensor) -> Tensor:
    """Which images [B] have no gradient."""
    return gradient.flatten(1).abs().amax(1) < SMALLEST


def _differ(first: Tensor, second: Tensor) -> bool:
    if not first.numel():
        return False
    scale = max(float(first.abs().max()), float(second.abs().max()))
    return float((first - second).abs().max()) > TOLERANCE * scale


def _uphill(
    defence: Defence,
    images: Tensor,
    labels: Tensor,
    gradient: Tensor,
    step: float,
    draws: int,
    noise: Noise,
    rng: torch.Generator,
) -> Tensor:
    """Where [B] a step along the signs of the margin's `gradient` does what a gradient is for.

    That is: it raises the margin loss by at least `PROMISE` of what the gradient says, step * |gradient|_1, and by more
    than a random step as long. All are judged under the same `draws` frozen draws, or without any where the
    defence is deterministic (its noise may be switched off: `noise`).
    """
    signs = torch.randint(2, images.shape, generator=rng).to(images) * 2 - 1
    points = [images, *((images + step * way).clamp(0, 1) for way in (gradient.sign(), signs))]
    losses = torch.zeros(len(points), len(images), device=images.device)
    with torch.no_grad():
        for seed in range(draws):
            for row, x in zip(losses, points, strict=True):
                logits = defence.combine(defence.readouts(x, FrozenNoise(seed) if defence.random else noise))
                row += margin(logits, labels, labels) / draws
    here, along, anywhere = losses
    promised = ((points[1] - images) * gradient).flatten(1).sum(1)
    leads: Tensor = (along - here >= PROMISE * promised) & (along > anywhere)
    return leads


def diagnose(
    defence: Defence,
    images: Tensor,
    labels: Tensor,
    *,
    step: float = 2 / 255,
    draws: int = 8,
    batch: int = 250,
    noise: Noise,
    rng: torch.Generator,
) -> dict[str, Any]:
    """The report's `diagnostics`, from images [B, 3, H, W] with labels [B] that are right when clean.

    Gradients are summed over `draws` passes where the defence is random; `step` is the length (L-inf, [0, 1] units) of
    the step that tests them; `rng` draws the random step that it is compared with.
    """
    passes = draws if defence.random else 1
    zero = saturated = stepped = uphill = 0
    answers_vary = gradients_vary = False
    leads: list[float] = []
    for x, y in zip(images.split(batch), labels.split(batch), strict=True):
        found = [_gradients(defence, x, y, noise) for _ in range(max(2, passes))]
        by_entropy, by_margin = (sum(g.cross_entropy for g in found), sum(g.margin for g in found))
        assert isinstance(by_entropy, Tensor) and isinstance(by_margin, Tensor)
        leads += torch.stack([g.lead for g in found]).mean(0).tolist()
        flat, flat_margin = _none(by_entropy), _none(by_margin)
        zero += int((flat & flat_margin).sum())
        saturated += int((flat & ~flat_margin).sum())
        gradients_vary |= _differ(found[0].margin, found[1].margin)
        with torch.no_grad():
            answers_vary |= _differ(*(defence.combine(defence.readouts(x, noise)) for _ in range(2)))
        some = ~flat_margin
        stepped += int(some.sum())
        if bool(some.any()):
            mean = by_margin[some] / len(found)
            uphill += int(_uphill(defence, x[some], y[some], mean, step, passes, noise, rng).sum())
    return {
        "n": len(images),
        "random": defence.random,
        "draws": passes,
        "step": step,
        "zero_gradient": zero,
        "saturated_loss": saturated,
        "median_margin": median(leads) if leads else None,
        "stepped": stepped,
        "uphill": uphill,
        "answers_vary": answers_vary if len(images) else None,
        "gradients_vary": gradients_vary if stepped else None,
    }
