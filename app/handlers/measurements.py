"""What the page asks about pictures: what they cost here, what classifiers say of them, and how their detail lies.

Models are asked in a few threads of their own: PyTorch's libraries keep working memory of every thread that ever ran
one of their kernels, until the thread ends, and the server answers clicks in forty threads that never do.
"""

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from PIL import Image

from app.costs.estimates import Cost
from app.costs.timings import Timings
from app.handlers.onlookers import ask
from app.handlers.pictures import extras_of
from app.records.params import Wish
from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.entry import ModelInfo
from foundation.errors import StudioError
from foundation.images.files import load_image, to_tensor
from generator.priors.operators import Size
from generator.priors.spectrum import FourierSpectrum, fourier_spectrum
from generator.recipes.recipe import Recipe
from generator.records.answers import Answers

THREADS = 2
"""Enough that one slow question does not hold up all others."""
P = ParamSpec("P")
R = TypeVar("R")


class Aside:
    """Runs functions in those threads, in the order in which they come; whoever asks waits for the answer."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="asked by the page")

    def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What the function returns or raises, with the caller's context variables."""
        context = contextvars.copy_context()
        return self._threads.submit(lambda: context.run(function, *args, **kwargs)).result()


@dataclass(frozen=True)
class Measurements:
    """Answers on one device.

    Attributes:
        timings: what pictures took.
        catalogue: the models that are asked.
        list_models: the list of classifiers.
        device: where all of it happens.
        aside: the threads in which models are asked.
    """

    timings: Timings
    catalogue: Catalogue
    list_models: Callable[[], Sequence[ModelInfo]]
    device: str
    aside: Aside = field(default_factory=Aside)

    def cost(
        self,
        recipe: Recipe,
        photo: Path | None = None,
        explore: Wish | None = None,
        *,
        size: Size | None = None,
    ) -> Cost:
        """What a job that makes this takes here, with what is found out about an attack. StudioError if it cannot.

        `size` (height, width) is that of the photo, where it is to be another than the file's.
        """
        if size is None and photo is not None:
            size = _size_of(photo)
        infos = {info.name: info for info in self.list_models()}
        extras = extras_of(recipe, explore, infos)
        return self.timings.cost(recipe, self.device, size, extras)

    def opinions(self, picture: Path) -> Answers:
        """What the ready classifiers say about a picture, by their names."""
        return self.aside(ask, picture, self.catalogue, self.device)

    def spectrum(self, picture: Path) -> FourierSpectrum:
        """How the detail of a picture is spread over scales. StudioError for one that is too small."""
        return self.aside(spectrum_of, picture)


def spectrum_of(picture: Path) -> FourierSpectrum:
    """The Fourier spectrum of a picture's file. StudioError for one that cannot be read or is too small.

    Layers would not do: how much each of them holds depends on which others there are. A picture that started from a
    photo is no sum of them, and few fine layers share all of its fine detail.
    """
    (spectrum,) = fourier_spectrum(to_tensor(load_image(picture)))
    return spectrum


def _size_of(photo: Path) -> Size:
    """Height and width of one of the uploads, which are PNG files of our own, by its header."""
    try:
        with Image.open(photo, formats=("PNG",)) as opened:
            return opened.height, opened.width
    except OSError as error:
        raise StudioError("The picture to start from is no longer here: bring it again.") from error
