"""What classifiers say of pictures that were made without them, or that they only look on."""

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from app.records.pictures import Picture
from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.entry import ModelInfo
from foundation.errors import StudioError
from foundation.images.files import load_image, to_tensor
from foundation.jobs import JobContext
from foundation.protocols import Classifier
from generator.production.production import predict
from generator.records.answers import Said
from generator.synthesis.models import Model

logger = logging.getLogger(__name__)


ONLOOKERS = 3  # models that are asked about a picture beside those that it was made with


def ask(picture: Path, catalogue: Catalogue, device: str) -> dict[str, Said]:
    """What the ready classifiers say about a picture, by name."""
    image = to_tensor(load_image(picture)).to(device)
    ready = [info.name for info in catalogue.list("classifier") if info.ready]
    return _opinions(_loadable(ready[:ONLOOKERS], catalogue, device), image)


def load_onlookers(
    infos: Mapping[str, ModelInfo], models: Mapping[str, Model], catalogue: Catalogue, device: str
) -> dict[str, Classifier]:
    """Other ready models that know the same classes."""
    classes = {model.class_names for model in models.values() if isinstance(model, Classifier)}
    others = [name for name, info in infos.items() if info.ready and name not in models and info.class_names in classes]
    return _loadable(others[:ONLOOKERS], catalogue, device)


def names_of_onlookers(infos: Mapping[str, ModelInfo], models: Collection[str]) -> tuple[str, ...]:
    """Which models `load_onlookers` will load for those called `models`, by what the list says."""
    classes = {infos[name].class_names for name in models if name in infos}
    others = [name for name, info in infos.items() if info.ready and name not in models and info.class_names in classes]
    return tuple(others[:ONLOOKERS])


def load_classifier(catalogue: Catalogue, name: str, device: str, context: JobContext | None = None) -> Classifier:
    """The classifier called `name`. StudioError for a model that knows no classes, and as `Catalogue.load`."""
    model = catalogue.load(name, device, context, kind="classifier")
    assert isinstance(model, Classifier)  # what the catalogue was asked for
    return model


def _loadable(names: list[str], catalogue: Catalogue, device: str) -> dict[str, Classifier]:
    loaded: dict[str, Classifier] = {}
    for name in names:
        try:
            loaded[name] = load_classifier(catalogue, name, device)
        except StudioError:  # a damaged model that nobody chose is no reason to lose the picture
            logger.warning("the model %s cannot be asked", name, exc_info=True)
    return loaded


def with_opinions(
    images: Sequence[Picture], models: Mapping[str, Classifier], context: JobContext, source: Tensor | None
) -> tuple[Picture, ...]:
    """The pictures with what these models say of their saved files, and of the photo before."""
    before = {} if source is None else _opinions(models, source.to(context.device))
    found = []
    for image in images:
        saved = to_tensor(load_image(context.dir / image.file)).to(context.device)
        after = _opinions(models, saved, before)
        found.append(Picture.of(image, before={**image.before, **before}, after={**image.after, **after}))
    return tuple(found)


def _opinions(
    models: Mapping[str, Classifier], image: Tensor, before: Mapping[str, Said] | None = None
) -> dict[str, Said]:
    """What models say of an image; as many passes make an answer as it took `before`, where that is known."""
    draws = {name: said.draws for name, said in (before or {}).items()}
    return {name: predict(model, image, draws.get(name)) for name, model in models.items()}
