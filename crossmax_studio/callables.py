"""Attacks in the form of torchattacks: made once for a model, then called with images and labels.

    attack = LayerAttack(model, eps=8 / 255)
    adversarial = attack(images, labels)

So they take the place of those of other libraries (torchattacks, and benchmarks that are written for it).
"""

from typing import Any

from torch import Tensor

from crossmax_studio.attacking import AttackResult, attack
from crossmax_studio.models import Network


class LayerAttack:
    """Changes layers of many resolutions that add up: the attack of Direct Ascent Synthesis (arXiv 2502.07753).

    Labels are the true classes or, with `targeted`, those to reach. Other arguments are those of `attack`.
    """

    preset = "standard"

    def __init__(self, model: Network, eps: float = 8 / 255, *, targeted: bool = False, **options: Any) -> None:
        self.model, self.eps, self.targeted = model, eps, targeted
        self.options = {"preset": self.preset, **options}

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """The adversarial images [B, 3, H, W] in [0, 1] for images and labels [B], on the images' device."""
        return self.run(images, labels).images

    def run(self, images: Tensor, labels: Tensor) -> AttackResult:
        """The same with all that is known of it."""
        return attack(self.model, images, labels, eps=self.eps, targeted=self.targeted, **self.options)

    def __repr__(self) -> str:
        given = {"eps": round(self.eps, 4), "targeted": self.targeted, **self.options}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"


class PixelAttack(LayerAttack):
    """Changes every pixel by itself, by steps of eps / 4 along the sign of the gradient (PGD, arXiv 1706.06083)."""

    preset = "pgd"
