"""When two models mean the same class: classes are compared by name, never by number."""

import re
from collections.abc import Iterable, Mapping, Sequence

from generator.errors import StudioError

SYNONYMS: tuple[frozenset[str], ...] = (
    frozenset({"airplane", "aeroplane", "plane"}),
    frozenset({"automobile", "car", "motorcar"}),
    frozenset({"truck", "lorry"}),
)
"""Words for one thing that label lists use side by side; no broader or narrower things."""

_PICTURE_OF = re.compile(r"^((an?|the) )?(photo|photograph|picture|image|close-up) of ")
_ARTICLE = re.compile(r"^(an?|the) ")


def folded(name: str) -> str:
    """Return a name as it is compared: lower case, single spaces for underscores, without a leading article.

    A caption such as "a photo of a frog" names the frog.
    """
    plain = " ".join(name.replace("_", " ").casefold().split())
    return _ARTICLE.sub("", _PICTURE_OF.sub("", plain))


class Names:
    """Finds the labels of a victim that mean a class of another model.

    A label means a name if both are the same after `folded`, are synonyms, or if the name is one of several that
    the label lists ("tench, Tinca tinca", as ImageNet's do). What a user says beside that goes one way: with
    {"dog": ["beagle"]} the label "beagle" means the name "dog", and "dog" doesn't mean "beagle".
    """

    def __init__(self, also: Mapping[str, Sequence[str]] | None = None) -> None:
        """Take for each name further labels that mean it, too."""
        self.also = {folded(name): frozenset(map(folded, labels)) for name, labels in (also or {}).items()}

    def find(self, labels: Iterable[str], name: str) -> tuple[str, ...]:
        """Return those of the labels that mean `name`, in their order; () where none does."""
        wanted = self._meanings(folded(name))
        return tuple(label for label in labels if not wanted.isdisjoint(_parts(label)))

    def _meanings(self, name: str) -> frozenset[str]:
        meanings = frozenset({name}) | self.also.get(name, frozenset())
        return meanings.union(*(group for group in SYNONYMS if name in group))


def _parts(label: str) -> frozenset[str]:
    return frozenset({folded(label), *(folded(part) for part in label.split(","))})


def parse_also(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Read lines such as "dog=beagle, husky" into what `Names` takes. StudioError for one of another form."""
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name, _, labels = line.partition("=")
        listed = tuple(label.strip() for label in labels.split(",") if label.strip())
        if not name.strip() or not listed:
            raise StudioError(f"'{line[:80]}' doesn't say what means the same: write, for example, dog=beagle,husky.")
        found[name.strip()] = (*found.get(name.strip(), ()), *listed)
    return found
