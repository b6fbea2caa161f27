"""Spectra against noise of a known one, and by hand."""

import json
import math
from dataclasses import asdict
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.priors.bounds import Free
from generator.priors.operators import resolution_operator
from generator.priors.prior import LayeredPrior
from generator.priors.spectrum import (
    PowerLaw,
    fit_power_law,
    fourier_spectrum,
    layer_spectrum,
    on_canvas,
    photo_layer_spectrum,
)


def noise(size: tuple[int, int], exponent: float, batch: int = 6) -> Tensor:
    """Images in (0, 1) whose power falls as 1 / f^exponent, the same in all directions."""
    height, width = size
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width))
    frequency[0, 0] = 1
    white = torch.randn(batch, 1, height, width, generator=torch.Generator().manual_seed(3)).expand(-1, 3, -1, -1)
    coloured = torch.fft.ifft2(torch.fft.fft2(white) * frequency ** (-exponent / 2)).real
    coloured = coloured - coloured.mean((2, 3), keepdim=True)
    return 0.5 + 0.05 * coloured / coloured.std((1, 2, 3), keepdim=True)


def mean_slope(spectra) -> float:
    return sum(spectrum.fit.slope for spectrum in spectra) / len(spectra)


# --- the line -----------------------------------------------------------------------------------------------


def test_a_power_law_is_found():
    x = [1.0, 2.0, 5.0, 10.0]
    law = fit_power_law(x, [100 * v**-1.5 for v in x])
    assert (law.slope, law.intercept, law.r_squared) == pytest.approx((-1.5, 2.0, 1.0))
    assert (law.first, law.last) == (1.0, 10.0)


def test_a_line_by_hand():
    """log10 points (0, 0), (1, 1), (2, 1): slope 1/2, intercept 1/6, unexplained 1/6 of a spread of 2/3."""
    law = fit_power_law([1, 10, 100], [1, 10, 10])
    assert (law.slope, law.intercept, law.r_squared) == pytest.approx((0.5, 1 / 6, 0.75))


def test_points_without_a_logarithm_or_out_of_range_take_no_part():
    law = fit_power_law([0, 1, 2, 4, 8, 9], [5, 1, 0, 4, 8, 1e9], last=8.5)
    assert law == PowerLaw(pytest.approx(1.0), pytest.approx(0.0), pytest.approx(1.0), 1, 8)
    assert fit_power_law([1, 2], [3.0, 0.0]) is None
    assert fit_power_law([2, 2], [3.0, 4.0]) is None
    assert fit_power_law([], []) is None
    assert fit_power_law([1, 10], [7, 7]) == PowerLaw(0.0, pytest.approx(math.log10(7)), 1.0, 1, 10)


# --- Fourier ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("size", [(64, 64), (64, 96)])
def test_the_slope_of_noise_is_found(size, exponent):
    spectra = fourier_spectrum(noise(size, exponent))
    assert len(spectra) == 6
    assert mean_slope(spectra) == pytest.approx(-exponent, abs=0.15)
    if exponent:
        assert min(spectrum.fit.r_squared for spectrum in spectra) > 0.8


def test_a_wave_is_found_at_its_frequency_on_either_axis():
    rows, columns = torch.arange(48.0)[:, None], torch.arange(32.0)
    down = 0.5 + 0.1 * torch.sin(2 * torch.pi * 9 * rows / 48).expand(48, 32)
    across = 0.5 + 0.1 * torch.sin(2 * torch.pi * 6 * columns / 32).expand(48, 32)  # 9 cycles per 48 pixels
    for spectrum in fourier_spectrum(torch.stack([down, across])[:, None].expand(-1, 3, -1, -1)):
        assert len(spectrum.frequencies) == len(spectrum.power) == 24
        loudest = spectrum.power.index(max(spectrum.power))
        assert spectrum.frequencies[loudest] == pytest.approx(9, abs=0.2)
        assert sum(spectrum.power[12:]) < 1e-3 * sum(spectrum.power)


def test_power_is_variance_per_square_of_frequency():
    """White noise of variance s^2 fills all frequencies |f| <= L / 2 along each axis: s^2 / L^2, on any canvas."""
    for height, width in (64, 64), (40, 80):
        white = 0.5 + 0.1 * torch.randn(4, 1, height, width, generator=torch.Generator().manual_seed(0))
        for spectrum in fourier_spectrum(white.expand(-1, 3, -1, -1)):
            mean = sum(spectrum.power[5:]) / len(spectrum.power[5:])
            assert mean == pytest.approx(0.01 / max(height, width) ** 2, rel=0.1)


def test_a_flat_picture_has_no_spectrum():
    for spectrum in fourier_spectrum(torch.full((2, 3, 9, 12), 0.3)):
        assert set(spectrum.power) == {0.0}
        assert spectrum.fit is None


def test_a_ramp_does_not_look_like_its_jump_at_the_edge():
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    assert fourier_spectrum(ramp)[0].power[20] < 1e-8 * fourier_spectrum(ramp)[0].power[0]


