"""Adversarial examples for training: one registry, one signature.

Every entry takes a loss (images -> [B], to be maximised), clean images [B, 3, H, W] in [0, 1], the L-inf budget
eps, a number of steps (at least 1) and a generator; it returns images in [0, 1], detached. Weights and their
gradients are not touched. All keep within eps of the clean image but `n_fgsm`, which says so.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from robust_model.attacks.base import uniform

Loss = Callable[[Tensor], Tensor]
Adversary = Callable[[Loss, Tensor, float, int, torch.Generator], Tensor]


def ascent_direction(loss: Loss, images: Tensor) -> Tensor:
    """The sign of the loss's gradient at `images`."""
    leaf = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(leaf).sum(), leaf)
    return gradient.sign()


def none(_loss: Loss, images: Tensor, _eps: float, _steps: int, _rng: torch.Generator) -> Tensor:
    """No adversary: plain training."""
    return images.detach()


def fgsm(loss: Loss, images: Tensor, eps: float, _steps: int, _rng: torch.Generator) -> Tensor:
    """One signed step of eps from the clean image (Goodfellow et al. 2014, arXiv 1412.6572).

    The paper's light training is that.
    """
    return (images + eps * ascent_direction(loss, images)).clamp(0, 1)


def n_fgsm(loss: Loss, images: Tensor, eps: float, _steps: int, rng: torch.Generator) -> Tensor:
    """Noise FGSM (de Jorge et al. 2022, arXiv 2202.01181): uniform noise of 2 eps, then one step of eps.

    Not projected back, as its authors recommend: the distance to the clean image reaches 3 eps.
    """
    noisy = images + uniform(images, 2 * eps, rng)
    return (noisy + eps * ascent_direction(loss, noisy)).clamp(0, 1)


def pgd(loss: Loss, images: Tensor, eps: float, steps: int, rng: torch.Generator) -> Tensor:
    """PGD from a random start in the ball (Madry et al. 2017, arXiv 1706.06083).

    The step size is max(2.5 eps / steps, eps / 4). It judges nothing and knows no restarts, unlike the attack of
    evaluations (`robust_model.attacks.pgd`), with which it shares the random start. The way back into the ball is its
    own, by the change and not by the bounds: the same but for rounding, on which what is trained on depends.
    """
    size = max(2.5 * eps / steps, eps / 4)
    current = (images + uniform(images, eps, rng)).clamp(0, 1)
    for _ in range(steps):
        moved = current + size * ascent_direction(loss, current)
        current = (images + (moved - images).clamp(-eps, eps)).clamp(0, 1)
    return current


ADVERSARIES: dict[str, Adversary] = {"none": none, "fgsm": fgsm, "n-fgsm": n_fgsm, "pgd": pgd}
