"""Our attacks beside those of foolbox, and of the authors of AutoAttack, on the same small trained network.

The trusted libraries are needed by this module alone.
"""

from typing import Any

import eagerpy
import foolbox
import pytest
import torch
from pyautoattack.autopgd_base import APGDAttack
from torch import Tensor

from generator.objectives.classes import CrossEntropy
from generator.optimisers.loop import optimise
from generator.optimisers.registry import make_optimiser
from generator.priors.pixel import PixelBall, PixelPrior
from generator.views.registry import Compose
from tests.generator.standins import rng

CLASSES = 4
TWO_POINTS = 0.02


class Small(torch.nn.Module):
    """Two convolutions and a linear layer."""

    class_names = tuple("abcd")

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, padding=1),
            torch.nn.SiLU(),
            torch.nn.Conv2d(8, 16, 3, stride=2, padding=1),
            torch.nn.SiLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(16 * 4 * 5, CLASSES),
        )
        draws = rng(0)
        with torch.no_grad():
            for parameter in self.parameters():
                fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
                parameter.copy_(torch.randn(parameter.shape, generator=draws) * (fan_in**-0.5 if fan_in > 1 else 0))

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.layers(4 * (images - 0.5))
        return result


def gratings(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Faint stripes of one of four directions under noise, 8 x 10, and their directions."""
    draws = rng(seed)
    labels = torch.randint(CLASSES, (count,), generator=draws)
    angles = labels * (torch.pi / CLASSES)
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(10.0), indexing="ij")
    along = rows * angles.sin().view(-1, 1, 1) + columns * angles.cos().view(-1, 1, 1)
    phase = 2 * torch.pi * torch.rand((count, 1, 1), generator=draws)
    noise = 0.12 * torch.randn((count, 3, 8, 10), generator=draws)
    return (0.5 + 0.15 * (1.6 * along + phase).sin()[:, None] + noise).clamp(0, 1), labels


@pytest.fixture(scope="module")
def network() -> Small:
    model = Small()
    images, labels = gratings(1024, 1)
    optimiser = torch.optim.Adam(model.parameters(), lr=4e-3)
    for _ in range(8):
        for start in range(0, len(images), 64):
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(images[start : start + 64]), labels[start : start + 64])
            loss.backward()
            optimiser.step()
    return model.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def photos(network: Small) -> tuple[Tensor, Tensor]:
    images, labels = gratings(260, 2)
    right = network(images).argmax(dim=1) == labels
    assert right.float().mean() > 0.9
    return images[right][:200], labels[right][:200]


def ours(network: Small, images: Tensor, labels: Tensor, norm: Any, eps: float, rule: str, **options: Any) -> Tensor:
    prior = PixelPrior(PixelBall(images, norm, eps), batch=len(images))
    optimiser = make_optimiser(rule, prior, **options)
    away = -1.0 * CrossEntropy(network, torch.nn.functional.one_hot(labels, CLASSES).float())
    taken = optimise(prior, away, Compose(), optimiser, steps=options["steps"], views_per_step=1, rng=rng())
    *_, last = taken
    return last.image()


def success(network: Small, images: Tensor, labels: Tensor) -> float:
    return (network(images).argmax(dim=1) != labels).float().mean().item()


BUDGETS = [("linf", 0.045), ("l2", 0.55)]
FOOLBOX = {
    ("pgd", "linf"): foolbox.attacks.LinfPGD,
    ("pgd", "l2"): foolbox.attacks.L2PGD,
    ("mi-fgsm", "linf"): foolbox.attacks.LinfMomentumIterativeFastGradientMethod,
    ("mi-fgsm", "l2"): foolbox.attacks.L2MomentumIterativeFastGradientMethod,
}


@pytest.mark.parametrize(("norm", "eps"), BUDGETS)
@pytest.mark.parametrize("rule", ["pgd", "mi-fgsm"])
def test_pgd_and_mi_fgsm_are_as_strong_as_foolbox(network: Small, photos: Any, rule: str, norm: str, eps: float):
    images, labels = photos
    attack = FOOLBOX[rule, norm](rel_stepsize=0.2, steps=12, random_start=False)
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
    theirs = attack.run(model, eagerpy.astensor(images), eagerpy.astensor(labels), epsilon=eps).raw
    options = {"lr": 0.2, "steps": 12, "momentum": 1.0 if rule == "mi-fgsm" else 0.0}
    made = ours(network, images, labels, norm, eps, rule, **options)
    expected = success(network, theirs, labels)
    assert 0.2 < expected < 0.9  # an easy or hopeless task would show nothing
    assert success(network, made, labels) == pytest.approx(expected, abs=TWO_POINTS)
    if rule == "pgd":  # the same steps, up to signs of slopes that are almost 0; foolbox's momentum is another
        same = (made - theirs).abs().flatten(1).amax(dim=1) < 1e-4
        assert same.float().mean() > 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "eps"), BUDGETS)
def test_apgd_is_as_strong_as_its_authors(network: Small, photos: Any, norm: str, eps: float) -> None:
    images, labels = photos
    reference = APGDAttack(
        network, n_iter=30, norm={"linf": "Linf", "l2": "L2"}[norm], eps=eps, loss="ce", device="cpu", seed=0
    )
    reference.init_hyperparam(images)
    best, _, best_loss, adversarial = reference.attack_single_run(images, labels, x_init=images)
    made = ours(network, images, labels, norm, eps, "apgd", lr=1.0, steps=31)
    expected = success(network, adversarial, labels)
    assert 0.2 < expected < 0.9
    assert success(network, made, labels) >= expected - TWO_POINTS
    assert success(network, made, labels) == pytest.approx(success(network, best, labels), abs=TWO_POINTS)
    losses = torch.nn.functional.cross_entropy(network(made), labels, reduction="none")
    assert losses.mean() > 0.98 * best_loss.mean()


def test_apgd_is_stronger_than_pgd_of_as_many_steps(network: Small, photos: Any) -> None:
    images, labels = photos
    pgd = ours(network, images, labels, "linf", 0.045, "pgd", lr=0.2, steps=12)
    apgd = ours(network, images, labels, "linf", 0.045, "apgd", lr=1.0, steps=12)
    losses = [torch.nn.functional.cross_entropy(network(made), labels).item() for made in (pgd, apgd)]
    assert success(network, apgd, labels) >= success(network, pgd, labels) - TWO_POINTS
    assert losses[1] > losses[0] - 0.02
