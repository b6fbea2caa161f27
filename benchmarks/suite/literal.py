"""Published procedures as their papers write them down, without anything that makes them cheaper."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from generator.priors.operators import layer_shape
from generator.views.registry import View
from robust_model.attacks import AnyAttack, Defence, SquareConfig, source_of
from robust_model.networks.ensemble import SelfEnsemble

Score = Callable[[Tensor], Tensor]
"""Images [B, 3, H, W] to logits [B, C]."""


def crossmax(logits: Tensor, k: int) -> Tensor:
    """CrossMax of logits [B, N, C], image by image: two maxima subtracted, a sort, the k-th (arXiv 2408.05446)."""
    answers = []
    for z in logits:
        z = z - z.max(dim=1, keepdim=True).values
        z = z - z.max(dim=0, keepdim=True).values
        answers.append(z.sort(dim=0, descending=True).values[k - 1])
    return torch.stack(answers)


def one_after_another(model: SelfEnsemble, images: Tensor) -> Tensor:
    """The logits [B, N, C] of all predictors, each by a pass of its own from the picture to its depth."""
    found = []
    for depth, head in zip(model.depths, model.heads, strict=True):
        x = model.views(images)
        if model.config.input_size != model.config.stack.size:
            side = model.config.input_size
            x = F.interpolate(x, size=(side, side), mode="bicubic", align_corners=False)
        x = ((x - model.mean) / model.std).contiguous(memory_format=torch.channels_last)
        (activation,) = model.chain(x, [depth])
        found.append(head(activation))
    return torch.stack(found, dim=1)


def pgd(score: Score, images: Tensor, labels: Tensor, eps: float, steps: int) -> Tensor:
    """PGD in steps of a quarter of the budget (Madry et al., arXiv 1706.06083): every image pays for every step."""
    x = images.clone()
    for _ in range(steps):
        leaf = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(score(leaf), labels), leaf)
        x = x + eps / 4 * gradient.sign()
        x = torch.min(torch.max(x, images - eps), images + eps).clamp(0, 1)
    return x


def suite(defence: Defence, images: Tensor, labels: Tensor, attacks: Sequence[AnyAttack]) -> int:
    """The attacks of a suite one after the other on all images, to their last step; returns how many passes that took.

    Every query of a black-box attack is a pass of every image, also where the suite asks it about a sample. Passes are
    counted in images, forward ones.
    """
    passes = 0
    for attack in attacks:
        black_box = isinstance(attack, SquareConfig)
        rounds = attack.restarts * attack.queries * attack.repeats if black_box else attack.cost().forward
        passes += rounds * len(images)
        if black_box:
            with torch.no_grad():
                for _ in range(rounds):
                    defence.combine(defence.readouts(images))
        else:
            combine = source_of(defence, getattr(attack, "source", "defence"))
            pgd(lambda x, combine=combine: combine(defence.readouts(x)), images, labels, attack.eps, rounds)
    return passes


def class_step(
    score: Score, target: int, resolutions: Sequence[int], side: int, view: View, views: int, device: str
) -> Callable[[], Tensor]:
    """A step towards the picture of a class (arXiv 2502.07753): layers enlarged one by one, gradients through all."""
    size = (side, side)
    layers = [torch.zeros(1, 3, *layer_shape(r, size), device=device, requires_grad=True) for r in resolutions]
    optimiser = torch.optim.SGD(layers, lr=0.005)
    rng = torch.Generator(device).manual_seed(0)

    def step() -> Tensor:
        optimiser.zero_grad()
        x = torch.zeros(1, 3, *size, device=device)
        for layer in layers:
            x = x + F.interpolate(layer, size=size, mode="bicubic", align_corners=False)
        image = (1 + x.tanh()) / 2
        seen = torch.cat([view(image, rng) for _ in range(views)])
        (-score(seen)[:, target].mean()).backward()
        optimiser.step()
        return image.detach()

    return step
