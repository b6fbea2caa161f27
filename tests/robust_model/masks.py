"""Masks to plant on a small trained network: gradients that hide the way down, each in another manner.

Kinds from Athalye, Carlini & Wagner 2018 (arXiv 1802.00420), Carlini et al. 2019 (arXiv 1902.06705), Tramer et al. 2020
(arXiv 2002.08347), Xiao, Zhong & Zheng 2020 (k winners take all, arXiv 1905.10510), and masks that show only where
clean 8-bit images never are. A mask is a network: images [B, 3, H, W] to logits [B, C].
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robust_model.data.datasets import LabelledImages, synthetic, to_float

EPS = 12 / 255
SIZE = 12
NAMES = ("a", "b", "c", "d")


def pictures(split: Any, count: int) -> tuple[Tensor, Tensor]:
    """Gratings of so little contrast that a small change of every pixel outweighs them: images and labels."""
    data = synthetic(split, count, classes=4, size=SIZE)
    return 0.5 + 0.15 * (to_float(data.images) - 0.5), data.labels


def saved(count: int) -> LabelledImages:
    """Test pictures as 8-bit files have them."""
    images, labels = pictures("test", count)
    return LabelledImages((images * 255).round().to(torch.uint8), labels, NAMES, "gratings")


@cache
def small_network() -> nn.Module:
    """Trained on gratings with some of their pixels missing: right on all of them, and robust to nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        net = nn.Sequential(
            *(nn.Conv2d(3, 12, 3, 2, 1), nn.SiLU(), nn.Conv2d(12, 24, 3, 2, 1), nn.SiLU()),
            *(nn.Flatten(), nn.Linear(24 * (SIZE // 4) ** 2, 4)),
        )
    images, labels = pictures("train", 256)
    rng = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(60):
        some = torch.randint(256, (64,), generator=rng)
        share = 0.25 + 0.75 * torch.rand(64, 1, 1, 1, generator=rng)
        keep = torch.rand(64, 1, SIZE, SIZE, generator=rng) < share
        seen = torch.where(keep, images[some] - 0.5, torch.tensor(0.0)) / 0.05
        loss = F.cross_entropy(net(seen), labels[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net.eval().requires_grad_(False)


class Open(nn.Module):
    """The trained network, without a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small_network()

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.body((images - 0.5) / 0.05)
        return out


class Known(nn.Module):
    """A mask as one sees it who knows it: its own answers, with the gradient of the open network (BPDA)."""

    def __init__(self, mask: nn.Module) -> None:
        super().__init__()
        self.mask, self.open = mask, Open()

    def forward(self, images: Tensor) -> Tensor:
        honest = self.open(images)
        out: Tensor = honest + (self.mask(images.detach()) - honest).detach()
        return out


def off_the_grid(images: Tensor) -> Tensor:
    """Where [B, 3, H, W] a value is none of 8 bits."""
    return ((images * 255).round() / 255 - images).abs() > 1e-6


def tampered(images: Tensor) -> Tensor:
    """Which images [B, 1, 1, 1] are not as saved."""
    return off_the_grid(images).flatten(1).any(1)[:, None, None, None]


class _Scaled(torch.autograd.Function):
    """The identity, whose gradient is multiplied by given factors."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factors: Tensor) -> Tensor:
        ctx.save_for_backward(factors)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (factors,) = ctx.saved_tensors
        return gradient * factors, None


def scaled(images: Tensor, factors: Tensor) -> Tensor:
    out: Tensor = _Scaled.apply(images, factors.to(images))
    return out


class GridRound(Open):
    """Gradient 1 on the 8-bit grid, where clean images lie, 0 elsewhere."""

    def forward(self, images: Tensor) -> Tensor:
        rounded = (255 * images).round() / 255
        return super().forward(torch.where((rounded - images).abs() < 1e-6, images, rounded.detach()))


class Thermometer(Open):
    """Sees 64 levels of grey (Buckman et al. 2018): no gradient."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward((images * 63).round() / 63)


class BlockTransform(Open):
    """Rounds the cosine transform of blocks of 4 x 4, as JPEG does (Guo et al. 2018): no gradient."""

    def forward(self, images: Tensor) -> Tensor:
        k, i = torch.arange(4)[:, None], torch.arange(4)[None]
        basis = torch.cos(torch.pi * k * (2 * i + 1) / 8) * (0.5 + 0.5 * (k > 0)).sqrt() / 2**0.5
        blocks = images.unfold(2, 4, 4).unfold(3, 4, 4)
        coded = (basis @ (blocks - 0.5) @ basis.T * 128).round() / 128
        back = basis.T @ coded @ basis + 0.5
        return super().forward(back.permute(0, 1, 2, 4, 3, 5).reshape(images.shape))


class Textured(Open):
    """Cuts the gradient of images rougher than clean ones are: where attacks begin and go."""

    def forward(self, images: Tensor) -> Tensor:
        rough = (images - F.avg_pool2d(images, 3, 1, 1, count_include_pad=False)).abs().mean((1, 2, 3)) > 0.012
        return super().forward(torch.where(rough[:, None, None, None], images.detach(), images))


class Backwards(Open):
    """Its gradient leads downhill everywhere but at saved images."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(scaled(images, 1 - 2 * tampered(images).float()))


class Hashed(Open):
    """Off the saved images, the signs of its gradient are random numbers with the image's digits for a seed."""

    def forward(self, images: Tensor) -> Tensor:
        digits = torch.sin(images * 12.9898e4 + images.flatten(1).sum(1)[:, None, None, None] * 78.233e3)
        return super().forward(scaled(images, torch.where(tampered(images), digits.sign(), torch.tensor(1.0))))


class Detector(Open):
    """Says of images that were never saved only which class it is, as certainly as can be."""

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        certain = 10 * F.one_hot(logits.argmax(1), logits.shape[1]).float()
        return torch.where(tampered(images)[:, :, 0, 0], certain, logits)


class Hot(Open):
    """Off the saved images its logits are divided by 1e-4: cross-entropy is 0 to the last bit."""

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        return torch.where(tampered(images)[:, :, 0, 0], logits / 1e-4, logits)


class Plateau(Open):
    """Cuts the gradient where the true class leads by little: near the border, where attacks go."""

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        first, second = logits.topk(2).values.T
        return torch.where((first - second < 4)[:, None], logits.detach(), logits)


class Winners(Open):
    """Keeps the largest 40 % of each image's first activations: k winners take all."""

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = small_network()[:2]((images - 0.5) / 0.05)  # type: ignore[index]
        flat = x.flatten(1)
        bar = flat.topk(int(0.4 * flat.shape[1])).values[:, -1:]
        out: Tensor = small_network()[2:]((flat * (flat >= bar)).view_as(x))  # type: ignore[index]
        return out


class Cropped(Open):
    """Sees a random part of the image, moved by up to a pixel (Xie et al. 2018)."""

    def forward(self, images: Tensor) -> Tensor:
        down, right = torch.randint(-1, 2, (2,)).tolist()
        return super().forward(images.roll((down, right), (2, 3)))


class Replayed(Open):
    """Hides half of the pixels at random, always the same to whom wants gradients."""

    def forward(self, images: Tensor) -> Tensor:
        rng = torch.Generator().manual_seed(7) if images.requires_grad else None
        keep = torch.rand((len(images), 1, *images.shape[2:]), generator=rng) < 0.5
        return super().forward(torch.where(keep, images, torch.tensor(0.5)))


class TwoFaced(Open):
    """Answers who wants gradients by a coarse copy of the image, which small changes do not reach."""

    def forward(self, images: Tensor) -> Tensor:
        shown = (images - 0.5).clamp(-0.2, 0.2)
        coarse = 0.5 + shown * (1 + 40 * shown.abs()) if images.requires_grad else images
        return super().forward(coarse)


class Decoy(Open):
    """Its answer passes no gradient; a weak linear network with its own idea of the way does."""

    def forward(self, images: Tensor) -> Tensor:
        weights = torch.randn(4, 3 * SIZE * SIZE, generator=torch.Generator().manual_seed(3))
        return super().forward(images).detach() + 1e-3 * images.flatten(1) @ weights.T


class Sparse(Open):
    """Lets the gradient through at one pixel of thirty: what is left of it is true, and leads nowhere."""

    def forward(self, images: Tensor) -> Tensor:
        keep = torch.rand(images.shape[2:], generator=torch.Generator().manual_seed(1)) < 1 / 30
        return super().forward(scaled(images, keep.expand_as(images)))


MASKS: dict[str, Callable[[], nn.Module]] = {
    "gridround": GridRound,
    "thermometer": Thermometer,
    "block transform": BlockTransform,
    "texture": Textured,
    "backwards off the grid": Backwards,
    "hashed signs": Hashed,
    "detector": Detector,
    "hot off the grid": Hot,
    "plateau": Plateau,
    "k winners": Winners,
    "random crop": Cropped,
    "replayed noise": Replayed,
    "two faces": TwoFaced,
    "decoy": Decoy,
    "sparse gradient": Sparse,
}
