"""Which of one model's classes count as right for a class or a thing of another's: any dog's breed for "dog".

The one table of what CIFAR-10's ten classes are among ImageNet's 1,000. ImageNet lists its animals in WordNet's order,
so that birds and breeds of dogs are the classes from one to another; vehicles are named one by one, and only those that
CIFAR-10 shows too (Krizhevsky 2009: "automobile" has sedans and the like, "truck" only big trucks; neither has pickup
trucks, which ImageNet has: they are left out). ImageNet has no deer.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from generator.classes.class_names import UnknownClassError, class_place, folded
from generator.classes.labels import imagenet

_BETWEEN: Mapping[str, Sequence[tuple[str, str]]] = {
    "bird": (("cock", "great grey owl"), ("black grouse", "black swan"), ("white stork", "albatross")),
    "cat": (("tabby", "Egyptian cat"),),
    "dog": (("Chihuahua", "Mexican hairless"),),
    "frog": (("bullfrog", "tailed frog"),),
}
"""Kinds that are all of ImageNet's classes from one to another, both included."""
_ONE_BY_ONE: Mapping[str, Sequence[str]] = {
    "airplane": ("airliner", "warplane"),
    "automobile": (
        *("beach wagon", "cab", "convertible", "jeep", "limousine", "minivan", "Model T", "racer", "sports car"),
    ),
    "horse": ("sorrel",),
    "ship": (
        *("aircraft carrier", "catamaran", "container ship", "fireboat", "lifeboat", "liner", "pirate", "schooner"),
        *("speedboat", "trimaran", "yawl"),
    ),
    "truck": ("fire engine", "garbage truck", "moving van", "tow truck", "trailer truck"),
}


@lru_cache(maxsize=1)
def kinds() -> Mapping[str, frozenset[str]]:
    """The classes of ImageNet that are of each kind."""
    labels = imagenet().labels
    found: dict[str, frozenset[str]] = {name: frozenset(members) for name, members in _ONE_BY_ONE.items()}
    for name, spans in _BETWEEN.items():
        places = [range(labels.index(first), labels.index(last) + 1) for first, last in spans]
        found[name] = frozenset(labels[place] for span in places for place in span)
    return found


def right_places(names: Sequence[str], wanted: str) -> tuple[int, ...]:
    """The places among a model's classes (`names`) of those that count as right for what is called `wanted`.

    That is the class of that name (as `generator.classes.class_names.class_place` finds it), or those that are of its
    kind, or the kind that it is of; () where the model knows no such thing. StudioError for a name of several classes.
    """
    try:
        return (class_place(names, wanted),)
    except UnknownClassError:
        pass
    below = kinds().get(folded(wanted), frozenset())
    above = {kind for kind, members in kinds().items() if wanted in members}
    return tuple(place for place, name in enumerate(names) if name in below or name in above)
