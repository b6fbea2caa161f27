"""Priors of both forms under every bound, on a small canvas, and how to descend with them."""

import torch
from torch import Tensor

from generator.optimisers.registry import make_optimiser
from generator.priors.bounds import Bound, Free, FromImage, L2Ball, LinfBall, Masked
from generator.priors.making import make_prior
from generator.priors.prior import Prior

SIZE = (18, 25)
RESOLUTIONS = (1, 2, 3, 5, 9, 16, 25)
WEIGHTS = (0.5, 1.0, 2.0, 1.0, 0.7, 1.0, 1.5)
BATCH = 2
FORMS = ("layered", "image_space")


def pictures(seed: int = 0, batch: int = BATCH, size: tuple[int, int] = SIZE) -> Tensor:
    return torch.rand(batch, 3, *size, generator=torch.Generator().manual_seed(seed))


def soft_mask(size: tuple[int, int] = SIZE) -> Tensor:
    """Half open on the left, wholly open on the right."""
    return torch.linspace(0.5, 1.2, size[1]).clamp_max(1).expand(1, 1, *size)


BOUNDS = {
    "free": lambda: Free(),
    "image": lambda: FromImage(pictures(1)),
    "linf": lambda: LinfBall(pictures(2), 16 / 255),
    "l2": lambda: L2Ball(pictures(3, batch=1), 1.5),
    "masked": lambda: Masked(FromImage(pictures(1)), pictures(1), soft_mask()),
}


def prior(form: str, bound: Bound | None = None, **options: object) -> Prior:
    given_options = {"weights": WEIGHTS, "batch": BATCH} | options
    return make_prior(form, bound or Free(), RESOLUTIONS, SIZE, **given_options)


def awkward_loss(images: Tensor) -> Tensor:
    """A loss [B] that is far from quadratic, weighs every pixel differently, and is not met within the test."""
    texture = torch.linspace(-9, 9, images[0].numel()).view(images.shape[1:]).to(images).sin()
    target = 0.3 * pictures(7, len(images)).to(images)
    return (3 * (images * texture).mean((1, 2, 3))).exp() + (images - target).square().mean((1, 2, 3)).sqrt()


def descend(subject: Prior, steps: int, lr: float, *, name: str = "sgd", **options: object) -> None:
    optimiser = make_optimiser(name, subject, lr, **options)
    for _ in range(steps):
        optimiser.zero_grad()
        awkward_loss(subject.render()).sum().backward()
        optimiser.step()


def assert_close(a: Tensor, b: Tensor, relative: float = 1e-4) -> None:
    a, b = a.detach(), b.detach()
    assert float((a - b).norm()) <= relative * float(b.norm())


def distances(a: Tensor, b: Tensor) -> tuple[float, float]:
    """The largest L-inf and L2 distances in a batch, in float64."""
    gap = (a.double() - b.double()).flatten(1)
    return float(gap.abs().max()), float(gap.norm(dim=1).max())
