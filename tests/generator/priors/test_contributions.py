"""A change split by layers and by wavelength: the parts add up, and go where they belong."""

import math

import pytest
import torch

from generator.priors.bounds import Bound, FromImage, L2Ball, LinfBall, Masked
from generator.priors.contributions import contributions, octaves
from generator.priors.making import make_prior
from generator.priors.operators import resolution_operator
from generator.priors.prior import LayeredPrior

SIZE = (9, 14)
RESOLUTIONS = (1, 2, 3, 6, 14)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image() -> torch.Tensor:
    """Two images with values at both ends, where the change is cut off."""
    return (1.4 * torch.rand(2, 3, *SIZE, generator=rng()) - 0.2).clamp(0, 1)


BOUNDS: dict[str, Bound] = {
    "linf": LinfBall(image(), 0.1),
    "l2": L2Ball(image(), 2.0),
    "none": FromImage(image()),
    "masked": Masked(LinfBall(image(), 0.1), image(), torch.rand(1, 1, *SIZE, generator=rng(1))),
}


@pytest.mark.parametrize("form", ["layered", "image_space"])
@pytest.mark.parametrize("name", list(BOUNDS))
def test_what_the_layers_contribute_is_the_change(form, name):
    prior = make_prior(form, BOUNDS[name], RESOLUTIONS, SIZE, batch=2, start_std=0.5, start_resolution=14, rng=rng(2))
    parts = list(contributions(prior))
    assert [part.band for part in parts] == [(r,) for r in RESOLUTIONS]
    change = prior.render().detach() - prior.bound.apply(torch.zeros(2, 3, *SIZE))
    assert change.abs().max() > 0.01
    torch.testing.assert_close(sum(part.change for part in parts), change, atol=1e-5, rtol=0)
    assert not parts[0].change.requires_grad


@pytest.mark.parametrize(("fine", "shares"), [(0.1, (3 / 4, 1 / 4)), (-0.3, (math.inf, -math.inf)), (0.0, (1, 0))])
def test_shares_are_in_proportion_and_layers_can_cancel(fine, shares):
    """Layers of one value each: X = 0.3 + fine, of which 0.3 / X is the coarse one's; where X = 0, the slope counts."""
    operator = resolution_operator((1, 4), (3, 4))
    start = {1: torch.full((1, 3, 1, 1), 0.3), 4: torch.full((1, 3, 3, 4), fine)}
    prior = LayeredPrior(operator, LinfBall(torch.full((1, 3, 3, 4), 0.5), 0.1), start=start)
    whole = 0.1 * math.tanh(0.3 + fine)
    for part, share, layer in zip(contributions(prior), shares, (0.3, fine), strict=True):
        expected = share * whole if math.isfinite(share) else 0.1 * layer
        torch.testing.assert_close(part.change, torch.full((1, 3, 3, 4), expected), atol=1e-7, rtol=1e-5)


def test_many_layers_come_in_bands():
    prior = make_prior("image_space", BOUNDS["linf"], range(1, 15), SIZE, batch=2, start_std=0.5, rng=rng())
    parts = list(contributions(prior))
    assert [part.band for part in parts] == [(1,), (2, 3), (4, 5, 6, 7), tuple(range(8, 15))]
    change = prior.render().detach() - image()
    torch.testing.assert_close(sum(part.change for part in parts), change, atol=1e-5, rtol=0)


def test_octaves_add_up_and_are_orthogonal():
    change = torch.randn(2, 3, *SIZE, generator=rng())
    parts = list(octaves(change))
    assert [(part.low, part.high) for part in parts] == [(0, 1), (1, 2), (2, 4), (4, 8), (8, 16)]
    torch.testing.assert_close(sum(part.change for part in parts), change, atol=1e-6, rtol=0)
    torch.testing.assert_close(parts[0].change, change.mean((2, 3), keepdim=True).expand_as(change))
    energies = torch.stack([part.change.square().sum() for part in parts])
    assert energies.min() > 0.1
    torch.testing.assert_close(energies.sum(), change.square().sum())


@pytest.mark.parametrize(("rows", "columns", "octave"), [(0, 3, 2), (2, 0, 2), (1, 1, 1), (3, 0, 3), (0, 13, 4)])
def test_a_wave_is_in_the_octave_of_its_wavelength(rows, columns, octave):
    """Half-cycles down 9 rows count 14 / 9 of those across 14 columns: 2 of them are 3.1, and 3 are 4.7."""
    down, across = torch.arange(9) + 0.5, torch.arange(14) + 0.5
    wave = torch.cos(math.pi * rows * down / 9)[:, None] * torch.cos(math.pi * columns * across / 14)
    for index, part in enumerate(octaves(wave.expand(1, 3, 9, 14))):
        expected = wave if index == octave else torch.zeros(9, 14)
        torch.testing.assert_close(part.change[0, 0], expected, atol=1e-5, rtol=0)


def test_a_single_pixel_is_its_mean():
    (part,) = octaves(torch.full((1, 3, 1, 1), 0.25))
    assert torch.equal(part.change, torch.full((1, 3, 1, 1), 0.25))
