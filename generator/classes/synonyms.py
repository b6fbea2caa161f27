"""What else classes are called: one table for the command line, the page and the attacks on other models.

ImageNet's classes have the other names of their WordNet synsets, as timm lists them ("cougar, puma, catamount..."); a
few things of other label lists have those of everyday speech.
"""

import importlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from foundation import torchvision_cure  # noqa: F401  (before timm is imported)

SYNONYMS: tuple[frozenset[str], ...] = (
    frozenset({"airplane", "aeroplane", "plane"}),
    frozenset({"automobile", "car", "motorcar"}),
    frozenset({"truck", "lorry"}),
)
"""Words for one thing that label lists use side by side; no broader or narrower things."""


def synonyms_of(label: str) -> tuple[str, ...]:
    """What else a class called `label` is called, () where nothing is known.

    A name of ImageNet, with its capitals, has those of WordNet alone: its "plane" is a carpenter's, and no airplane.
    """
    if label in _imagenet():
        return _imagenet()[label]
    word = label.casefold()
    return tuple(other for group in SYNONYMS if word in group for other in sorted(group - {word}))


def imagenet_wordnet_ids() -> tuple[str, ...]:
    """The WordNet number ("n02123045") of each of ImageNet's 1,000 outputs, in their order."""
    return tuple(_info().label_names())


@lru_cache(maxsize=1)
def _imagenet() -> Mapping[str, tuple[str, ...]]:
    """The other names of each of ImageNet's classes, by torchvision's name for it."""
    from generator.classes.labels import imagenet  # here, since that package reads this table

    found: dict[str, tuple[str, ...]] = {}
    for label, described in zip(imagenet().labels, _info().label_descriptions(), strict=True):
        names = [name.strip() for name in described.split(",")]
        found[label] = tuple(name for name in names if name.casefold() != label.casefold())
    return found


@lru_cache(maxsize=1)
def _info() -> Any:
    data: Any = importlib.import_module("timm.data")
    return data.ImageNetInfo()
