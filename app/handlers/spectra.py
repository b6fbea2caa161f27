"""How the detail of a picture is spread over scales, as JSON for the page: one rule for ours and for photos beside."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from foundation.images.files import load_image, to_tensor
from generator.priors.spectrum import fourier_spectrum

_DIGITS = 5


def spectrum_of(picture: Path) -> dict[str, Any]:
    """The Fourier spectrum of a picture's file. StudioError for one that cannot be read or is too small.

    Layers would not do: how much each of them holds depends on which others there are. A picture that started from a
    photo is no sum of them, and few fine layers share all of its fine detail.
    """
    (spectrum,) = fourier_spectrum(to_tensor(load_image(picture)))
    return {
        "frequencies": list(spectrum.frequencies),
        "power": [_rounded(value) for value in spectrum.power],
        "fit": None if spectrum.fit is None else asdict(spectrum.fit),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
