"""An image as a sum of layers at many resolutions, as a module for anybody's own loop and optimiser."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from foundation.errors import StudioError
from generator.priors.bounds import Bound, Free, L2Ball, LinfBall
from generator.priors.operators import parse_resolutions, resolution_operator


class MultiResolutionPrior(nn.Module):
    """Images [B, 3, H, W] in [0, 1] whose parameters are layers P_r [B, 3, rh, rw]: bound(sum over r of up_r(P_r)).

    All layers start at 0: mid-grey or, of an attack, the photo. Source: arXiv 2502.07753.

        prior = MultiResolutionPrior((224, 224))
        optimiser = torch.optim.Adam(prior.parameters(), lr=0.05)
        loss(prior()).backward()

    Args:
        size: (H, W) of the images; needless with a photo.
        resolutions: as the command line writes them ("1..224", "pow2", "all"), or a list of numbers.
        batch: how many images.
        photo: [B, 3, H, W] in [0, 1], to stay near to; None for images from nothing.
        eps: how near, in [0, 1] pixel units; that holds by construction.
        norm: by what distance, "linf" or "l2".
        device: of the layers; the photo's unless given.

    Raises StudioError for what does not fit.
    """

    def __init__(
        self,
        size: tuple[int, int] | None = None,
        resolutions: str | Sequence[int] = "pow2",
        *,
        batch: int = 1,
        photo: Tensor | None = None,
        eps: float = 8 / 255,
        norm: str = "linf",
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        place = torch.device(device if device is not None else "cpu" if photo is None else photo.device)
        self.bound, (height, width), self.batch = _bound(size, photo, eps, norm, place, batch)
        self.resolutions = parse_resolutions(resolutions, (height, width))
        self.operator = resolution_operator(self.resolutions, (height, width), device=place)
        self.layers = nn.ParameterList(
            nn.Parameter(torch.zeros(self.batch, 3, *shape, device=place)) for shape in self.operator.shapes
        )

    def forward(self) -> Tensor:
        """The images [B, 3, H, W] in [0, 1], differentiable in the layers."""
        return self.bound.apply(self.operator.up(list(self.layers)))


def _bound(
    size: tuple[int, int] | None, photo: Tensor | None, eps: float, norm: str, place: torch.device, batch: int
) -> tuple[Bound, tuple[int, int], int]:
    """The bound, the size (H, W) and the number of images."""
    if photo is None:
        if size is None or min(size) < 1 or batch < 1:
            raise StudioError("Images from nothing need a size (H, W), and there is at least one of them.")
        return Free(), size, batch
    from crossmax_studio.checks import checked_images

    source = checked_images(photo).to(place)
    height, width = source.shape[2:]
    if size is not None and tuple(size) != (height, width):
        raise StudioError(f"The photo is {height} x {width}, and the size that was given {size}: leave that out.")
    balls = {"linf": LinfBall, "l2": L2Ball}
    if norm not in balls:
        raise StudioError(f"There is no norm '{norm}' here: use {' or '.join(balls)}.")
    return balls[norm](source, eps), (height, width), len(source)
