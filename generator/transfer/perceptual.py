"""How far two pictures are apart, as numbers and as people see it: L-inf, L2, SSIM and LPIPS."""

import functools
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from foundation import torchvision_cure  # noqa: F401  (before torchvision is imported)
from foundation.images.distance import l2, linf
from foundation.record import Record

SSIM_WINDOW = 11
"""Side in pixels of the window of SSIM; smaller pictures have no SSIM."""
_STRIP_PIXELS = 1 << 19
"""Windows that are compared at a time."""
_SIGMA = 1.5
_K1, _K2 = 0.01, 0.03
Network = Literal["alex", "vgg", "squeeze"]
_LPIPS_WEIGHTS: Mapping[Network, str] = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}
"""torchvision's files of the networks that LPIPS compares with, the usual one first."""


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the structural similarity of each pair of images, float64 [B], at most 1, which is for equal ones.

    As Wang et al. 2004 (IEEE TIP 13, p. 600, equation 13): means, variances and covariance under an 11 x 11
    Gaussian window (sigma 1.5), K1 = 0.01, K2 = 0.03 and a range of 1, over all places where the window fits, for
    each colour by itself, and the mean of it all. a and b are [B, 3, H, W] in [0, 1] of one size; ValueError for
    others, and where a side is shorter than the window.
    """
    if a.shape != b.shape or a.ndim != 4 or min(a.shape[2:]) < SSIM_WINDOW:
        raise ValueError(f"SSIM needs two batches of one size of at least {SSIM_WINDOW}, not {a.shape} and {b.shape}")
    height, width = a.shape[2:]
    rows = max(1, _STRIP_PIXELS // width)  # of windows: a large picture in float64, many times over, is gigabytes
    windows = height - SSIM_WINDOW + 1
    parts = [
        _similarities(a[:, :, top : top + rows + SSIM_WINDOW - 1], b[:, :, top : top + rows + SSIM_WINDOW - 1])
        for top in range(0, windows, rows)
    ]
    if len(parts) == 1:
        return parts[0].mean(dim=1)
    return torch.stack([part.sum(dim=1) for part in parts]).sum(dim=0) / sum(part.shape[1] for part in parts)


def _similarities(a: Tensor, b: Tensor) -> Tensor:
    """The index [B, windows of all colours] of two batches of images."""
    x, y = a.detach().double().flatten(0, 1)[:, None], b.detach().double().flatten(0, 1)[:, None]
    mx, my = _local_mean(x), _local_mean(y)
    vx, vy = _local_mean(x * x) - mx * mx, _local_mean(y * y) - my * my
    covariance = _local_mean(x * y) - mx * my
    c1, c2 = _K1**2, _K2**2
    index = (2 * mx * my + c1) * (2 * covariance + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return index.view(len(a), -1)


def _local_mean(planes: Tensor) -> Tensor:
    """Planes [N, 1, H, W] under the Gaussian window, where it fits."""
    offsets = torch.arange(SSIM_WINDOW, dtype=planes.dtype, device=planes.device) - SSIM_WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    window = window / window.sum()
    return functional.conv2d(functional.conv2d(planes, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))


class DistancesRecord(Record):
    """Distances as they are written; see `Distances`."""

    linf: float
    l2: float
    ssim: float | None
    lpips: float | None


@dataclass(frozen=True)
class Distances:
    """How far a picture is from another: of values in [0, 1].

    `ssim` is None for pictures too small for its window, and `lpips` where its weights are not on this machine.
    """

    linf: float
    l2: float
    ssim: float | None
    lpips: float | None

    def record(self) -> DistancesRecord:
        """Return them as they are written."""
        return DistancesRecord(linf=self.linf, l2=self.l2, ssim=self.ssim, lpips=self.lpips)


def distances(a: Tensor, b: Tensor) -> Distances:
    """Return the distances between two images [1, 3, H, W] in [0, 1]. ValueError if the shapes do not fit."""
    large = min(a.shape[2:]) >= SSIM_WINDOW
    return Distances(linf(a, b).item(), l2(a, b).item(), ssim(a, b).item() if large else None, lpips(a, b))


def lpips_network() -> Network | None:
    """Return the network that LPIPS can compare with here, None if there is none."""
    if importlib.util.find_spec("torchmetrics") is None:
        return None
    return next((name for name, file in _LPIPS_WEIGHTS.items() if (_checkpoints() / file).is_file()), None)


def lpips_note() -> str:
    """Say in a sentence which LPIPS is measured, or why none is."""
    network = lpips_network()
    if network is not None:
        return f"LPIPS (Zhang et al., arXiv 1801.03924) with the network '{network}'."
    return (
        "LPIPS is not measured: it needs the package torchmetrics and torchvision's weights of AlexNet, VGG-16 or "
        f"SqueezeNet in '{_checkpoints()}', which are not downloaded for it."
    )


@torch.no_grad()
def lpips(a: Tensor, b: Tensor) -> float | None:
    """Return the LPIPS distance (arXiv 1801.03924) of two images [1, 3, H, W] in [0, 1]; None without its weights.

    Nothing is downloaded. Images shorter than 32 pixels, where its networks end, are enlarged.
    """
    network = lpips_network()
    if network is None:
        return None
    small = min(a.shape[2:])
    if small < 32:
        a, b = (functional.interpolate(image, scale_factor=32 / small, mode="bilinear") for image in (a, b))
    distance: Tensor = _lpips_model(network, str(_checkpoints()))(a.detach().float().cpu(), b.detach().float().cpu())
    return distance.item()


@functools.lru_cache(maxsize=1)
def _lpips_model(network: Network, _folder: str) -> Callable[[Tensor, Tensor], Tensor]:
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    with torch.random.fork_rng(devices=[]):  # it draws random weights before it loads those it has
        metric = LearnedPerceptualImagePatchSimilarity(net_type=network, normalize=True)
    # The network alone, not the metric, which adds up what it has seen.
    return functools.partial(metric.net.requires_grad_(False).eval(), normalize=True)


def _checkpoints() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"
