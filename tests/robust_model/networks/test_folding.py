"""Networks of timm's with their norms folded, for attacks: the same answers and gradients, up to rounding."""

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from foundation import torchvision_cure  # noqa: F401  (before timm is imported)
from robust_model.networks.packaged import PACKAGED
from robust_model.networks.plain import PlainConfig, PlainDefence


def lite() -> PlainDefence:
    """EfficientNet-Lite0 of random weights, with statistics that have lived, for images of 48 x 48."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = PACKAGED["lite0"].network(pretrained=False).train()
        with torch.no_grad():
            for _ in range(2):
                network(torch.rand(8, 3, 48, 48))
    names = tuple(f"class {number}" for number in range(1000))
    return PlainDefence(network.eval(), PlainConfig(name="lite", class_names=names, image_size=48))


def gradient(model: PlainDefence, images: Tensor) -> tuple[Tensor, Tensor]:
    leaf = images.clone().requires_grad_()
    logits = model(leaf)
    return logits.detach(), torch.autograd.grad(logits[:, 3].sum(), leaf)[0]


@pytest.mark.slow
def test_a_folded_network_answers_as_itself() -> None:
    model = lite()
    fast = model.accelerated()
    assert fast is not model and fast is model.accelerated()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.network.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in model.network.modules())
    images = torch.rand(2, 3, 60, 50, generator=torch.Generator().manual_seed(1))
    for one, other in zip(gradient(model, images), gradient(fast, images), strict=True):
        assert (one - other).abs().max() < 1e-3 * one.abs().max()


def test_weights_that_change_are_folded_anew() -> None:
    model = lite()
    before = model.accelerated()
    with torch.no_grad():
        model.network.get_parameter("classifier.bias").add_(1.0)
    after, images = model.accelerated(), torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(2))
    assert after is not before
    with torch.no_grad():
        assert torch.allclose(after(images) - before(images), torch.ones(1, 1000), atol=1e-3)


def test_other_networks_stay_as_they_are() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    network(torch.rand(1, 3, 8, 8))
    model = PlainDefence(network, PlainConfig(name="own", class_names=("a", "b"), image_size=8))
    assert model.accelerated() is model


def test_a_random_network_stays_as_it_is() -> None:
    model = lite()
    model.random = True
    assert model.accelerated() is model


class Swapped(nn.Module):
    """Asks the norm that stands after its convolution first."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), norm

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.conv(self.norm(images)).mean((2, 3))
        return found


def test_a_network_whose_neighbours_do_not_follow_each_other_stays_as_it_is() -> None:
    norm = BatchNormAct2d(3)
    norm.running_mean += 0.3  # type: ignore[operator]
    norm.running_var *= 4  # type: ignore[operator]
    model = PlainDefence(Swapped(norm), PlainConfig(name="odd", class_names=("a", "b", "c"), image_size=8))
    assert model.accelerated() is model
