"""The contract of every training adversary, and its values by hand on a linear model."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from robust_model.training.adversary import ADVERSARIES, ascent_direction

EPS = 8 / 255
REACH = {"none": 0.0, "fgsm": EPS, "n-fgsm": 3 * EPS, "pgd": EPS}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures() -> Tensor:
    images = torch.rand(4, 3, 5, 6, generator=rng(1))
    images[0, 0, 0], images[1, 1, 1] = 0, 1  # some at the edges of the range
    return images


def network() -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(90, 8), nn.Tanh(), nn.Linear(8, 3))
    for number, parameter in enumerate(model.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=rng(number))
    return model


def loss_of(model: nn.Module) -> Callable[[Tensor], Tensor]:
    labels = torch.tensor([0, 1, 2, 0])
    return lambda x: nn.functional.cross_entropy(model(x), labels, reduction="none")


def test_every_adversary_has_a_stated_reach() -> None:
    assert REACH.keys() == ADVERSARIES.keys()


@pytest.mark.parametrize("name", ADVERSARIES)
@pytest.mark.parametrize("steps", [1, 5])
def test_contract(name: str, steps: int) -> None:
    model, images = network(), pictures()
    first = next(model.parameters())
    first.grad = torch.full_like(first, 3.0)
    weights = {n: t.clone() for n, t in model.state_dict().items()}
    clean, state = images.clone(), torch.get_rng_state()
    attacked = ADVERSARIES[name](loss_of(model), images, EPS, steps, rng())

    assert (attacked.shape, attacked.dtype, attacked.requires_grad) == (images.shape, torch.float32, False)
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    assert (attacked - images).abs().max() <= REACH[name] + 1e-6
    assert torch.equal(images, clean)
    assert images.grad is None
    assert torch.equal(first.grad, torch.full_like(first, 3.0))
    assert all(p.grad is None for p in list(model.parameters())[1:])
    assert all(torch.equal(tensor, weights[n]) for n, tensor in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(attacked, ADVERSARIES[name](loss_of(model), images, EPS, steps, rng()))


@pytest.mark.parametrize("name", [name for name in ADVERSARIES if name != "none"])
def test_the_loss_rises(name: str) -> None:
    model, images = network(), pictures()
    loss = loss_of(model)
    attacked = ADVERSARIES[name](loss, images, EPS, 5, rng())
    assert loss(attacked).sum() > loss(images).sum()


@pytest.mark.parametrize("name", ADVERSARIES)
def test_no_budget_no_change(name: str) -> None:
    images = pictures()
    assert torch.equal(ADVERSARIES[name](loss_of(network()), images, 0.0, 3, rng()), images)


WEIGHTS = torch.tensor([2.0, -3.0, 0.0, 0.5]).view(1, 1, 2, 2)


def linear(x: Tensor) -> Tensor:
    return (x * WEIGHTS).sum((1, 2, 3))


FLAT = torch.tensor([0.5, 0.05, 0.3, 0.95]).view(1, 1, 2, 2).expand(2, 3, 2, 2)


def test_ascent_direction_is_the_sign_of_the_slope() -> None:
    assert torch.equal(
        ascent_direction(linear, FLAT), torch.tensor([1.0, -1, 0, 1]).view(1, 1, 2, 2).expand(2, 3, 2, 2)
    )


def test_fgsm_by_hand() -> None:
    found = ADVERSARIES["fgsm"](linear, FLAT, 0.1, 1, rng())
    expected = torch.tensor([0.6, 0.0, 0.3, 1.0]).view(1, 1, 2, 2).expand(2, 3, 2, 2)
    assert torch.allclose(found, expected)


def test_pgd_ends_in_the_corner_of_the_ball() -> None:
    found = ADVERSARIES["pgd"](linear, FLAT, 0.1, 10, rng())
    assert torch.allclose(found[:, :, 0], torch.tensor([0.6, 0.0]).expand(2, 3, 2))
    assert torch.allclose(found[:, :, 1, 1], torch.tensor(1.0))
    assert (found[:, :, 1, 0] - 0.3).abs().max() <= 0.1  # no slope: it stays at its random start


def test_n_fgsm_is_noise_and_then_a_step() -> None:
    images = torch.full((50, 3, 2, 2), 0.5)
    found = ADVERSARIES["n-fgsm"](linear, images, 0.1, 1, rng())
    noise = found - images - 0.1 * WEIGHTS.sign()
    assert noise.abs().max() <= 0.2 + 1e-6
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.std()) - 0.4 / 12**0.5) < 0.01
