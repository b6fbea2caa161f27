"""How the detail of pictures is spread over scales, as JSON for the page: theirs, and that of photos beside them."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from generator.errors import StudioError
from generator.image import load_image, to_tensor
from generator.operators import parse_resolutions, resolution_operator
from generator.recipe import Recipe
from generator.spectrum import LayerSpectrum, layer_spectrum, photo_layer_spectrum
from generator.synthesis import Synthesis

logger = logging.getLogger(__name__)

_DIGITS = 5


@torch.no_grad()
def spectra_of(synthesis: Synthesis) -> list[dict[str, Any]]:
    """The spectrum of the layers of each picture of a finished synthesis; empty if there is none to be had.

    A picture that started from a photo is taken apart anew, because its layers are only what changed.
    """
    prior = synthesis.prior
    try:
        found: Sequence[LayerSpectrum] = (
            layer_spectrum(prior)
            if synthesis.source is None
            else photo_layer_spectrum(prior.render().detach(), prior.operator)
        )
    except StudioError:  # no reason to lose the picture
        logger.warning("a picture could not be taken apart", exc_info=True)
        return []
    return [_as_json(one) for one in found]


def spectrum_of_photo(recipe: Recipe, photo: Path) -> dict[str, Any]:
    """The spectrum of a photo in the layers of a finished recipe. StudioError for one that is too small."""
    operator = resolution_operator(parse_resolutions(recipe.resolutions, recipe.size), recipe.size, wrap=recipe.tile)
    return _as_json(photo_layer_spectrum(to_tensor(load_image(photo)), operator)[0])


def _as_json(spectrum: LayerSpectrum) -> dict[str, Any]:
    return {
        "resolutions": list(spectrum.resolutions),
        "variances": [_rounded(value) for value in spectrum.variances],
        "fit": None if spectrum.fit is None else asdict(spectrum.fit),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
