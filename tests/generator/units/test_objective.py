"""The activation of units, by hand."""

import math

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.production.unit_answers import Baseline, baseline, in_words, noise_images
from generator.units.objective import Activation, UnitObjective
from generator.units.unit import parse_unit
from tests.generator.units.networks import Painter, Sequence


def images(height: int = 8, width: int = 12) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(3))


def seen(found: Tensor) -> Tensor:
    """What the channels of `see` are for images, written out."""
    red, green, blue = found.unbind(1)
    return torch.stack(
        [red - (green + blue) / 2, green - (red + blue) / 2, blue - (red + green) / 2, -(red + green + blue)], dim=1
    )


def value(unit: str, found: Tensor, model: object | None = None) -> Tensor:
    return Activation.of(model or Painter(), parse_unit(unit), "hand")(found)


def test_a_channel_is_its_mean() -> None:
    assert torch.allclose(value("see:0", images()), seen(images())[:, 0].mean(dim=(1, 2)), atol=1e-6)


def test_a_direction_is_the_weighted_sum() -> None:
    by_hand = 0.7 * seen(images())[:, 1] - 0.5 * seen(images())[:, 3]
    assert torch.allclose(value("see:1*0.7-3*0.5", images()), by_hand.mean(dim=(1, 2)), atol=1e-6)
    assert torch.allclose(value("see:1*0.7-3*0.5@3,3", images(64, 64)), _at(3, 3), atol=1e-6)


def _at(row: int, column: int) -> Tensor:
    found = seen(images(64, 64))
    return 0.7 * found[:, 1, row, column] - 0.5 * found[:, 3, row, column]


def test_a_neuron_is_one_place() -> None:
    """Positions count on the map of 64 x 64 that the network was listed with; other maps have the same place."""
    found = seen(images(64, 64))[:, 2]
    assert torch.allclose(value("see:2@centre", images(64, 64)), found[:, 32, 32], atol=1e-6)
    assert torch.allclose(value("see:2@5,60", images(64, 64)), found[:, 5, 60], atol=1e-6)
    smaller = seen(images(8, 12))[:, 2]
    assert torch.allclose(value("see:2@5,60", images(8, 12)), smaller[:, 0, 11], atol=1e-6)
    assert torch.allclose(value("see:2@63,0", images(8, 12)), smaller[:, 7, 0], atol=1e-6)


def test_a_whole_layer_is_its_mean_square() -> None:
    assert torch.allclose(value("see", images()), seen(images()).square().mean(dim=(1, 2, 3)), atol=1e-6)


def test_tokens_are_positions() -> None:
    found = images(64, 64)
    patches = torch.nn.functional.avg_pool2d(found, 4).flatten(2)
    assert torch.allclose(value("tokens:1@0", found, Sequence()), found[:, 1].mean(dim=(1, 2)), atol=1e-6)
    assert torch.allclose(value("tokens:1@18", found, Sequence()), patches[:, 1, 17], atol=1e-6)
    assert torch.allclose(value("pair:0@256", found, Sequence()), 2 * patches[:, 0, 255], atol=1e-6)
    assert torch.allclose(value("first:2@centre", found, Sequence()), 2 * patches[:, 2, 127], atol=1e-6)
    by_channel = Activation.of(Sequence(), parse_unit("last:2@4,9"), "hand")(found)
    assert torch.allclose(by_channel, torch.nn.functional.silu(patches[:, 2, 4 * 16 + 9]), atol=1e-6)


def test_the_loss_is_the_recount_with_a_plain_hook_and_so_is_its_gradient() -> None:
    network = Painter()
    one, other = images().requires_grad_(), images().requires_grad_()
    (term,) = UnitObjective(Activation.of(network, parse_unit("twice:0*0.5+1"), "hand")).evaluate(one)
    kept: list[Tensor] = []
    handle = network.twice.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    network(other)
    handle.remove()
    recount = -(0.5 * kept[-1][:, 0] + kept[-1][:, 1]).mean(dim=(1, 2))
    assert torch.equal(term.value, recount) and (term.name, term.weight) == ("negative activation", 1.0)
    gradients = [torch.autograd.grad(loss.sum(), leaf)[0] for loss, leaf in ((term.value, one), (recount, other))]
    assert torch.equal(*gradients) and gradients[0].any()


@pytest.mark.parametrize(
    ("unit", "model", "words"),
    [
        ("see:4", Painter, "has no channel 4: it has 4, numbered from 0 to 3"),
        ("see:0@64,1", Painter, "has 64 x 64 positions, counted from 0, and none at 64,1"),
        ("see:0@3", Painter, "has 64 x 64 positions: give one as @ROW,COLUMN, or @centre"),
        ("tokens:0@3,4", Sequence, "has 257 positions: give one as @NUMBER, or @centre"),
        ("weights", Sequence, "'weights' has no channels"),
    ],
)
def test_units_that_are_not_there_have_a_sentence(unit: str, model: type, words: str) -> None:
    with pytest.raises(StudioError) as refused:
        Activation.of(model(), parse_unit(unit), "hand")
    assert words in str(refused.value)


def test_a_vector_has_no_positions() -> None:
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    assert torch.allclose(value("1:2", images(), network), images()[:, 2].mean(dim=(1, 2)), atol=1e-6)
    with pytest.raises(StudioError, match="is a vector, without positions"):
        value("1:2@centre", images(), network)


def test_noise_is_the_scale() -> None:
    found = noise_images(8, 24, rng=torch.Generator().manual_seed(0))
    assert found.shape == (8, 3, 24, 24) and 0 <= found.min() < 0.2 and 0.8 < found.max() <= 1
    scale = baseline(Activation.of(Painter(), parse_unit("see:0"), "hand"))
    assert scale == baseline(Activation.of(Painter(), parse_unit("see:0"), "hand"))
    assert abs(scale.mean) < 0.1 and 0 < scale.std < 0.5
    compared = Baseline(mean=1.0, std=0.5, images=64).compare(1.0, 3.0)
    assert (compared.before_deviations, compared.after_deviations) == (0.0, 4.0)
    assert in_words(compared) == "1 (+0.0 sd) -> 3 (+4.0 sd); mean of 64 noise images 1"
    still = Baseline(mean=1.0, std=0.0, images=64).compare(1.0, 3.0)
    assert still.after_deviations is None and in_words(still).startswith("1 -> 3;")
    assert math.isfinite(scale.std)
