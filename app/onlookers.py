"""What classifiers say of pictures that were made without them, or that they only look on."""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from app.jobs import JobContext
from generator.errors import StudioError
from generator.image import load_image, to_tensor
from generator.production import predict
from generator.protocols import Classifier
from generator.synthesis import Model
from robust_model.registry import ModelInfo, ModelPool

logger = logging.getLogger(__name__)


class ClassList(Protocol):
    """A line of the list of models, as far as it matters here."""

    @property
    def ready(self) -> bool: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...


ONLOOKERS = 3  # models that are asked about a picture beside those that it was made with


def ask(picture: Path, classifiers: ModelPool, device: str) -> dict[str, dict[str, Any]]:
    """What the ready classifiers say about a picture, by name, each as `predict` puts it."""
    image = to_tensor(load_image(picture)).to(device)
    ready = [info.name for info in classifiers.list() if info.ready]
    return _opinions(_loadable(ready[:ONLOOKERS], classifiers, device), image)


def load_onlookers(
    infos: Mapping[str, ModelInfo], models: Mapping[str, Model], pool: ModelPool, device: str
) -> dict[str, Classifier]:
    """Other ready models that know the same classes."""
    classes = {model.class_names for model in models.values() if isinstance(model, Classifier)}
    others = [name for name, info in infos.items() if info.ready and name not in models and info.class_names in classes]
    return _loadable(others[:ONLOOKERS], pool, device)


def names_of_onlookers(infos: Mapping[str, ClassList], models: Collection[str]) -> tuple[str, ...]:
    """Which models `load_onlookers` will load for those called `models`, by what the list says."""
    classes = {infos[name].class_names for name in models if name in infos}
    others = [name for name, info in infos.items() if info.ready and name not in models and info.class_names in classes]
    return tuple(others[:ONLOOKERS])


def _loadable(names: list[str], pool: ModelPool, device: str) -> dict[str, Classifier]:
    loaded: dict[str, Classifier] = {}
    for name in names:
        try:
            loaded[name] = pool.get(name, device)
        except StudioError:  # a damaged model that nobody chose is no reason to lose the picture
            logger.warning("the model %s cannot be asked", name, exc_info=True)
    return loaded


def add_opinions(
    record: Mapping[str, Any], models: Mapping[str, Classifier], context: JobContext, source: Tensor | None
) -> None:
    """Add what these models say of the saved pictures, and of the photo before."""
    before = {} if source is None else _opinions(models, source.to(context.device))
    for image in record["images"]:
        saved = to_tensor(load_image(context.dir / image["file"])).to(context.device)
        image["before"].update(before)
        image["after"].update(_opinions(models, saved, before))


def _opinions(
    models: Mapping[str, Classifier], image: Tensor, before: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, dict[str, Any]]:
    """What models say of an image; as many passes make an answer as it took `before`, where that is known."""
    draws = {name: said["draws"] for name, said in (before or {}).items()}
    return {name: predict(model, image, draws.get(name)) for name, model in models.items()}
