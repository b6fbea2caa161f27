"""Perturbations of single pixels: the other kind beside layers of many resolutions, under the same interface.

The change of a photo is one tensor X of the photo's own size, in the units of pixels in [0, 1]:

    image = photo + X,   X in B = {X : |X| <= eps, 0 <= photo + X <= 1}

Nothing squashes it: whoever moves X brings it back into B by a projection P, as in projected gradient descent
(Madry et al., arXiv 1706.06083). Under L-inf P is exact. Under L2 the change is scaled to length eps first and
cut off at black and white then, which only ever shortens it, as the photo itself lies between them: the result
lies in B, though it need not be the point of B that is nearest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.priors.bounds import Anchored, Norm
from generator.priors.operators import resolution_operator
from generator.priors.prior import LayeredPrior
from generator.views.jpeg import straight_through


@dataclass(frozen=True, eq=False)
class PixelBall(Anchored):
    """photo + X, for changes X that `project` has brought within eps of the photo and into [0, 1].

    Under norm "none" eps is 0 and means nothing: the picture may be any.
    """

    of: Norm = "linf"
    eps: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.of == "none") != (self.eps == 0) or not 0 <= self.eps < math.inf:
            raise StudioError(f"A budget needs a norm and a finite eps above 0, not '{self.of}' and {self.eps}.")

    @property
    def norm(self) -> Norm:
        """The norm that limits the distance."""
        return self.of

    def apply(self, x: Tensor) -> Tensor:
        image = self.image + x
        return straight_through(image.clamp(0, 1), image)  # sums round; they must not lose their gradient at the ends

    @property
    def unit(self) -> float:
        """The root mean square, over pixels and channels, of a change of size eps under the norm; without one, 1."""
        per_norm = {"linf": self.eps, "l2": self.eps / math.sqrt(self.image[0].numel()), "none": 1.0}
        return per_norm[self.of]

    @torch.no_grad()
    def project(self, x: Tensor) -> Tensor:
        """Return the changes X [B, 3, H, W] brought back into the budget and the range of pixels."""
        if self.of == "linf":
            x = x.clamp(-self.eps, self.eps)
        elif self.of == "l2":
            length = x.flatten(1).norm(dim=1).clamp_min(torch.finfo(x.dtype).tiny).view(-1, 1, 1, 1)
            x = x * (self.eps / length).clamp_max(1)
        return torch.minimum(torch.maximum(x, -self.image), 1 - self.image)


class PixelPrior(LayeredPrior):
    """A single layer, the pixels themselves, which stays in the budget of its bound.

    Args:
        bound: of the photo; its batch is 1, or that of the pictures.
        batch: the number of pictures B.
        start: changes [B, 3, H, W] to start from, which are projected; none start from the photo.
    """

    def __init__(self, bound: PixelBall, *, batch: int = 1, start: Tensor | None = None) -> None:
        height, width = bound.image.shape[2:]
        operator = resolution_operator((max(height, width),), (height, width), device=bound.image.device)
        super().__init__(operator, bound, batch=batch)
        self._ball = bound.to(operator.device, operator.dtype)
        if start is not None:
            self._parameters[0].detach().copy_(start)
            self.project()

    @property
    def unit(self) -> float:
        return self._ball.unit

    def project(self) -> None:
        self._parameters[0].detach().copy_(self.projected(self._parameters[0]))

    def projected(self, x: Tensor) -> Tensor:
        """Return changes [B, 3, H, W] brought back into the budget."""
        return self._ball.project(x)

    def length(self, directions: Sequence[Tensor]) -> Tensor:
        """How far [B, 1, 1, 1] a change leads: under L2 the root mean square, else the largest of any value."""
        (direction,) = directions
        if self._ball.norm == "l2":
            return direction.square().mean((1, 2, 3), keepdim=True).sqrt()
        return direction.abs().amax((1, 2, 3), keepdim=True)

    def _sum(self) -> Tensor:
        return self._parameters[0]


def pixel_noise(bound: PixelBall, std: float, *, rng: torch.Generator) -> Tensor:
    """Draw a normal change [1, 3, H, W] to start from, of root mean square `std` in units of the budget; CPU."""
    noise = torch.randn(1, *bound.image.shape[1:], generator=rng, device=rng.device)
    return std * bound.unit * noise
