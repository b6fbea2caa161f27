"""The catalogue of models as the page sees it: its list is remembered for a few seconds."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.visitors.vocabulary import Vocabulary, vocabulary_in
from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.entry import Kind, ModelInfo

SECONDS = 5.0


@dataclass(frozen=True)
class ModelList:
    """What can be chosen on a page.

    Attributes:
        catalogue: of what strangers may choose; see `robust_model.zoo.catalogue.open_catalogue`.
        now: the time in seconds, which never goes back.
    """

    catalogue: Catalogue
    now: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)
    _known: dict[Kind, tuple[float, Sequence[ModelInfo]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def list(self, kind: Kind) -> Sequence[ModelInfo]:
        """The models of a kind, ready or not: asked for again after a few seconds, since it reads their files."""
        with self._lock:
            then, infos = self._known.get(kind, (0.0, ()))
            if kind not in self._known or self.now() - then > SECONDS:
                infos = self.catalogue.list(kind)
                self._known[kind] = (self.now(), infos)
            return infos

    def find(self, name: str) -> ModelInfo:
        """What is known of a model of the lists, or of a published one. StudioError if there is none."""
        return self.catalogue.find(name)

    def vocabulary(self, model: str) -> Vocabulary | None:
        """What a model with a vocabulary of its own knows; None for others."""
        folder = next((info.folder for info in self.list("encoder") if info.name == model), None)
        return None if folder is None else vocabulary_in(folder)
