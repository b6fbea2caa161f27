"""How the detail of a picture is spread over scales, for the page: one rule for ours and for photos beside."""

from pathlib import Path

from foundation.images.files import load_image, to_tensor
from generator.priors.spectrum import FourierSpectrum, fourier_spectrum


def spectrum_of(picture: Path) -> FourierSpectrum:
    """The Fourier spectrum of a picture's file. StudioError for one that cannot be read or is too small.

    Layers would not do: how much each of them holds depends on which others there are. A picture that started from a
    photo is no sum of them, and few fine layers share all of its fine detail.
    """
    (spectrum,) = fourier_spectrum(to_tensor(load_image(picture)))
    return spectrum
