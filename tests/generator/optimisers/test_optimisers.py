"""The optimisers of a prior: normalisation, faults, and Adam on layers."""

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.optimisers.registry import OPTIMISERS, make_optimiser
from generator.priors.bounds import Free
from generator.priors.making import make_prior
from generator.priors.prior import Prior

SIZE = (12, 17)
FORMS = ("layered", "image_space")


def prior(form: str, size: tuple[int, int] = SIZE, batch: int = 2) -> Prior:
    return make_prior(form, Free(), (1, 3, 8, 12), size, batch=batch)


def slopes(size: tuple[int, int] = SIZE) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(12, 17), (60, 40)])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e20])
def test_normalised_descent_moves_every_picture_by_the_learning_rate(form, size, scale):
    subject = prior(form, size)
    optimiser = make_optimiser("sgd", subject, 0.03, normalise=True)
    loss = scale * (subject.render() * slopes(size)).sum((1, 2, 3)) * torch.tensor([1.0, 50.0])
    loss.sum().backward()
    optimiser.step()
    moved = sum(subject.layer_images().values()).square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(moved, torch.full((2,), 0.03), rtol=1e-4, atol=0)


@pytest.mark.parametrize("form", FORMS)
def test_a_zero_gradient_moves_nothing(form):
    subject = prior(form)
    optimiser = make_optimiser("sgd", subject, 0.1, normalise=True)
    (subject.render() * slopes() * torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)).sum().backward()
    optimiser.step()
    moved = sum(subject.layer_images().values())
    assert torch.equal(moved[0], torch.zeros_like(moved[0]))
    assert moved[1].any()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("normalise", [False, True])
def test_gradients_gather_until_they_are_forgotten(form, normalise):
    def moved(passes: int, forget: bool) -> Tensor:
        subject = prior(form)
        optimiser = make_optimiser("sgd", subject, 1e-3, normalise=normalise)
        for _ in range(passes):
            if forget:
                optimiser.zero_grad()
            (subject.render() * slopes()).sum().backward()
        optimiser.step()
        return sum(subject.layer_images().values())

    torch.testing.assert_close(moved(3, forget=True), moved(1, forget=True))
    torch.testing.assert_close(moved(3, forget=False), 3 * moved(1, forget=True), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_the_picture_follows_the_layers_whatever_gradients_were_gathered(form):
    subject = prior(form)
    optimiser = make_optimiser("sgd", subject, 1e-2, momentum=0.5, normalise=True)
    for weight in 1.0, -3.0, 2.0:
        (subject.render() * slopes().roll(int(weight), 3)).sum().backward()  # not forgotten in between
        optimiser.step()
        torch.testing.assert_close(subject.render(), subject.render_layers(subject.resolutions), rtol=0, atol=1e-5)
    subject.normalise_gradient = False
    optimiser.zero_grad()
    (1e-3 * subject.render() * slopes()).sum().backward()
    optimiser.step()
    torch.testing.assert_close(subject.render(), subject.render_layers(subject.resolutions), rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_a_step_without_a_gradient_is_a_mistake(form):
    subject = prior(form)
    optimiser = make_optimiser("sgd", subject, 0.1)
    with pytest.raises(RuntimeError, match="call backward"):
        optimiser.step()
    subject.render().sum().backward()
    optimiser.step()
    optimiser.zero_grad()
    with pytest.raises(RuntimeError, match="call backward"):
        optimiser.step()


ON_LAYERS = [name for name in OPTIMISERS if name != "apgd"]  # see test_projected


@pytest.mark.parametrize("name", ON_LAYERS)
@pytest.mark.parametrize("normalise", [False, True])
def test_every_optimiser_brings_a_picture_closer(name, normalise):
    subject = prior("layered")
    target = slopes().mul(0.1).add(0.6).clamp(0, 1)
    optimiser = make_optimiser(name, subject, 1e-3 if name == "sgd" and not normalise else 0.02, normalise=normalise)
    errors = []
    for _ in range(30):
        optimiser.zero_grad()
        error = (subject.render() - target).square().sum((1, 2, 3))
        error.sum().backward()
        optimiser.step()
        errors.append(error.detach())
    assert (errors[-1] < 0.8 * errors[0]).all()


def test_adam_needs_the_layers():
    subject = prior("image_space")
    with pytest.raises(StudioError, match='adam needs the layers: choose the form "layered"'):
        make_optimiser("adam", subject, 0.1, normalise=True)
    assert not subject.normalise_gradient


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("lbfgs", {"lr": 0.1}, "no optimiser 'lbfgs'; choose one of sgd, adam"),
        ("sgd", {"lr": 0.0}, "learning rate"),
        ("sgd", {"lr": float("inf")}, "learning rate"),
        ("sgd", {"lr": float("nan")}, "learning rate"),
        ("sgd", {"lr": 0.1, "momentum": 1.0}, "momentum"),
        ("sgd", {"lr": 0.1, "momentum": -0.1}, "momentum"),
        ("sgd", {"lr": 0.1, "momentum": 1.1}, "momentum"),
        ("adam", {"lr": 0.1, "momentum": 0.9}, "momentum of its own"),
        ("pgd", {"lr": 0.1, "momentum": 0.9}, "momentum of its own"),
        ("pgd", {"lr": 0.1, "schedule": "linear"}, "schedule from constant, cosine"),
        ("apgd", {"lr": 0.1}, "apgd needs single pixels and a budget"),
    ],
)
def test_senseless_settings_are_refused(name, options, reason):
    with pytest.raises(StudioError, match=reason):
        make_optimiser(name, prior("layered"), **options)
