"""Units of the models of this package: what their layers are called, and what of them is watched."""

import pytest
import torch
from torch import Tensor, nn

from generator.units.layers import layers_of
from generator.units.objective import Activation
from generator.units.unit import parse_unit
from robust_model.networks.ensemble import Ensemble, SelfEnsemble
from robust_model.networks.model_config import ModelConfig
from robust_model.networks.plain import PlainConfig, PlainDefence
from robust_model.networks.stack import StackConfig


def small(seed: int = 0, *, mirror: bool = False, separate: bool = False) -> SelfEnsemble:
    config = ModelConfig(
        class_names=("a", "b", "c"),
        stack=StackConfig(size=16, resolutions=(8, 16)),
        input_size=16,
        widths=(4, 6),
        blocks=(1, 1),
        readout_depths=(1, 2),
        mirror=mirror,
        separate_final_pass=separate,
    )
    return SelfEnsemble(config, seed=seed).eval().requires_grad_(False)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("separate", [False, True])
def test_a_self_ensemble_is_watched_without_its_mirror_image(images: Tensor, separate: bool) -> None:
    model = small(mirror=True, separate=separate)
    unit = Activation.of(model, parse_unit("chain.stages.2:5"), "small")
    assert unit.layer.size == (4, 4) and unit.layer.channels == 6
    (plain,) = model.chain(_stacked(model, images), [3])
    assert torch.allclose(unit(images), plain[:, 5].mean(dim=(1, 2)), atol=1e-5)


def _stacked(model: SelfEnsemble, images: Tensor) -> Tensor:
    """What the backbone sees, normalised."""
    return (model.views(images) - model.mean) / model.std


def test_an_ensemble_has_the_layers_of_its_members(images: Tensor) -> None:
    members = [small(0), small(1)]
    model = Ensemble(members).eval()
    assert "members.1.chain.stages.2" in layers_of(model) and model.observed_side == 16
    alone = Activation.of(members[1], parse_unit("chain.stages.2:5@centre"), "small")(images)
    assert torch.equal(Activation.of(model, parse_unit("members.1.chain.stages.2:5@centre"), "both")(images), alone)


def test_a_network_of_others_has_its_own_names(images: Tensor) -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    config = PlainConfig(name="own", class_names=("a", "b"), image_size=8, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    model = PlainDefence(network, config)
    assert {name: layer.size for name, layer in layers_of(model).items()} == {"0": (8, 8), "1": (1, 1), "2": ()}
    assert torch.allclose(Activation.of(model, parse_unit("2:1"), "own")(images), model(images)[:, 1])
