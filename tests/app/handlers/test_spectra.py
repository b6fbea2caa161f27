"""U12: the slope that the page shows is that of the picture's waves, for noise of a known slope and for photos."""

from pathlib import Path

import pytest
import torch

from app.handlers.measurements import spectrum_of
from foundation.errors import StudioError
from foundation.images.files import load_image, save_png, to_tensor
from generator.priors.spectrum import fourier_spectrum

EXAMPLES = sorted((Path(__file__).parents[3] / "assets" / "examples").glob("*.png"))


@pytest.mark.parametrize("slope", [1.0, 2.0, 3.0])
def test_noise_of_a_known_slope_has_it(tmp_path: Path, slope: float) -> None:
    """U12: 1 / f^a noise has slope -a, within 0.3 on the saved file."""
    rng = torch.Generator().manual_seed(5)
    down, across = torch.fft.fftfreq(192, 1 / 192)[:, None], torch.fft.fftfreq(256, 1 / 256)
    amplitude = torch.hypot(down * 256 / 192, across).clamp_min(1) ** (-slope / 2)
    noise = torch.fft.ifft2(torch.fft.fft2(torch.randn(192, 256, generator=rng)) * amplitude).real
    noise = 0.5 + 0.15 * noise / noise.std()
    save_png(noise.clamp(0, 1).expand(3, -1, -1), tmp_path / "noise.png")
    found = spectrum_of(tmp_path / "noise.png")
    assert found.fit.slope == pytest.approx(-slope, abs=0.3)
    assert found.frequencies[-1] == pytest.approx(128, abs=0.1) and len(found.frequencies) == len(found.power)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_photos_have_their_fourier_slope(path: Path) -> None:
    """U12: what is shown of a photo is its Fourier slope, which falls."""
    (truth,) = fourier_spectrum(to_tensor(load_image(path)))
    assert truth.fit is not None
    assert spectrum_of(path).fit.slope == pytest.approx(truth.fit.slope, abs=1e-6)
    assert truth.fit.slope < -1


def test_a_picture_without_detail_has_no_line_and_a_file_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    save_png(torch.full((3, 16, 24), 0.5), tmp_path / "grey.png")
    assert spectrum_of(tmp_path / "grey.png").fit is None
    with pytest.raises(StudioError, match="no file"):
        spectrum_of(tmp_path / "gone.png")
