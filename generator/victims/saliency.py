"""What in a picture moves a model's score: gradients of several models side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.classes.names import Names
from generator.victims.victims import ScoringVictim, Victim, guiding

SHARE_SHOWN = 0.99
"""Quantile of a map that is shown as white: a few extreme pixels would leave all others dark."""
SMOOTH_NOISE = 0.15
"""Standard deviation of SmoothGrad's noise, as a share of the range of values, as in its paper (0.1 to 0.2)."""


@dataclass(frozen=True, eq=False)
class Saliency:
    """The gradient of one score of one model.

    Attributes:
        victim: whose it is.
        label: whose score.
        gradient: [1, 3, H, W], of the logit by the values of the image.
        strength: [H, W], its largest absolute value over the colours (Simonyan et al., arXiv 1312.6034, section 3.1).
    """

    victim: str
    label: str
    gradient: Tensor
    strength: Tensor

    def shown(self) -> Tensor:
        """Return the strength as a grey picture [1, 3, H, W] in [0, 1]; a gradient of zero is black."""
        scale = torch.quantile(self.strength.flatten().double(), SHARE_SHOWN).clamp_min(1e-30)
        grey = (self.strength.double() / scale).clamp(0, 1).float()
        return grey.expand(1, 3, *grey.shape).contiguous()


def saliency(
    victim: Victim,
    image: Tensor,
    label: str = "",
    *,
    names: Names | None = None,
    samples: int = 1,
    noise: float = SMOOTH_NOISE,
    rng: torch.Generator | None = None,
) -> Saliency:
    """Return the gradient of a victim's logit of a class by an image [1, 3, H, W] in [0, 1].

    The class is the victim's own answer if `label` is "". Of a layered classifier the mean of the read-outs is
    followed (see `guiding`). With more than one of the `samples` the gradient is the mean over copies of the image
    with Gaussian noise of standard deviation `noise` (SmoothGrad, arXiv 1706.03825), which needs an `rng`. StudioError
    if the victim has no such class, or has no gradient for it.
    """
    if samples > 1 and rng is None:
        raise ValueError("noise needs a generator")
    if not isinstance(victim, ScoringVictim):
        raise StudioError(f"The model '{victim.name}' gives no gradients: choose one that does.")
    judge = guiding(victim)
    index, said = _class(judge, image, label, names or Names())
    total = torch.zeros_like(image)
    for _ in range(samples):
        start = image if rng is None or samples == 1 else image + noise * _normal(image, rng)
        total += _gradient(judge, start, index)
    gradient = total / samples
    return Saliency(victim.name, said, gradient, gradient.abs().amax(dim=1)[0])


def saliencies(
    victims: Sequence[Victim], image: Tensor, label: str = "", *, names: Names | None = None
) -> tuple[Saliency, ...]:
    """Return the saliency of each victim for one image, of the class called `label` or of its own answer."""
    return tuple(saliency(victim, image, label, names=names) for victim in victims)


def _class(victim: ScoringVictim, image: Tensor, label: str, names: Names) -> tuple[int, str]:
    if not label:
        with torch.no_grad():
            index = int(victim.logits(image)[0].argmax())
        return index, victim.labels[index]
    found = names.find(victim.labels, label)
    if not found:
        raise StudioError(f"The model '{victim.name}' knows no class '{label}': choose one that it knows, or none.")
    return victim.labels.index(found[0]), found[0]


def _gradient(victim: ScoringVictim, image: Tensor, index: int) -> Tensor:
    with torch.enable_grad():
        leaf = image.detach().clone().requires_grad_(True)
        score = victim.logits(leaf)[0, index]
        if not score.requires_grad:
            raise StudioError(f"The model '{victim.name}' gives no gradients: choose one that does.")
        (gradient,) = torch.autograd.grad(score, leaf)
    return gradient.detach()


def _normal(like: Tensor, rng: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=rng, device=rng.device, dtype=like.dtype).to(like.device)