def test_tiny_pictures_are_refused():
    with pytest.raises(StudioError, match="8 x 8 pixels, not 7 x 30"):
        fourier_spectrum(torch.zeros(1, 3, 7, 30))


# --- layers -------------------------------------------------------------------------------------------------


def test_the_variance_of_layers_by_hand():
    """A 2 x 2 layer on its own canvas, weight 3; the means of the channels do not count, a single cell has none."""
    operator = resolution_operator((1, 2), (2, 2), weights=[1.0, 3.0])
    cells = torch.tensor([[1.0, 2.0], [3.0, 4.0]])  # variance 5/4
    layer = torch.stack([cells, 10 + 2 * cells, torch.zeros(2, 2)])
    start = {1: torch.ones(2, 3, 1, 1), 2: torch.stack([layer, torch.zeros_like(layer)])}
    first, second = layer_spectrum(LayeredPrior(operator, Free(), batch=2, start=start))
    assert first.resolutions == second.resolutions == (2,)
    assert first.variances == pytest.approx((9 * (5 / 4 + 4 * 5 / 4) / 3,))
    assert second.variances == (0.0,)
    assert first.fit is second.fit is None


def test_layers_of_a_power_law_are_fitted_up_to_half_the_finest():
    resolutions = (2, 4, 8, 16, 32)
    operator = resolution_operator(resolutions, (24, 32))
    start = {
        r: torch.randn(1, 3, *shape, generator=torch.Generator().manual_seed(r)) / r
        for r, shape in zip(resolutions, operator.shapes, strict=True)
    }
    start[32] *= 1000  # beyond half of the finest: takes no part
    (spectrum,) = layer_spectrum(LayeredPrior(operator, Free(), start=start))
    assert spectrum.fit.last == 16
    assert spectrum.fit.slope == pytest.approx(-2, abs=0.5)


def test_layers_of_a_photo_fall_as_steeply_as_its_spectrum():
    operator = resolution_operator(tuple(range(1, 49)), (48, 48))
    slopes = [mean_slope(photo_layer_spectrum(noise((48, 48), exponent), operator)) for exponent in (0, 1, 2, 3)]
    for exponent, slope in enumerate(slopes):
        assert -exponent < slope < -exponent + 0.85  # the bend at the fine end makes it less steep
    for less, more in pairwise(slopes):
        assert more - less == pytest.approx(-1, abs=0.2)


def test_a_photo_that_is_a_sum_of_layers_compares_with_them():
    """The decomposition finds other layers than these, but alike in how their variance falls."""
    resolutions = tuple(range(1, 33))
    operator = resolution_operator(resolutions, (32, 32))
    rng = torch.Generator().manual_seed(0)
    image_gradient = torch.randn(3, 3, 32, 32, generator=rng)  # what descent turns into layers
    start = {r: 1e-3 * layer for r, layer in zip(resolutions, operator.adjoint(image_gradient), strict=True)}
    prior = LayeredPrior(operator, Free(), batch=3, start=start)
    for ours, photos in zip(
        layer_spectrum(prior), photo_layer_spectrum(prior.render().detach(), operator), strict=True
    ):
        assert photos.resolutions == ours.resolutions
        assert photos.variances == pytest.approx(ours.variances, rel=0.15)


def test_a_photo_is_seen_at_the_pixels_of_the_finest_layer():
    operator = resolution_operator((1, 2, 4, 10), (30, 60))
    photo = noise((40, 60), 2.0, batch=2)
    spectra = photo_layer_spectrum(photo, operator)
    assert spectra[0].resolutions == (2, 4, 10)
    small = resolution_operator((1, 2, 4, 10), (5, 10))
    assert photo_layer_spectrum(on_canvas(photo, (5, 10)), small) == spectra


def test_on_canvas_cuts_the_middle_and_averages():
    photo = torch.zeros(2, 3, 8, 20)
    photo[..., 6:14] = torch.tensor([0.2, 0.8]).repeat(4)
    assert torch.allclose(on_canvas(photo, (4, 4)), torch.tensor(0.5), atol=0.1)
    assert on_canvas(photo, (4, 10)).shape == (2, 3, 4, 10)
    same = noise((9, 12), 1.0)
    torch.testing.assert_close(on_canvas(same, (9, 12)), same)
    with pytest.raises(StudioError, match=r"8 x 20 pixels, too few .* 9 x 9 cells"):
        on_canvas(photo, (9, 9))


def test_spectra_are_json():
    operator = resolution_operator((1, 2, 3, 8), (8, 8))
    for spectrum in (*fourier_spectrum(noise((8, 9), 1.0, 1)), *photo_layer_spectrum(noise((9, 9), 1.0, 1), operator)):
        written = json.loads(json.dumps(asdict(spectrum), allow_nan=False))
        assert written["fit"]["slope"] == spectrum.fit.slope
