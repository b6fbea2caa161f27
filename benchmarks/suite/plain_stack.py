"""The multi-resolution stack written out literally, image by image: the yardstick for tests and benchmarks.

Follows the protocol of the notebook of arXiv 2408.05446 step by step with the operations it names; nothing is
precomputed, folded together or batched.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from foundation import torchvision_cure  # noqa: F401  (before torchvision is imported)
from robust_model.networks.stack import StackConfig, StackDraws


def _scale(image: Tensor, side: int, mode: str) -> Tensor:
    options = {} if mode == "area" else {"align_corners": False}
    return F.interpolate(image[None], size=(side, side), mode=mode, **options)[0]


def plain_stack(images: Tensor, config: StackConfig, draws: StackDraws) -> Tensor:
    """Stack images [B, 3, S, S] in [0, 1] with the given draws: [B, 3R, S, S] in [0, 1]."""
    from torchvision.transforms.functional import adjust_contrast

    stacked = []
    for i, image in enumerate(images):
        views = []
        for n, r in enumerate(config.resolutions):
            x = image
            if config.contrast != (1.0, 1.0):
                x = adjust_contrast(x, float(draws.contrast[i, n]))
            x = torch.roll(x, shifts=(int(draws.shifts[i, n, 0]), int(draws.shifts[i, n, 1])), dims=(-2, -1))
            if config.grey != (1.0, 1.0):
                grey = float(draws.grey[i, n])
                x = grey * x + (1 - grey) * x.mean(dim=0, keepdim=True)
            x = _scale(x, r, config.down)
            if draws.low is not None:
                x = x + draws.low[n][i]
            x = _scale(x, config.size, config.up)
            if draws.high is not None:
                x = x + draws.high[i, n]
            views.append(x.clip(0, 1))
        stacked.append(torch.cat(views))
    return torch.stack(stacked)
