"""What the page asks about pictures: what they cost here, what classifiers say of them, and how their detail lies."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.onlookers import ask
from app.spectra import spectrum_of_photo
from app.timings import Timings
from generator.recipe import Recipe
from robust_model.registry import ModelPool


@dataclass(frozen=True)
class Measurements:
    """Answers on one device.

    Attributes:
        timings: what pictures took.
        classifiers: the models that are asked.
        device: where all of it happens.
    """

    timings: Timings
    classifiers: ModelPool
    device: str

    def seconds(self, recipe: Recipe) -> float | None:
        """What a picture like this took the last time; None if there was none yet."""
        return self.timings.seconds(recipe, self.device)

    def opinions(self, picture: Path) -> Mapping[str, Any]:
        """What the ready classifiers say about a picture, by their names."""
        return ask(picture, self.classifiers, self.device)

    def photo_spectrum(self, recipe: Recipe, photo: Path) -> Mapping[str, Any]:
        """The spectrum of a photo in the layers of a finished recipe. StudioError for one that is too small."""
        return spectrum_of_photo(recipe, photo)
