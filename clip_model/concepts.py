"""What the small CLIP learns to name: the classes of its data sets, and the more general things that they are.

A concept has names (synonyms) and may have parents: a golden retriever is a dog. An image of a class is a
positive of the class and of all its ancestors; concepts that are related to a text are never its negatives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Concept:
    """One thing with its names, the most usual first, and the keys of the more general concepts above it."""

    key: str
    names: tuple[str, ...]
    parents: tuple[str, ...] = ()


CIFAR10 = (
    Concept("airplane", ("airplane", "plane", "aeroplane", "aircraft", "jet")),
    Concept("automobile", ("car", "automobile", "auto", "motorcar")),
    Concept("bird", ("bird",)),
    Concept("cat", ("cat", "kitten", "house cat")),
    Concept("deer", ("deer", "stag")),
    Concept("dog", ("dog", "puppy")),
    Concept("frog", ("frog", "toad")),
    Concept("horse", ("horse", "pony")),
    Concept("ship", ("ship", "boat", "vessel")),
    Concept("truck", ("truck", "lorry")),
)
"""The classes of CIFAR-10 in their order."""

GENERAL = (
    Concept("fish", ("fish",)),
    Concept("insect", ("insect", "bug")),
    Concept("butterfly", ("butterfly",), ("insect",)),
    Concept("spider", ("spider",)),
    Concept("snake", ("snake", "serpent")),
    Concept("ape", ("monkey", "ape")),
    Concept("bear", ("bear",)),
    Concept("big cat", ("big cat", "wild cat")),
    Concept("crustacean", ("lobster", "crustacean")),
    Concept("coral", ("coral",)),
    Concept("fruit", ("fruit",)),
    Concept("vegetable", ("vegetable",)),
    Concept("food", ("food", "meal", "dish")),
    Concept("ball", ("ball",)),
    Concept("bridge", ("bridge",)),
    Concept("train", ("train", "railway")),
    Concept("building", ("building", "house")),
    Concept("tower", ("tower",)),
    Concept("bottle", ("bottle",)),
    Concept("clothes", ("clothes", "clothing")),
    Concept("sea", ("sea", "ocean", "water", "lake")),
    Concept("mountain", ("mountain", "mountains")),
    Concept("dessert", ("dessert", "sweets")),
)
"""General concepts that are no class of a data set."""

_CHILDREN: Mapping[str, str] = {
    "cat": "n02124075 n02123045 n02123394",
    "dog": "n02106662 n02099712 n02099601 n02094433 n02085620 n02113799",
    "bird": "n02058221 n02056570 n01855672 n02002724",
    "frog": "n01641577 n01644900",
    "automobile": "n04285008 n02814533 n03100240 n03670208 n03977966",
    "truck": "n03796401",
    "ship": "n03447447 n03662601",
    "fish": "n01443537",
    "insect": "n02165456 n02206856 n02190166 n02268443 n02226429 n02231487 n02233338 n02236044",
    "butterfly": "n02279972 n02281406",
    "spider": "n01774750 n01774384",
    "snake": "n01742172",
    "ape": "n02486410 n02481823 n02480495",
    "bear": "n02132136",
    "big cat": "n02125311 n02129165",
    "crustacean": "n01984695 n01983481",
    "coral": "n09256479 n01917289",
    "fruit": "n07749582 n07753592 n07747607 n07768694",
    "vegetable": "n07720875 n07715103",
    "food": "n07873807 n07875152 n07583066 n07695742 n07711569 n07871810",
    "dessert": "n07614500 n07615774",
    "ball": "n04540053 n02802426 n04118538",
    "bridge": "n04366367 n04311004 n04532670",
    "train": "n02917067 n03393912",
    "building": "n02793495 n03042490 n02814860",
    "tower": "n04562935 n02814860",
    "bottle": "n03983396 n02823428 n03937543",
    "clothes": "n02963159 n03404251 n03770439 n03763968 n03980874 n03617480 n04371430",
    "sea": "n09428293 n09332890",
    "mountain": "n09193705 n09246464",
}
"""The WordNet classes of Tiny-ImageNet below each general concept or class of CIFAR-10."""


def wordnet_concepts(wnids: Sequence[str], words: Mapping[str, str]) -> tuple[Concept, ...]:
    """The concepts of WordNet classes from their entries in `words` ("goldfish, Carassius auratus")."""
    parents: dict[str, list[str]] = {}
    for parent, children in _CHILDREN.items():
        for wnid in children.split():
            parents.setdefault(wnid, []).append(parent)
    return tuple(
        Concept(
            wnid,
            tuple(dict.fromkeys(name.strip().lower() for name in words[wnid].split(",") if name.strip())),
            tuple(parents.get(wnid, ())),
        )
        for wnid in wnids
    )


@dataclass(frozen=True)
class Concepts:
    """All concepts a model is trained on; indices below are positions in `all`."""

    all: tuple[Concept, ...]
    data_sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The classes of each data set, in its order, as keys."""

    def __post_init__(self) -> None:
        unknown = {p for concept in self.all for p in concept.parents} - self.index.keys()
        if unknown or len(self.index) != len(self.all):
            raise ValueError(f"concepts with keys that are not unique, or with unknown parents: {sorted(unknown)}")

    def __len__(self) -> int:
        return len(self.all)

    @cached_property
    def index(self) -> dict[str, int]:
        """From key to index."""
        return {concept.key: i for i, concept in enumerate(self.all)}

    @cached_property
    def ancestors(self) -> tuple[tuple[int, ...], ...]:
        """The indices of all that stand above each concept."""

        def above(concept: Concept) -> list[int]:
            found: list[int] = []
            for parent in concept.parents:
                found += [self.index[parent], *above(self.all[self.index[parent]])]
            return found

        return tuple(tuple(dict.fromkeys(above(concept))) for concept in self.all)

    @cached_property
    def related(self) -> Tensor:
        """bool [K, K]: whether one concept is the other's ancestor or descendant; False on the diagonal."""
        related = torch.zeros(len(self), len(self), dtype=torch.bool)
        for i, above in enumerate(self.ancestors):
            related[i, list(above)] = True
        return related | related.T

    @cached_property
    def matches(self) -> Tensor:
        """bool [K, K]: whether an image of the row's concept shows the column's: itself and its ancestors."""
        shown = torch.eye(len(self), dtype=torch.bool)
        for i, above in enumerate(self.ancestors):
            shown[i, list(above)] = True
        return shown
