"""The layers of models whose units can be drawn, for the page."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from app.handlers.measurements import Aside
from app.handlers.onlookers import load_classifier
from foundation.catalogue.catalogue import Catalogue
from foundation.errors import StudioError
from generator.units.layers import Layer, layers_of, observable

_REMEMBERED = 64


class UnitLayers:
    """Asks models for their layers: the first question about one loads it, and lets it see a few images.

    Args:
        catalogue: the models.
        device: where they run.
        aside: the threads in which they run.
    """

    def __init__(self, catalogue: Catalogue, device: str, aside: Aside | None = None) -> None:
        self._catalogue, self._device, self._aside = catalogue, device, aside or Aside()
        self._known: OrderedDict[tuple[str, str], tuple[Layer, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, model: str) -> Sequence[Layer]:
        """The layers of a model in the order in which they run. StudioError if it is not there, or not yet."""
        info = self._catalogue.find(model, "classifier")
        if not info.ready:
            raise StudioError(f"The layers of '{model}' are known once it is here. {info.why_not}")
        key = (model, info.revision)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._aside(self._look, model)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            return self._known[key]

    def _look(self, model: str) -> tuple[Layer, ...]:
        loaded = load_classifier(self._catalogue, model, self._device)
        return tuple(layers_of(observable(loaded, model)).values())
