"""When two models mean the same class: classes are compared by name, never by number."""

import re
from collections.abc import Iterable, Mapping, Sequence

from foundation.errors import StudioError
from generator.classes.synonyms import SYNONYMS

_PICTURE_OF = re.compile(r"^((an?|the) )?(photo|photograph|picture|image|close-up) of ", re.IGNORECASE)
_ARTICLE = re.compile(r"^(an?|the) ", re.IGNORECASE)


def folded(name: str) -> str:
    """Return a name as it is compared: lower case, single spaces for underscores, without a leading article.

    A caption such as "a photo of a frog" names the frog.
    """
    return plain(name).casefold()


def plain(name: str) -> str:
    """Return a name as `folded` does, with its capitals."""
    return _ARTICLE.sub("", _PICTURE_OF.sub("", " ".join(name.replace("_", " ").split())))


class Names:
    """Finds the labels of a victim that mean a class of another model.

    A label means a name if both are the same after `folded`, are synonyms, or if the name is one of several that
    the label lists ("tench, Tinca tinca", as ImageNet's do). Of labels that differ in capitals alone, as ImageNet's
    "Cardigan", a dog, and "cardigan", a garment, the one with those of the name is meant. What a user says beside
    that goes one way: with {"dog": ["beagle"]} the label "beagle" means the name "dog", and "dog" doesn't mean
    "beagle".
    """

    def __init__(self, also: Mapping[str, Sequence[str]] | None = None) -> None:
        """Take for each name further labels that mean it, too."""
        self.also = {name.strip(): tuple(labels) for name, labels in (also or {}).items()}

    def find(self, labels: Iterable[str], name: str) -> tuple[str, ...]:
        """Return those of the labels that mean `name`, in their order; () where none does."""
        known = tuple(labels)
        found = {label for meant in (name, *self.others(name)) for label in _alike(known, meant)}
        return tuple(label for label in known if label in found)

    def others(self, name: str) -> tuple[str, ...]:
        """Return what else means `name`: what the user says, and synonyms."""
        said = [label for known in _alike(tuple(self.also), name) for label in self.also[known]]
        synonyms = [word for group in SYNONYMS if folded(name) in group for word in sorted(group)]
        return tuple(dict.fromkeys([*said, *synonyms]))


def _alike(labels: Sequence[str], name: str) -> tuple[str, ...]:
    """The labels that are the same as a name, or list it; those that are so in capitals, too, if there are any."""
    alike = tuple(label for label in labels if folded(name) in _parts(label))
    exact = tuple(label for label in alike if plain(name) in map(plain, _listed(label)))
    return exact or alike


def _listed(label: str) -> tuple[str, ...]:
    """A label, and the names that it lists."""
    return (label, *label.split(","))


def _parts(label: str) -> frozenset[str]:
    return frozenset(map(folded, _listed(label)))


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
